import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spelke.errors import InvalidInput
from spelke.manipulation.flow_grid import moving_cells, pool_longest, reduce_flow


def _flow(seed, rows, columns):
    generator = torch.Generator().manual_seed(seed)
    return 5 * torch.randn(2, rows, columns, generator=generator)


@given(st.integers(0, 999), st.sampled_from([1, 2, 4]))
def test_the_longest_vector_of_a_block_is_kept_whole(seed, side):
    flow = _flow(seed, 16, 24)
    pooled, source = pool_longest(flow, side)
    assert torch.equal(pooled, flow.flatten(1)[:, source])
    blocks = flow.norm(dim=0).unfold(0, side, side).unfold(1, side, side)
    torch.testing.assert_close(pooled.norm(dim=0), blocks.amax((2, 3)))


@given(st.integers(0, 999), st.sampled_from([1, 2, 4, 8, 16]))
def test_steps_keep_what_one_step_would(seed, ratio):
    flow = _flow(seed, 4 * ratio, 6 * ratio)
    reduced = reduce_flow(flow, (4, 6), (4 * ratio, 6 * ratio))
    assert torch.equal(reduced, pool_longest(flow, ratio)[0])


def test_flow_is_given_in_the_pixels_of_the_network_and_cut_to_its_range():
    flow = torch.zeros(2, 16, 32)
    flow[:, 0, 0] = torch.tensor([-4.0, 6.0])
    flow[:, 8, 8] = torch.tensor([4000.0, 0.0])
    reduced = reduce_flow(flow, (4, 8), (8, 8))
    assert reduced[:, 0, 0].tolist() == [-1, 3]
    assert reduced[:, 2, 2].tolist() == [256, 0]
    assert moving_cells(reduced).sum() == 2


def test_sizes_that_do_not_halve_are_refused():
    for size in ((5, 6), (4, 3), (8, 12), (32, 48)):
        with pytest.raises(InvalidInput, match="does not halve"):
            reduce_flow(torch.zeros(2, 24, 36), size, (24, 36))
