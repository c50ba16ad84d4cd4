"""Laws of the patch grid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelke.errors import InvalidInput
from spelke.geometry.grid import PatchGrid


@st.composite
def grids(draw):
    patch = draw(st.integers(1, 16))
    rows, columns = draw(st.integers(1, 20)), draw(st.integers(1, 20))
    return PatchGrid((rows * patch, columns * patch), patch)


@given(grids(), st.data())
def test_a_patch_holds_its_own_centre(grid, data):
    index = data.draw(st.integers(0, grid.num_patches - 1))
    assert grid.index_of(grid.centre_of(index)) == index


@given(grids(), st.data())
def test_every_pixel_lies_in_the_box_of_its_patch(grid, data):
    height, width = grid.image_size
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    left, top, box_width, box_height = grid.box_of(grid.index_of((float(x), float(y))))
    assert left <= x < left + box_width
    assert top <= y < top + box_height


@given(grids())
def test_the_boxes_cover_every_pixel_once(grid):
    count = np.zeros(grid.image_size, int)
    for index in range(grid.num_patches):
        left, top, width, height = grid.box_of(index)
        count[top : top + height, left : left + width] += 1
    assert (count == 1).all()


@given(grids())
def test_all_centres_are_the_centres_one_by_one(grid):
    expected = [grid.centre_of(index) for index in range(grid.num_patches)]
    np.testing.assert_allclose(grid.centres(), expected)


def test_patches_are_numbered_row_by_row():
    grid = PatchGrid((256, 256), 8)
    assert (grid.rows, grid.columns) == (32, 32)
    assert grid.index_of((17.9, 8.0)) == 2 + 32 * 1
    assert grid.index_of((7.99, 0.0)) == 0  # the published rule, int(x // 8)
    assert grid.index_of((-0.4, 255.4)) == 32 * 31


@pytest.mark.parametrize("point", [(256.0, 0.0), (0.0, -1.0)])
def test_a_point_outside_has_no_patch(point):
    with pytest.raises(InvalidInput, match="outside the image"):
        PatchGrid((256, 256), 8).index_of(point)


@pytest.mark.parametrize("index", [-1, 1024])
def test_a_patch_that_is_not_there_is_refused(index):
    with pytest.raises(InvalidInput, match="from 0 to 1023"):
        PatchGrid((256, 256), 8).box_of(index)


def test_an_image_that_does_not_divide_is_refused():
    with pytest.raises(InvalidInput, match="multiples of 8"):
        PatchGrid((250, 256), 8)
    with pytest.raises(InvalidInput, match="positive size"):
        PatchGrid((0, 8), 8)
