from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spelke.discovery.settings import embedded, published_1b
from spelke.discovery.view import LOOKS, ChainView, CropView
from spelke.types import Poke


def coordinates(height, width):
    """A photo that shows at each pixel where it is."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack((columns / width, rows / height, torch.zeros(height, width)))


def shown(picture, point, height, width):
    """The place of the photo that a picture shows at a point between pixels."""
    x, y = point
    left, top = int(x), int(y)
    right, bottom = min(left + 1, picture.shape[2] - 1), min(top + 1, picture.shape[1] - 1)
    across, down = x - left, y - top
    row = picture[:2, top] * (1 - down) + picture[:2, bottom] * down
    value = row[:, left] * (1 - across) + row[:, right] * across
    return float(value[0] * width), float(value[1] * height)


@given(
    height=st.integers(40, 200),
    width=st.integers(40, 200),
    left=st.integers(10, 30),
    top=st.integers(10, 30),
    extent=st.integers(4, 20),
)
def test_a_zoomed_view_shows_the_point_where_it_says(height, width, left, top, extent):
    whole = CropView.whole(coordinates(height, width), 64)
    photo_point = (width / 2, height / 2)
    region = np.zeros((64, 64), bool)
    region[top : top + extent, left : left + extent] = True
    view, point = whole.zoomed(region, whole.crop.point_in(photo_point), embedded())
    assert view.poke_out(Poke.still(point)).point == pytest.approx(photo_point, abs=1e-6)
    place = shown(view.picture(), point, height, width)
    # One pixel of the view, and the border pixels that repeat.
    assert place == pytest.approx(photo_point, abs=1.5 / view.crop.scale + 0.5)


@given(height=st.integers(40, 200), width=st.integers(40, 200))
def test_pasting_a_region_into_the_photo_keeps_its_share(height, width):
    view = CropView.whole(torch.rand(3, height, width), 64)
    region = np.zeros((64, 64), bool)
    region[24:40, 26:38] = True
    expected = region.sum() / view.crop.scale**2
    assert view.paste(region).sum() == pytest.approx(expected, rel=0.25)
    soft = view.paste_map(np.where(region, 1.0, -1.0)) >= 0
    assert (soft != view.paste(region)).mean() < 0.03


@pytest.mark.parametrize("number", range(len(LOOKS)))
def test_a_look_aside_agrees_with_the_view(number):
    """A map of where things are, seen by the look and brought back, is the view's own."""
    photo = coordinates(150, 200)
    view, _ = CropView.whole(photo, 64).zoomed(
        np.pad(np.ones((20, 20), bool), 22), (31.0, 31.0), embedded()
    )
    look = view.looks(8, patch_size=8)[number]
    back = look.maps_out(look.picture().numpy())
    inner = (slice(None), slice(8, -8), slice(8, -8))
    assert np.abs(back[inner] - view.picture().numpy()[inner]).max() < 2e-3
    poke = Poke((30.0, 20.0), (3.0, 1.0))
    inside = look.poke_in(poke)
    assert shown(look.picture(), inside.point, 150, 200) == pytest.approx(
        shown(view.picture(), poke.point, 150, 200), abs=0.1
    )
    assert shown(look.picture(), inside.end, 150, 200) == pytest.approx(
        shown(view.picture(), poke.end, 150, 200), abs=0.1
    )


def test_the_looks_differ():
    view = CropView.whole(torch.rand(3, 100, 100), 64)
    looks = view.looks(8, 8)
    assert len({look.key for look in looks}) == 8
    pictures = [look.picture() for look in looks]
    assert all(
        not torch.equal(one, other)
        for number, one in enumerate(pictures)
        for other in pictures[:number]
    )


def test_zooming_stops_at_the_wished_enlargement():
    view = CropView.whole(torch.rand(3, 400, 400), 64)
    region = np.zeros((64, 64), bool)
    region[30, 30] = True
    settings = replace(embedded(), max_magnification=2.0)
    for _ in range(6):
        view, _ = view.zoomed(region, (30.0, 30.0), settings)
    assert view.crop.scale == pytest.approx(2.0)


def test_a_chain_goes_back_to_photos_of_any_shape():
    chain = ChainView.of(torch.rand(3, 120, 200), 256)
    region = np.zeros((256, 256), bool)
    region[100:140, 60:120] = True
    closer, point = chain.zoomed(region, (90.0, 120.0), published_1b())
    out = closer.poke_out(Poke.still(point)).point
    assert out == pytest.approx(chain.poke_out(Poke.still((90.0, 120.0))).point, abs=1.5)
    mask = closer.paste(np.ones((256, 256), bool))
    assert mask.shape == (120, 200)
    assert mask.any()
    assert not mask.all()
    soft = closer.paste_map(np.ones((256, 256), np.float32)) >= 0
    assert (soft != mask).mean() < 0.03
