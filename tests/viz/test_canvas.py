"""Strokes lie where they should, at every size."""

import numpy as np
import pytest
import torch

from spelke.errors import InvalidInput
from spelke.viz.canvas import INK, LEGIBLE_SIDE, WHITE, Canvas, measure, to_pixels


def test_a_tensor_and_an_array_give_the_same_canvas(photo):
    tensor = torch.from_numpy(photo).permute(2, 0, 1) / 255
    np.testing.assert_array_equal(to_pixels(tensor), photo)
    np.testing.assert_array_equal(Canvas.of(tensor).pixels, Canvas.of(photo).pixels)


def test_the_picture_that_came_is_never_drawn_on(photo):
    before = photo.copy()
    Canvas.of(photo, zoom=1).disc((10.0, 10.0), 8.0, WHITE)
    np.testing.assert_array_equal(photo, before)


@pytest.mark.parametrize("shape", [(1, 1), (60, 80), (640, 480), (2000, 30)])
def test_small_pictures_are_enlarged_by_a_whole_factor_until_legible(shape):
    canvas = Canvas.of(np.zeros((*shape, 3), np.uint8))
    assert canvas.pixels.shape[:2] == (shape[0] * canvas.zoom, shape[1] * canvas.zoom)
    assert max(canvas.pixels.shape) >= LEGIBLE_SIDE
    assert max(shape) * (canvas.zoom - 1) < LEGIBLE_SIDE


def test_a_point_is_placed_at_the_middle_of_its_enlarged_pixel():
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[2, 5] = 255
    canvas = Canvas.of(picture, zoom=5)
    bright = np.argwhere(canvas.pixels[..., 0] > 128)
    assert canvas.place((5.0, 2.0)) == (27.0, 12.0)
    np.testing.assert_allclose(bright.mean(0), (12, 27), atol=0.01)


def test_a_disc_and_a_line_lie_around_their_points():
    canvas = Canvas(np.zeros((40, 60, 3), np.uint8), 1)
    canvas.disc((20.25, 10.5), 5.0, WHITE)
    weights = canvas.pixels[..., 0].astype(float)
    rows, columns = np.indices(weights.shape)
    assert (weights * columns).sum() / weights.sum() == pytest.approx(20.25, abs=0.1)
    assert (weights * rows).sum() / weights.sum() == pytest.approx(10.5, abs=0.1)
    # OpenCV draws the half-covered border a little too wide.
    assert np.sqrt(weights.sum() / 255 / np.pi) == pytest.approx(5.0, abs=0.7)


def test_an_arrow_reaches_its_tip_and_points_along():
    canvas = Canvas(np.full((60, 120, 3), 128, np.uint8), 1)
    canvas.arrow((20.0, 30.0), (100.0, 30.0), WHITE, 3.0)
    white = np.argwhere((canvas.pixels == 255).all(-1))
    assert white[:, 1].max() == pytest.approx(100, abs=2)
    widths = [np.ptp(white[white[:, 1] == column, 0]) for column in (40, 92, 98)]
    assert widths[1] > widths[0]  # the head is wider than the shaft
    assert widths[1] > widths[2]  # and narrows towards the tip


def test_an_arrow_without_length_is_a_dot():
    canvas = Canvas(np.full((20, 20, 3), 128, np.uint8), 1)
    canvas.arrow((10.0, 10.0), (10.0, 10.0), WHITE, 3.0)
    assert (canvas.pixels[10, 10] == 255).all()
    assert (canvas.pixels[0] == 128).all()


def test_text_is_as_wide_as_measured_and_may_leave_the_canvas():
    canvas = Canvas(np.full((40, 200, 3), 255, np.uint8), 1)
    canvas.text("13 px", (20.0, 20.0), 16.0, INK, "lm")
    columns = np.flatnonzero((canvas.pixels < 128).any((0, 2)))
    assert columns[0] == pytest.approx(21, abs=2)
    assert np.ptp(columns) == pytest.approx(measure("13 px", 16.0)[0], abs=4)
    canvas.text("far outside", (-500.0, 20.0), 16.0)
    canvas.text("cut at the border", (150.0, -4.0), 16.0)
    assert (canvas.pixels[0, 150:] < 255).any()


def test_a_label_stays_on_the_canvas():
    canvas = Canvas(np.full((60, 60, 3), 255, np.uint8), 1)
    canvas.label("12", (60.0, 0.0), 15.0, (200, 30, 30))
    red = np.argwhere((canvas.pixels == (200, 30, 30)).all(-1))
    assert len(red) > 150
    assert red[:, 1].max() < 60


def test_paint_mixes_by_opacity():
    canvas = Canvas(np.zeros((2, 2, 3), np.uint8), 1)
    canvas.paint(WHITE, np.array([[0.0, 0.5], [1.0, 0.0]]))
    assert canvas.pixels[..., 0].tolist() == [[0, 128], [255, 0]]
    canvas.paint(WHITE, 1.0)
    assert (canvas.pixels == 255).all()


def test_dimming_keeps_what_it_should():
    canvas = Canvas(np.full((2, 2, 3), 200, np.uint8), 1)
    canvas.dim(0.5, np.eye(2, dtype=bool))
    assert (canvas.pixels[0, 0] == 200).all()
    np.testing.assert_allclose(canvas.pixels[0, 1], (200 + np.array(INK)) / 2, atol=0.5)


@pytest.mark.parametrize(
    "picture", [np.zeros((4, 4)), np.zeros((4, 4, 3)), torch.zeros(4, 4, 3), "photo.jpg"]
)
def test_what_is_no_picture_is_refused(picture):
    with pytest.raises(InvalidInput, match=r"uint8 array|read_image"):
        to_pixels(picture)


def test_a_zoom_below_one_is_refused(photo):
    with pytest.raises(InvalidInput, match="at least 1"):
        Canvas.of(photo, zoom=0)
