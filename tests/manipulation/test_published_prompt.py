"""The sequence of the published object editor: the `rgb_*` arrays of object_edit.npz."""

import numpy as np
import pytest
import torch
from tests.recipes import golden

from spelke.manipulation.patch_choice import published_edit_orders
from spelke.tokens.edit_sequence import EditCodes, edit_prompt, second_picture
from spelke.tokens.flow_bins import flow_to_bins
from spelke.tokens.layout import lras_3d_layout
from spelke.tokens.sequence import TokenSequence

GOLDEN = golden("object_edit")
LAYOUT = lras_3d_layout()
SPAN = 5
"""Pointer and codes of a patch of a picture."""


@pytest.fixture(scope="module")
def codes():
    first, second = (
        torch.from_numpy(np.random.RandomState(seed).randint(0, 65536, (1, 64, 64))[0])
        for seed in (1, 2)
    )
    flow = torch.from_numpy(GOLDEN["flow_ds_from1024"][0]).flip(0)
    return EditCodes(first, flow_to_bins(flow), second)


def _prompt(codes, reveal):
    return edit_prompt(
        codes,
        GOLDEN["unmask_new_seed3"].tolist(),
        GOLDEN["rgb_unmask_img1"].tolist(),
        published_edit_orders(int(GOLDEN["rgb_seed"]), LAYOUT.num_patches),
        LAYOUT,
        reveal=reveal,
    )


@pytest.fixture(scope="module")
def prompt(codes):
    return _prompt(codes, "first")


def test_flow_is_binned_as_published(codes):
    np.testing.assert_array_equal(codes.flow, GOLDEN["flow_codes64"][0])


def test_the_prompt_is_the_published_one(prompt):
    np.testing.assert_array_equal(prompt.given.tokens, GOLDEN["rgb_seq"])
    whole = prompt.given + prompt.answer
    np.testing.assert_array_equal(whole.positions, GOLDEN["rgb_pos"])


def test_the_answer_waits_as_published(prompt):
    assert prompt.answer.length == GOLDEN["rgb_n"]
    assert SPAN * prompt.num_revealed == GOLDEN["rgb_nu"]
    np.testing.assert_array_equal(prompt.answer.tokens, GOLDEN["rgb_rem"])
    np.testing.assert_array_equal(prompt.answer.tokens[::SPAN], GOLDEN["rgb_rmi"])


def test_the_decoded_picture_is_the_published_one(prompt):
    tokens = prompt.answer.tokens.clone().view(-1, SPAN)
    patches = tokens[:, :1] - LAYOUT.frames[1].pointers.start
    said = (61 * patches + 7 * torch.arange(1, SPAN)) % 65536
    tokens[prompt.num_revealed :, 1:] = said[prompt.num_revealed :]
    answer = TokenSequence(tokens.flatten(), prompt.answer.positions)
    np.testing.assert_array_equal(second_picture(answer, LAYOUT), GOLDEN["rgb_pred_codes"][0])


def test_unless_told_otherwise_the_requested_patches_are_revealed(codes, prompt):
    ours = _prompt(codes, "requested")
    pointers = ours.answer.tokens[::SPAN][: ours.num_revealed]
    requested = GOLDEN["rgb_unmask_img1"]
    np.testing.assert_array_equal((pointers - LAYOUT.frames[1].pointers.start).sort()[0], requested)
    assert torch.equal(ours.given.tokens, prompt.given.tokens)
