import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spelke.benchmarks.matching import iou_matrix, match
from spelke.errors import InvalidInput


def random_masks(seed, count, size=12):
    return np.random.default_rng(seed).random((count, size, size)) > 0.6


@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_overlaps_equal_a_count_by_pixels(seed, num_truths, num_predictions):
    truths, predictions = random_masks(seed, num_truths), random_masks(seed + 1, num_predictions)
    ignore = random_masks(seed + 2, num_truths)
    expected = [
        [
            (truth & found & ~skipped).sum() / ((truth | found) & ~skipped).sum()
            for found in predictions
        ]
        for truth, skipped in zip(truths, ignore, strict=True)
    ]
    assert np.array_equal(iou_matrix(truths, predictions, ignore), expected)


def test_zeros_and_ones_of_any_type_are_masks():
    masks = random_masks(0, 3)
    assert np.array_equal(iou_matrix(masks, masks), iou_matrix(masks.astype("u1"), masks * 1.0))


def test_two_empty_masks_agree_and_one_empty_mask_does_not():
    empty, full = np.zeros((1, 4, 4), bool), np.ones((1, 4, 4), bool)
    assert iou_matrix(empty, empty) == 1
    assert iou_matrix(empty, full) == 0
    assert iou_matrix(full, empty) == 0


def test_an_overlap_in_ignored_pixels_is_worth_nothing():
    truth, ignore = np.zeros((1, 4, 4), bool), np.zeros((1, 4, 4), bool)
    truth[:, :2] = True
    ignore[:, 1:] = True
    found = np.ones((1, 4, 4), bool)
    assert iou_matrix(truth, found, ignore) == 1
    assert iou_matrix(truth, found) == 0.5


def test_the_assignment_is_the_best_one_and_not_the_greedy_one():
    overlaps = np.array([[0.9, 0.8], [0.8, 0.1]])
    rows, columns = match(overlaps)
    assert rows.tolist() == [0, 1]
    assert columns.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("truths", "predictions", "ignore", "says"),
    [
        (np.zeros((4, 4)), np.zeros((1, 4, 4)), None, "count, height, width"),
        (np.full((1, 4, 4), 255, "u1"), np.zeros((1, 4, 4)), None, "only 0 and 1"),
        (np.zeros((1, 4, 4)), np.zeros((1, 5, 4)), None, "resize the predictions"),
        (np.zeros((2, 4, 4)), np.zeros((1, 4, 4)), np.zeros((1, 4, 4)), "shape of the truths"),
    ],
)
def test_bad_masks_are_refused_with_the_remedy(truths, predictions, ignore, says):
    with pytest.raises(InvalidInput, match=says):
        iou_matrix(truths, predictions, ignore)
