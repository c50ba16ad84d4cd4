"""Boundaries follow the photo, within the band that the evidence leaves open."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.discovery.conftest import centre_of, overlap
from tests.discovery.doubles import PerfectWorldModel, StillWorldModel, paint

from spelke.discovery.observer import Observer
from spelke.discovery.refine import refined
from spelke.discovery.settings import PRESETS, Refine, embedded, settings_of
from spelke.errors import InvalidInput


def disc(height, width, radius, x=None, y=None):
    rows, columns = np.ogrid[:height, :width]
    x, y = width / 2 if x is None else x, height / 2 if y is None else y
    return np.hypot(columns - x, rows - y) <= radius


def blocky(mask, cell=12):
    """What a coarse model says of a mask: -1 to 1, linear between cells."""
    height, width = mask.shape
    small = (max(1, -(-width // cell)), max(1, -(-height // cell)))
    share = cv2.resize(mask.astype(np.float32), small, interpolation=cv2.INTER_AREA)
    return cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR) * 2 - 1


def photo_of(mask, noise=0.05, seed=0):
    """A warm thing on a cool ground, with noise."""
    source = np.random.default_rng(seed)
    colours = np.where(mask, np.array([0.8, 0.4, 0.2])[:, None, None], 0.35)
    noisy = colours + noise * source.standard_normal(colours.shape)
    return torch.from_numpy(noisy.clip(0, 1)).float()


def coarse(mask, y=3, x=5):
    """Coarse evidence that lies a few pixels aside."""
    return np.roll(blocky(mask), (y, x), (0, 1))


def test_a_coarse_boundary_becomes_that_of_the_photo():
    truth = disc(150, 200, 42)
    above = coarse(truth)
    found = refined(above, photo_of(truth), Refine())
    assert overlap(above >= 0, truth) < 0.9
    assert overlap(found, truth) > 0.98


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    seed=st.integers(0, 10_000),
    sure=st.floats(0.1, 1.0),
    resolution=st.integers(8, 200),
)
def test_only_the_band_changes_whatever_comes(height, width, seed, sure, resolution):
    source = np.random.default_rng(seed)
    noise = source.standard_normal((height, width)).astype(np.float32)
    above = np.clip(cv2.GaussianBlur(noise, (0, 0), 4) * 8, -1, 1)
    above[: source.integers(height), : source.integers(width)] = np.nan
    photo = torch.from_numpy(source.random((3, height, width))).float()
    choices = Refine(sure=sure, resolution=resolution)
    found = refined(above, photo, choices)
    with np.errstate(invalid="ignore"):
        settled = ~(np.abs(above) < sure)
        assert (found == (above >= 0))[settled].all()
    assert not found[np.isnan(above)].any()
    np.testing.assert_array_equal(found, refined(above, photo, choices))
    if not (above >= 0).any():
        assert not found.any()
    if (above >= sure).any():
        assert found.any()


def test_an_empty_region_stays_empty():
    photo = photo_of(disc(40, 50, 10))
    for value in (-1.0, -0.1, np.nan):
        assert not refined(np.full((40, 50), value, np.float32), photo, Refine()).any()


@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_a_photo_of_one_colour_changes_nothing(grey):
    above = coarse(disc(80, 60, 20))
    found = refined(above, torch.full((3, 80, 60), grey), Refine())
    np.testing.assert_array_equal(found, above >= 0)


@pytest.mark.parametrize("value", [0.3, 1.0])
def test_without_a_sure_side_nothing_changes(value):
    truth = disc(80, 60, 20)
    above = np.full(truth.shape, value, np.float32)
    found = refined(above, photo_of(truth), Refine())
    np.testing.assert_array_equal(found, above >= 0)


def test_refining_what_is_refined_changes_little():
    truth = disc(150, 200, 42)
    above, photo = coarse(truth), photo_of(truth, noise=0.15)
    once = refined(above, photo, Refine())
    band = np.abs(above) < Refine().sure
    again = np.where(band, np.where(once, 0.1, -0.1), above).astype(np.float32)
    assert overlap(refined(again, photo, Refine()), once) > 0.97


def test_a_large_photo_is_looked_at_in_reduced_size():
    truth = disc(1100, 900, 310)
    above = np.roll(blocky(truth, 90), (20, 30), (0, 1))
    found = refined(above, photo_of(truth), Refine())
    assert overlap(above >= 0, truth) < 0.93
    assert overlap(found, truth) > 0.97


def test_the_answer_is_that_of_its_place_whatever_lies_beyond():
    truth = disc(240, 320, 30, x=110, y=90)
    above = coarse(truth)
    above[180:], above[:, 260:] = np.nan, np.nan
    photo = photo_of(truth)
    found = refined(above, photo, Refine())
    photo[:, 180:], photo[:, :, 260:] = 1.0, 0.0
    np.testing.assert_array_equal(found, refined(above, photo, Refine()))


def test_a_segment_is_refined_by_the_default_and_by_no_published_preset(table):
    assert embedded().refine is not None
    assert all(PRESETS[name]().refine is None for name in PRESETS if name != "embedded")
    overlaps = {}
    for choice in (None, Refine()):
        observer = Observer(PerfectWorldModel(), replace(embedded(), refine=choice, zoom_steps=0))
        scene = observer.look(paint(table))
        overlaps[choice] = [
            overlap(scene.segment(centre_of(table, thing)).mask, table == thing)
            for thing in range(1, 7)
        ]
    assert np.mean(overlaps[Refine()]) > np.mean(overlaps[None])
    assert min(overlaps[Refine()]) > 0.99


def test_a_refined_segment_holds_its_point_and_nothing_stays_nothing(table):
    points = [centre_of(table, thing) for thing in range(1, 7)]
    for point, segment in zip(
        points, Observer(PerfectWorldModel()).look(paint(table)).segments(points), strict=True
    ):
        assert segment.mask[int(point[1]), int(point[0])]
    assert Observer(StillWorldModel()).look(paint(table)).segment(points[0]).area == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sure": 0.0}, r"\(0, 1\]"),
        ({"sure": float("nan")}, r"\(0, 1\]"),
        ({"room": -0.1}, "room >= 0"),
        ({"resolution": 4}, "resolution >= 8"),
        ({"iterations": 0}, "iterations >= 1"),
    ],
)
def test_what_makes_no_sense_is_refused(change, message):
    with pytest.raises(InvalidInput, match=message):
        Refine(**change)


def test_refining_needs_evidence_at_the_photos_resolution():
    with pytest.raises(InvalidInput, match="smooth=True"):
        replace(embedded(), smooth=False)


def test_a_record_changes_or_drops_it():
    assert settings_of({"refine": {"iterations": 1}}).refine == Refine(iterations=1)
    assert settings_of({"preset": "published_1b"}).refine is None
    assert settings_of({"refine": None}).refine is None
