"""What is drawn over a picture marks what it should."""

import numpy as np
import pytest

from spelke.errors import InvalidInput
from spelke.types import Poke, Segment
from spelke.viz.overlay import PALETTE, draw_point, draw_pokes, draw_segment, draw_segments


def test_inside_is_tinted_outside_is_dimmed_and_the_border_is_white(photo, segment):
    drawn = draw_segment(photo, segment, show_pokes=False, zoom=8).astype(int)
    assert drawn.shape == (480, 640, 3)
    inside, outside = drawn[170:200, 250:300].mean((0, 1)), drawn[20:100, 20:100].mean((0, 1))
    tint = np.array(PALETTE[0])
    assert np.abs(inside - tint).sum() < np.abs(photo.mean() - tint).sum()
    assert (outside < photo.mean() - 10).all()
    row = drawn[250]
    white = np.flatnonzero((row > 240).all(-1))
    assert {30 * 8, 60 * 8 - 1} <= {place for edge in white for place in (edge, edge + 1, edge - 1)}


def test_the_point_is_marked_in_the_colour(photo, segment):
    drawn = draw_segment(photo, segment, show_pokes=False, zoom=8)
    x, y = (int((value + 0.5) * 8) for value in segment.point)
    assert tuple(drawn[y, x]) == PALETTE[0]
    drawn = draw_point(photo, (10.0, 50.0), color=(255, 0, 0), zoom=8)
    assert tuple(drawn[50 * 8 + 4, 10 * 8 + 4]) == (255, 0, 0)


def test_a_poke_reaches_from_its_point_to_its_end(photo):
    poke = Poke((20.0, 30.0), (40.0, 0.0))
    drawn = draw_pokes(photo, [poke], color=(255, 0, 0), zoom=8)
    red = np.argwhere((drawn == (255, 0, 0)).all(-1))
    assert red[:, 1].min() == pytest.approx(20.5 * 8, abs=4)
    assert red[:, 1].max() == pytest.approx(60.5 * 8, abs=4)
    still = draw_pokes(photo, [Poke.still((20.0, 30.0))], color=(255, 0, 0), zoom=8)
    assert np.ptp(np.argwhere((still == (255, 0, 0)).all(-1)), 0).max() < 12


def test_each_segment_has_its_colour_and_small_ones_lie_on_top(photo, segment):
    large = Segment(np.ones((60, 80), bool), (5.0, 55.0), 0.5)
    drawn = draw_segments(photo, [segment, large], show_points=False, zoom=8).astype(int)
    for place, color in (((240, 300), PALETTE[0]), ((440, 100), PALETTE[1])):
        ranks = np.argsort(drawn[place])
        assert (ranks == np.argsort(color)).all()


def test_numbers_are_drawn_on_request(photo, segment):
    plain = draw_segments(photo, [segment], show_points=False)
    numbered = draw_segments(photo, [segment], numbered=True)
    assert (plain != numbered).any()


def test_no_segments_leave_the_picture_as_it_is(photo):
    np.testing.assert_array_equal(draw_segments(photo, [], zoom=1), photo)
    empty = Segment(np.zeros((60, 80), bool), (10.0, 10.0), 0.0)
    drawn = draw_segment(photo, empty, zoom=1)
    np.testing.assert_array_equal(drawn[30:], photo[30:])


def test_a_segment_of_the_whole_picture_has_no_outline(photo):
    whole = Segment(np.ones((60, 80), bool), (40.0, 30.0), 1.0)
    drawn = draw_segment(photo, whole, zoom=1)
    assert (drawn[0].max(-1) < 240).all()


def test_one_pixel_can_be_a_segment():
    one = Segment(np.ones((1, 1), bool), (0.0, 0.0), 1.0)
    assert draw_segment(np.zeros((1, 1, 3), np.uint8), one).shape == (640, 640, 3)


def test_a_mask_of_another_size_is_refused(photo):
    other = Segment(np.ones((60, 81), bool), (0.0, 0.0), 1.0)
    with pytest.raises(InvalidInput, match="does not belong"):
        draw_segment(photo, other)
