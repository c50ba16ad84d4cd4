"""Heat is bright where the map is high, and the bar says how high."""

import numpy as np
import pytest

from spelke.errors import InvalidInput
from spelke.viz.heat import draw_heat


def test_higher_values_are_brighter(photo):
    values = np.tile(np.linspace(0, 1, 80, dtype=np.float32), (60, 1))
    drawn = draw_heat(photo, values, bar=False, zoom=1)
    assert drawn.shape == photo.shape
    columns = drawn.astype(float).mean((0, 2))
    assert np.corrcoef(columns, np.arange(80))[0, 1] > 0.95


def test_a_coarse_map_covers_the_whole_picture(photo):
    values = np.array([[0.0, 1.0]], np.float32)
    drawn = draw_heat(photo, values, bar=False, zoom=1).astype(float).mean(-1)
    assert drawn[:, -1].mean() > drawn[:, 0].mean() + 80


def test_the_bar_stands_beside_the_picture(photo):
    values = np.zeros((6, 8), np.float32)
    plain, barred = draw_heat(photo, values, bar=False), draw_heat(photo, values, high=1.0)
    assert barred.shape[0] == plain.shape[0]
    assert barred.shape[1] > plain.shape[1]
    np.testing.assert_array_equal(barred[:, : plain.shape[1]], plain)


def test_the_range_decides_the_colour(photo):
    values = np.full((6, 8), 0.5, np.float32)
    dark = draw_heat(photo, values, high=1.0, bar=False)
    bright = draw_heat(photo, values, bar=False)
    same = draw_heat(photo, values, low=0.25, high=0.75, bar=False)
    assert bright.mean() > dark.mean()
    np.testing.assert_array_equal(same, dark)


def test_a_map_of_nothing_is_dark_and_no_error(photo):
    assert draw_heat(photo, np.zeros((6, 8), np.float32), bar=False).mean() < photo.mean()


@pytest.mark.parametrize("size", [(1, 1), (4, 300), (300, 4)])
def test_pictures_of_any_shape_are_drawn(size):
    drawn = draw_heat(np.zeros((*size, 3), np.uint8), np.ones((2, 2), np.float32))
    assert drawn.ndim == 3


@pytest.mark.usefixtures("unchecked_shapes")
def test_what_is_no_map_is_refused(photo):
    for values in (np.zeros((2, 3, 3)), np.zeros((0, 3)), np.full((3, 3), np.nan)):
        with pytest.raises(InvalidInput, match="map of finite numbers"):
            draw_heat(photo, values)
    with pytest.raises(InvalidInput, match="below the darkest"):
        draw_heat(photo, np.ones((3, 3)), low=2.0)
