import torch
from hypothesis import given
from hypothesis import strategies as st

from spelke.tokens.patches import from_patches, to_patches


@given(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6))
def test_there_and_back(batch, rows, columns):
    codes = torch.arange(batch * rows * columns * 4).view(batch, 2 * rows, 2 * columns)
    patches = to_patches(codes)
    assert torch.equal(from_patches(patches, columns), codes)
    for row in range(rows):
        for column in range(columns):
            block = codes[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            assert torch.equal(patches[:, column + columns * row], block.flatten(1))
