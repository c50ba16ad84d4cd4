import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelke.errors import InvalidInput
from spelke.manipulation.regions import combined_box, touched_patches, whole_patches


def _mask(seed, share):
    return np.random.default_rng(seed).random((24, 32)) < share


@given(st.integers(0, 999), st.floats(0, 1))
def test_whole_patches_are_touched_and_none_of_the_rest_is(seed, share):
    mask = _mask(seed, share)
    whole, touched = whole_patches(mask, 6, 8), touched_patches(mask, 6, 8)
    assert not (whole & ~touched).any()
    np.testing.assert_array_equal(whole, ~touched_patches(~mask, 6, 8))


@given(st.integers(0, 999), st.integers(1, 12))
def test_boxes_are_widened_as_opencv_does(seed, kernel):
    rng = np.random.default_rng(seed)
    before, after, boxes = (np.zeros((24, 32), bool) for _ in range(3))
    for mask in (before, after):
        top, left = rng.integers(0, 20), rng.integers(0, 28)
        box = np.s_[top : top + 1 + rng.integers(5), left : left + 1 + rng.integers(6)]
        mask[box] = True
        square = np.ones((kernel, kernel), np.uint8)
        boxes |= cv2.dilate(mask.astype(np.uint8), square).astype(bool)
    np.testing.assert_array_equal(combined_box(before, after, kernel), boxes)


def test_an_object_that_left_has_no_box():
    mask = np.zeros((24, 32), bool)
    assert not combined_box(mask, mask).any()


def test_a_mask_that_does_not_divide_is_refused():
    with pytest.raises(InvalidInput, match="does not divide"):
        whole_patches(np.zeros((24, 32), bool), 5, 8)
