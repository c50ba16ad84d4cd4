import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spelke.errors import InvalidInput
from spelke.tokens.campose import IDENTITY_CODES
from spelke.tokens.layout import flow_layout, lras_3d_layout, rgb_flow_layout, spelkenet_layout
from spelke.tokens.sequence import (
    TokenSequence,
    pack_camera,
    pack_patches,
    split_order,
    unpack_patches,
)

SMALL = flow_layout(3, 4, rgb_codes=16, flow_codes=8, camera_values=2000)


@given(st.integers(0, 3), st.integers(0, 12), st.integers(0, 10_000))
def test_unpacking_inverts_packing(batch, count, seed):
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, count) if batch else (count,)
    patches = torch.randint(SMALL.num_patches, shape, generator=generator)
    for stream in (SMALL.frames[0], SMALL.flow, rgb_flow_layout(3, 4, rgb_codes=16).flow):
        codes = torch.randint(8, (*shape, stream.stride - 1), generator=generator)
        sequence = pack_patches(codes, patches, stream)
        assert sequence.length == stream.stride * count
        back = unpack_patches(sequence, stream)
        assert torch.equal(back[0], patches)
        assert torch.equal(back[1], codes)


def test_a_position_says_what_a_token_is_wherever_it_stands():
    codes, patches = torch.arange(12).view(3, 4) % 8, torch.tensor([5, 0, 11])
    sequence = pack_patches(codes, patches, SMALL.flow)
    turned = pack_patches(codes[[2, 0, 1]], patches[[2, 0, 1]], SMALL.flow)
    meaning = dict(zip(sequence.positions.tolist(), sequence.tokens.tolist(), strict=True))
    assert meaning == dict(zip(turned.positions.tolist(), turned.tokens.tolist(), strict=True))
    base = SMALL.flow.position
    assert sequence.positions[:5].tolist() == [base + 25 + slot for slot in range(5)]


def test_interleaved_flow_takes_nine_tokens_a_patch():
    layout = lras_3d_layout()
    sequence = pack_patches(torch.arange(8)[None], torch.tensor([3]), layout.flow)
    assert sequence.tokens.tolist() == [68_099, *range(67_584, 67_592)]
    assert sequence.positions.tolist() == list(range(10_267, 10_276))


def test_camera_at_rest_is_the_published_one():
    sequence = pack_camera(IDENTITY_CODES, spelkenet_layout())
    assert sequence.tokens.tolist() == [111376, *[103177] * 3, *[102377] * 3, 101377]
    assert sequence.positions.tolist() == list(range(22528, 22536))


@given(st.sets(st.integers(0, 11)), st.integers(0, 10_000))
def test_conditioned_patches_come_first_in_shuffled_order(conditioned, seed):
    order = torch.from_numpy(np.random.RandomState(seed).permutation(12))
    twice = [*conditioned, *conditioned]
    given_, rest = split_order(order, twice)
    assert given_.tolist() == [patch for patch in order.tolist() if patch in conditioned]
    assert rest.tolist() == [patch for patch in order.tolist() if patch not in conditioned]
    count = min(12, len(twice))
    as_published = split_order(order, twice, count)
    assert torch.cat(as_published).tolist() == [*given_.tolist(), *rest.tolist()]
    assert len(as_published[0]) == count


def test_stretches_join_again():
    sequence = pack_camera(IDENTITY_CODES, SMALL)
    joined = sequence.cut(0, 3) + sequence.cut(3)
    assert torch.equal(joined.tokens, sequence.tokens)
    assert torch.equal(joined.positions, sequence.positions)


def test_wrong_sequences_say_why():
    with pytest.raises(InvalidInput, match="7 tokens are not whole patches of 5"):
        unpack_patches(TokenSequence(torch.zeros(7).long(), torch.zeros(7).long()), SMALL.flow)
    with pytest.raises(InvalidInput, match="expected a pointer"):
        unpack_patches(TokenSequence(torch.zeros(5).long(), torch.zeros(5).long()), SMALL.flow)
    with pytest.raises(InvalidInput, match="no camera tokens"):
        pack_camera(IDENTITY_CODES, lras_3d_layout())
    with pytest.raises(InvalidInput, match="7 codes, got 6"):
        pack_camera(IDENTITY_CODES[:6], SMALL)
