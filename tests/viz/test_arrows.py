"""Arrows stand where something moves and point where it goes."""

import numpy as np
import pytest

from spelke.errors import InvalidInput
from spelke.viz.arrows import draw_displacement


@pytest.fixture
def flow():
    flow = np.zeros((2, 60, 80), np.float32)
    flow[0, 20:40, 30:60] = 5
    return flow


def _coloured(drawn):
    return np.argwhere(np.ptp(drawn.astype(int), -1) > 60)


def test_only_what_moves_has_arrows(photo, flow):
    drawn = draw_displacement(photo, flow, zoom=8)
    places = _coloured(drawn) / 8
    assert len(places) > 500
    assert places[:, 0].min() > 17
    assert places[:, 0].max() < 43
    assert places[:, 1].min() > 27
    assert places[:, 1].max() < 70


def test_a_still_picture_has_neither_arrows_nor_key(photo):
    drawn = draw_displacement(photo, np.zeros((2, 60, 80), np.float32))
    assert len(_coloured(drawn)) == 0
    assert drawn.min() > 60


def test_opposite_motions_have_different_colours(photo, flow):
    right = draw_displacement(photo, flow, zoom=8)
    left = draw_displacement(photo, -flow, zoom=8)
    colours = [drawn[tuple(_coloured(drawn).T)].mean(0) for drawn in (right, left)]
    assert np.abs(colours[0] - colours[1]).max() > 80


def test_a_shared_longest_makes_pictures_comparable(photo, flow):
    alone = draw_displacement(photo, flow)
    beside_longer = draw_displacement(photo, flow, longest=20.0)
    assert len(_coloured(beside_longer)) < len(_coloured(alone))


def test_unknown_flow_is_still(photo, flow):
    flow[:, :15] = np.nan
    assert _coloured(draw_displacement(photo, flow, zoom=8))[:, 0].min() > 17 * 8


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 3)])
def test_pictures_of_any_shape_are_drawn(shape):
    drawn = draw_displacement(np.zeros((*shape, 3), np.uint8), np.ones((2, *shape), np.float32))
    assert max(drawn.shape) >= 640


@pytest.mark.usefixtures("unchecked_shapes")
def test_a_flow_of_another_size_is_refused(photo):
    with pytest.raises(InvalidInput, match=r"expected \(2, 60, 80\)"):
        draw_displacement(photo, np.zeros((2, 60, 81), np.float32))
