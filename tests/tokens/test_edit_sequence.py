"""Laws of the editor's sequence on a small layout; the published one is in tests/manipulation."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spelke.errors import InvalidInput
from spelke.tokens.edit_sequence import EditCodes, EditOrders, edit_prompt, second_picture
from spelke.tokens.layout import rgb_flow_layout
from spelke.tokens.sequence import unpack_patches

LAYOUT = rgb_flow_layout(3, 4, rgb_codes=64, flow_bins=32)
PATCHES = LAYOUT.num_patches
some_patches = st.lists(st.integers(0, PATCHES - 1), unique=True, max_size=6)


def _codes(seed):
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randint(64, (2, 6, 8), generator=generator)
    return EditCodes(first, torch.randint(32, (2, 6, 8), generator=generator), second)


def _orders(seed):
    generator = torch.Generator().manual_seed(seed)
    return EditOrders(*(torch.randperm(PATCHES, generator=generator) for _ in range(3)))


@given(st.integers(0, 999), some_patches, some_patches)
def test_every_part_holds_what_was_asked_for_in_its_order(seed, told, revealed):
    codes, orders = _codes(seed), _orders(seed)
    prompt = edit_prompt(codes, told, revealed, orders, LAYOUT)
    kept = PATCHES * 3 // 4
    first, _ = unpack_patches(prompt.given.cut(stop=5 * kept), LAYOUT.frames[0])
    assert torch.equal(first, orders.first[:kept])
    flow, bins = unpack_patches(prompt.given.cut(5 * kept), LAYOUT.flow)
    assert set(flow.tolist()) == set(told)
    for patch, values in zip(flow.tolist(), bins, strict=True):
        row, column = divmod(patch, LAYOUT.columns)
        block = codes.flow[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        assert values.tolist() == [int(v) for pair in block.flatten(1).T for v in pair]
    second, _ = unpack_patches(prompt.answer, LAYOUT.frames[1])
    assert set(second[: prompt.num_revealed].tolist()) == set(revealed)
    assert torch.equal(second_picture(prompt.answer, LAYOUT), codes.second)


@given(st.integers(0, 999), some_patches)
def test_every_token_has_a_position_of_its_own(seed, told):
    prompt = edit_prompt(_codes(seed), told, (), _orders(seed), LAYOUT)
    positions = (prompt.given + prompt.answer).positions
    assert len(positions.unique()) == len(positions)
    assert positions.max() < LAYOUT.num_positions
    assert (prompt.given + prompt.answer).tokens.max() < LAYOUT.vocab_size


def test_the_published_code_reveals_the_head_of_the_order_instead():
    orders = _orders(0)
    prompt = edit_prompt(_codes(0), (), (0, 1), orders, LAYOUT, reveal="first")
    second, _ = unpack_patches(prompt.answer, LAYOUT.frames[1])
    assert torch.equal(second, orders.second)
    assert prompt.num_revealed == 2


def test_all_of_the_first_picture_can_be_kept():
    prompt = edit_prompt(_codes(0), (), (), _orders(0), LAYOUT, num_kept=PATCHES)
    assert prompt.given.length == 5 * PATCHES


@pytest.mark.usefixtures("unchecked_shapes")
def test_what_does_not_fit_the_layout_is_refused():
    codes = _codes(0)
    small = EditCodes(codes.first, codes.flow, codes.second[:4])
    with pytest.raises(InvalidInput, match="got 4 x 8"):
        edit_prompt(small, (), (), _orders(0), LAYOUT)
    answer = edit_prompt(codes, (), (), _orders(0), LAYOUT).answer
    with pytest.raises(InvalidInput, match="once"):
        second_picture(answer.cut(5), LAYOUT)
