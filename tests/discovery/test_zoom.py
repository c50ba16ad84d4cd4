import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelke.discovery.zoom import Box, absolute_boxes, crop_to, paste_nearest, zoom_box
from spelke.errors import InvalidInput


@st.composite
def regions(draw):
    """A filled box somewhere in a square picture."""
    size = draw(st.integers(32, 96))
    left, right = sorted((draw(st.integers(0, size - 1)), draw(st.integers(0, size - 1))))
    top, bottom = sorted((draw(st.integers(0, size - 1)), draw(st.integers(0, size - 1))))
    region = np.zeros((size, size), bool)
    region[top : bottom + 1, left : right + 1] = True
    return region


@given(region=regions(), padding=st.integers(1, 12))
def test_a_zoom_box_is_a_square_that_holds_the_region(region, padding):
    box = zoom_box(region, padding)
    size = region.shape[0]
    assert box.right - box.left == box.bottom - box.top
    assert region[box.top : box.bottom, box.left : box.right].sum() == region.sum()
    assert min(box.left, box.top) >= 0
    if box.right - box.left <= size:
        assert max(box.right, box.bottom) <= size
    else:
        assert (box.left, box.top) == (0, 0)


@given(region=regions(), padding=st.integers(2, 12))
def test_zooming_in_and_out_keeps_the_region(region, padding):
    size = region.shape[0]
    box = zoom_box(region, padding)
    picture = np.repeat(region[..., None].astype(np.uint8) * 255, 3, 2)
    crop, _ = crop_to(picture, box, 4 * size)
    back = paste_nearest(crop[..., 0] > 127, box, region.shape)
    assert (back != region).sum() <= 2 * np.sqrt(region.size)  # at most a line of pixels


def test_nothing_to_zoom_into():
    with pytest.raises(InvalidInput, match="empty region"):
        zoom_box(np.zeros((8, 8), bool), 2)


def test_boxes_of_crops_of_crops():
    halves = [Box(64, 0, 192, 128), Box(64, 64, 192, 192)]
    assert absolute_boxes(halves, [2.0, 2.0]) == [halves[0], Box(96, 32, 160, 96)]
