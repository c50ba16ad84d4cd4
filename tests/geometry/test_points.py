"""Laws of points under resizing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelke.errors import InvalidInput
from spelke.geometry.points import (
    check_inside,
    is_inside,
    pixel_of,
    rescale_coordinate,
    rescale_displacement,
    rescale_point,
    rescale_poke,
)
from spelke.types import Poke

sizes = st.tuples(st.integers(1, 2000), st.integers(1, 2000))
points = st.tuples(st.floats(-100, 3000), st.floats(-100, 3000))


@given(points, sizes, sizes)
def test_rescaling_there_and_back_is_where_one_began(point, size, other):
    back = rescale_point(rescale_point(point, size, other), other, size)
    assert back == pytest.approx(point, abs=1e-6)


@given(points, sizes, sizes, sizes)
def test_rescaling_a_point_twice_is_rescaling_once(point, first, second, third):
    twice = rescale_point(rescale_point(point, first, second), second, third)
    assert twice == pytest.approx(rescale_point(point, first, third), rel=1e-6, abs=1e-6)


@given(points, sizes, sizes)
def test_a_point_stays_inside_or_outside(point, size, other):
    # The borders themselves may fall to either side by rounding.
    x, y = point
    near = min(abs(x + 0.5), abs(x - size[1] + 0.5), abs(y + 0.5), abs(y - size[0] + 0.5))
    if near > 1e-6:
        assert is_inside(point, size) == is_inside(rescale_point(point, size, other), other)


def test_the_middle_of_an_image_stays_its_middle():
    assert rescale_point((1.5, 0.5), (2, 4), (20, 40)) == (19.5, 9.5)


def test_the_corners_of_the_pixels_stay_corners():
    assert rescale_coordinate(-0.5, 7.3) == -0.5
    assert rescale_coordinate(9.5, 0.5) == 4.5


@given(points, st.tuples(st.floats(-50, 50), st.floats(-50, 50)), sizes, sizes)
def test_the_end_of_a_rescaled_poke_is_the_rescaled_end(point, displacement, size, other):
    poke = Poke(point, displacement)
    rescaled = rescale_poke(poke, size, other)
    expected = rescale_point(poke.end, size, other)
    assert rescaled.end == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_a_displacement_has_no_origin():
    assert rescale_displacement((0.0, 0.0), (10, 10), (99, 77)) == (0.0, 0.0)
    assert rescale_displacement((2.0, 3.0), (10, 10), (20, 40)) == (8.0, 6.0)


@given(st.integers(1, 500), st.integers(1, 500), st.data())
def test_a_pixel_holds_its_centre(height, width, data):
    row = data.draw(st.integers(0, height - 1))
    column = data.draw(st.integers(0, width - 1))
    away = data.draw(st.floats(-0.49, 0.49))
    assert pixel_of((float(column), float(row)), (height, width)) == (row, column)
    assert pixel_of((column + away, row - away), (height, width)) == (row, column)


@pytest.mark.parametrize("point", [(-0.51, 0.0), (4.5, 0.0), (0.0, 2.5), (0.0, -3.0)])
def test_a_point_outside_is_refused_with_the_ranges(point):
    with pytest.raises(InvalidInput, match=r"x must lie between 0 and 4 and y between 0 and 2"):
        check_inside(point, (3, 5))
    with pytest.raises(InvalidInput, match="outside"):
        pixel_of(point, (3, 5))


def test_the_outer_halves_of_border_pixels_are_inside():
    check_inside((-0.5, -0.5), (3, 5))
    assert pixel_of((-0.5, 2.49), (3, 5)) == (2, 0)


def test_an_image_without_pixels_is_refused():
    with pytest.raises(InvalidInput, match="positive"):
        rescale_point((0.0, 0.0), (0, 5), (3, 3))
