"""The boundary F-measure against the published procedure, written out, and its laws."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.morphology import disk

from spelke.benchmarks.boundary import boundary_f, boundary_of
from spelke.errors import InvalidInput


def shape(seed, size=(40, 56)):
    """A few random discs and boxes, some cut by the border of the picture."""
    generator = np.random.default_rng(seed)
    mask = np.zeros(size, np.uint8)
    for _ in range(generator.integers(1, 4)):
        x, y = (int(v) for v in generator.integers(0, (size[1], size[0])))
        cv2.circle(mask, (x, y), int(generator.integers(2, 18)), 1, -1)
        left, top = (int(v) for v in generator.integers(-5, 40, 2))
        cv2.rectangle(mask, (left, top), (left + 9, top + 6), 1, -1)
    return mask.astype(bool)


def published(truth, found, tolerance=0.008):
    """DAVIS, step by step: boundary maps, dilation by a disc, precision and recall."""

    def boundary(mask):
        right, below, both = (np.zeros_like(mask) for _ in range(3))
        right[:, :-1], below[:-1], both[:-1, :-1] = mask[:, 1:], mask[1:], mask[1:, 1:]
        edge = (mask ^ right) | (mask ^ below) | (mask ^ both)
        edge[-1] = mask[-1] ^ right[-1]
        edge[:, -1] = mask[:, -1] ^ below[:, -1]
        edge[-1, -1] = False
        return edge

    reach = math.ceil(tolerance * np.linalg.norm(truth.shape))
    kernel = np.asarray(disk(reach), np.uint8)
    true, mine = boundary(truth), boundary(found)
    wide_true = cv2.dilate(true.astype(np.uint8), kernel).astype(bool)
    wide_mine = cv2.dilate(mine.astype(np.uint8), kernel).astype(bool)
    if not true.any() or not mine.any():
        return float(true.any() == mine.any())
    precision = (mine & wide_true).sum() / mine.sum()
    recall = (true & wide_mine).sum() / true.sum()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@given(st.integers(0, 2**31), st.integers(0, 2**31), st.sampled_from([0.008, 0.03, 0.1]))
def test_it_is_the_published_procedure_to_the_last_digit(seed, other, tolerance):
    truth, found = shape(seed), shape(other)
    assert boundary_f(truth, found, tolerance) == published(truth, found, tolerance)


@given(st.integers(0, 2**31), st.integers(0, 2**31))
def test_it_is_symmetric_and_between_0_and_1_and_1_for_itself(seed, other):
    truth, found = shape(seed), shape(other)
    value = boundary_f(truth, found)
    assert value == boundary_f(found, truth)
    assert 0 <= value <= 1
    assert boundary_f(truth, truth) == 1


@given(st.integers(0, 2**31), st.integers(0, 2**31))
def test_more_tolerance_never_lowers_it(seed, other):
    truth, found = shape(seed), shape(other)
    values = [boundary_f(truth, found, share) for share in (0.001, 0.008, 0.03, 0.1, 0.5)]
    assert values == sorted(values)


def test_an_inverted_mask_has_the_same_boundary():
    mask = shape(3)
    assert np.array_equal(boundary_of(mask), boundary_of(~mask))


def test_masks_without_a_boundary_agree_and_score_nothing_against_others():
    empty, full, thing = np.zeros((9, 9), bool), np.ones((9, 9), bool), np.eye(9) > 0
    assert boundary_f(empty, empty) == boundary_f(empty, full) == 1
    assert boundary_f(empty, thing) == boundary_f(thing, full) == 0


def test_one_pixel_off_is_right_within_the_tolerance_and_far_off_is_not():
    truth = np.zeros((100, 100), bool)
    truth[30:60, 30:60] = True
    assert boundary_f(truth, np.roll(truth, 2, 0)) == 1  # 0.8 % of 141 pixels are 2
    assert boundary_f(truth, np.roll(truth, 3, 0)) < 1
    assert boundary_f(truth, np.roll(truth, 40, 0)) == 0


def test_a_ragged_outline_costs_more_here_than_in_overlap():
    truth = np.zeros((200, 200), bool)
    truth[40:160, 40:160] = True
    ragged = truth.copy()
    for start in range(40, 160, 16):
        ragged[32:40, start : start + 8] = True
    overlap = (truth & ragged).sum() / (truth | ragged).sum()
    assert overlap > 0.95
    assert 1 - boundary_f(truth, ragged) > 2 * (1 - overlap)


@pytest.mark.usefixtures("unchecked_shapes")
def test_sizes_must_agree():
    with pytest.raises(InvalidInput, match="resize the prediction"):
        boundary_f(np.zeros((3, 4), bool), np.zeros((3, 5), bool))
