"""Laws of crops: the way in and the way out undo each other."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.recipes import golden

from spelke.errors import InvalidInput
from spelke.geometry.crop import Crop, resize
from spelke.types import Poke


@st.composite
def crops(draw, max_side=60):
    height, width = draw(st.integers(1, max_side)), draw(st.integers(1, max_side))
    box_width, box_height = draw(st.integers(0, width)), draw(st.integers(0, height))
    left, top = draw(st.integers(0, width - box_width)), draw(st.integers(0, height - box_height))
    return Crop.around(
        (left, top, box_width, box_height),
        (height, width),
        draw(st.integers(1, 64)),
        margin=draw(st.integers(0, 10)),
    )


points = st.tuples(st.floats(-50, 100), st.floats(-50, 100))


@given(crops(), points)
def test_a_point_comes_back_where_it_was(crop, point):
    assert crop.point_out(crop.point_in(point)) == pytest.approx(point, abs=1e-6)


@given(crops(), points, points)
def test_a_poke_comes_back_as_it_was(crop, point, displacement):
    poke = Poke(point, displacement)
    there = crop.poke_in(poke)
    back = crop.poke_out(there)
    assert there.end == pytest.approx(crop.point_in(poke.end), abs=1e-6)
    assert back.point == pytest.approx(point, abs=1e-6)
    assert back.displacement == pytest.approx(displacement, abs=1e-6)


@given(crops())
def test_the_square_holds_the_box_and_stays_inside_where_it_can(crop):
    height, width = crop.image_size
    for start, length in ((crop.left, width), (crop.top, height)):
        if crop.side <= length:
            assert 0 <= start <= length - crop.side
        else:
            assert start <= 0
            assert start + crop.side >= length


@given(st.data())
def test_the_square_around_a_box_holds_the_box(data):
    height, width = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 60))
    box_width, box_height = data.draw(st.integers(1, width)), data.draw(st.integers(1, height))
    left = data.draw(st.integers(0, width - box_width))
    top = data.draw(st.integers(0, height - box_height))
    crop = Crop.around((left, top, box_width, box_height), (height, width), 32)
    assert crop.left <= left
    assert crop.top <= top
    assert left + box_width <= crop.left + crop.side
    assert top + box_height <= crop.top + crop.side


@given(crops(max_side=30))
def test_the_whole_crop_pastes_as_the_whole_window(crop):
    pasted = crop.paste(np.ones((crop.size, crop.size), bool))
    left, top, width, height = crop.box
    assert pasted[top : top + height, left : left + width].all()
    assert pasted.sum() == width * height


@given(st.integers(1, 6), st.data())
def test_a_mask_that_was_enlarged_comes_back_exactly(factor, data):
    side = data.draw(st.integers(2, 12))
    crop = Crop.around((3, 2, side, side), (20, 24), side * factor)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=side**2, max_size=side**2)))
    large = mask.reshape(side, side).repeat(factor, 0).repeat(factor, 1)
    left, top, width, height = crop.box
    assert (crop.paste(large)[top : top + height, left : left + width].ravel() == mask).all()


def test_a_photo_that_is_not_square_is_seen_whole_between_repeated_borders():
    image = torch.arange(3.0)[None, :, None].expand(3, 3, 7).contiguous()
    crop = Crop.whole((3, 7), 7)
    assert (crop.left, crop.top, crop.side) == (0, -2, 7)
    rows = crop.crop(image)[0, :, 0]
    assert rows.tolist() == [0, 0, 0, 1, 2, 2, 2]


def test_a_marked_pixel_is_found_where_point_in_says(rng):
    for _ in range(20):
        height, width = rng.integers(20, 60, 2)
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        crop = Crop.whole((int(height), int(width)), 240)
        image = torch.zeros(1, height, width)
        image[0, y, x] = 1
        bright = crop.crop(image)[0]
        rows, columns = torch.nonzero(bright == bright.max(), as_tuple=True)
        expected = crop.point_in((float(x), float(y)))
        found = (columns.float().mean().item(), rows.float().mean().item())
        # A pixel at the border is repeated beyond it, which moves the middle of what is bright.
        if 0 < x < width - 1 and 0 < y < height - 1:
            assert found == pytest.approx(expected, abs=1.0)


def test_shrinking_averages_and_growing_interpolates():
    image = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
    assert Crop.whole((2, 2), 1).crop(image).item() == 0.5
    large = Crop.whole((2, 2), 4).crop(image)
    assert large[0, 0].tolist() == [0.0, 0.25, 0.75, 1.0]


@pytest.mark.parametrize("size", [5, 16, 40])
def test_a_flat_picture_stays_flat(size):
    image = torch.full((3, 17, 11), 0.3)
    assert torch.allclose(Crop.whole((17, 11), size).crop(image), torch.tensor(0.3))


def test_a_flow_changes_its_unit_on_the_way_back():
    crop = Crop.whole((8, 16), 32)
    flow = crop.paste_flow(torch.full((2, 32, 32), 6.0))
    assert flow.shape == (2, 8, 16)
    assert torch.allclose(flow, torch.tensor(3.0))


def test_outside_the_window_a_map_is_filled():
    crop = Crop(4, 4, 4, (16, 16), 8)
    pasted = crop.paste_map(torch.ones(1, 8, 8), fill=-1.0)[0]
    assert (pasted == 1).sum() == 16
    assert (pasted == -1).sum() == 256 - 16


def test_a_map_may_be_coarser_than_the_crop():
    pasted = Crop.whole((32, 32), 256).paste(np.eye(8, dtype=bool))
    assert pasted.shape == (32, 32)
    assert pasted.any()


def test_the_published_zoom_windows_are_nearly_the_same_pixels():
    """Recorded crops of the published code that lie wholly inside the image.

    It enlarges with OpenCV's INTER_AREA, whose ramps between pixels are steeper than bilinear ones.
    """
    stored = golden("zoom")
    image = torch.from_numpy(stored["img"]).permute(2, 0, 1) / 255
    for case in (0, 1, 2):
        left, top, right, bottom = (int(value) for value in stored[f"meta{case}"][2:6])
        assert right - left == bottom - top
        crop = Crop(left, top, right - left, (256, 256), 256)
        assert crop.scale == pytest.approx(stored[f"meta{case}"][6])
        ours = (crop.crop(image) * 255).round().permute(1, 2, 0).numpy()
        difference = np.abs(ours - stored[f"crop{case}"])
        assert difference.max() <= 4
        assert difference.mean() < 0.5


def test_resizing_keeps_the_mean_when_it_shrinks(rng):
    maps = rng.random((2, 30, 45), dtype=np.float32)
    small = resize(maps, (7, 11))
    np.testing.assert_allclose(small.mean((1, 2)), maps.mean((1, 2)), rtol=1e-4)


def test_a_crop_refuses_another_image():
    crop = Crop.whole((8, 8), 4)
    with pytest.raises(InvalidInput, match="8 x 8 pixels"):
        crop.crop(torch.zeros(3, 8, 9))


@pytest.mark.usefixtures("unchecked_shapes")
def test_only_squares_are_pasted():
    with pytest.raises(InvalidInput, match="square"):
        Crop.whole((8, 8), 4).paste(np.ones((4, 5), bool))


def test_windows_that_make_no_sense_are_refused():
    with pytest.raises(InvalidInput, match="positive sizes"):
        Crop(0, 0, 0, (8, 8), 4)
    with pytest.raises(InvalidInput, match="does not touch"):
        Crop(8, 0, 4, (8, 8), 4)
    with pytest.raises(InvalidInput, match="margin"):
        Crop.around((0, 0, 2, 2), (8, 8), 4, margin=-1)
