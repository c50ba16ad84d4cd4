"""Agreement with the released code (Venkatesh et al. 2025), number for number."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from tests.recipes import golden

from spelke.discovery.affordance import choose_patch, firm_affordance
from spelke.discovery.correlation import motion_correlation, otsu_levels, otsu_region
from spelke.discovery.observer import Observer
from spelke.discovery.pokes import companion_point, evenly_spaced
from spelke.discovery.settings import published_1b
from spelke.discovery.zoom import (
    Box,
    absolute_boxes,
    crop_to,
    paste_nearest,
    point_in_crop,
    zoom_box,
)
from spelke.rollout.base import Ask, Sampling

POSTPROC = golden("postproc")
ZOOM = golden("zoom")
PIPELINE = golden("segment_pipeline_fake_predictor")


def unpacked(bits: np.ndarray) -> np.ndarray:
    return np.unpackbits(bits).reshape(256, 256).astype(bool)


@pytest.mark.parametrize("case", range(4))
def test_otsu_region(case):
    values = POSTPROC[f"heat{case}"]
    assert otsu_levels(values)[1] == POSTPROC[f"otsu_T{case}"]
    assert np.array_equal(otsu_region(values), POSTPROC[f"otsu{case}"] > 0)
    box = Box(0, 0, 256, 256)
    pasted = paste_nearest(otsu_region(values), box, (256, 256))
    assert np.array_equal(pasted, POSTPROC[f"resized256_{case}"] > 0)


def test_a_constant_map_has_an_empty_region():
    assert not otsu_region(POSTPROC["heat2"]).any()


def test_dot_product_with_the_last_poke():
    start_x, start_y, end_x, end_y = POSTPROC["dot_cond"][-1]
    displacement = np.array([[end_x - start_x, end_y - start_y]], np.float32)
    flow = np.moveaxis(POSTPROC["dot_flow"], -1, 0)[None]
    assert np.array_equal(motion_correlation(flow, displacement, "dot"), POSTPROC["dot_map"])


@pytest.mark.parametrize("case", range(3))
def test_directions(case):
    count, low, high, seed = POSTPROC[f"dirs{case}_args"]
    drawn = evenly_spaced(
        int(count), float(low), float(high), torch.Generator().manual_seed(int(seed))
    )
    assert np.array_equal(drawn.numpy(), POSTPROC[f"dirs{case}"])


def test_a_generator_that_nobody_seeded_starts_as_recorded():
    assert torch.Generator().initial_seed() == POSTPROC["torch_default_initial_seed"]


def test_companion_points():
    region = POSTPROC["resized256_1"] > 0
    start = tuple(float(value) for value in POSTPROC["second_point_from"])
    for seed, expected in enumerate(POSTPROC["second_points_seed0_11"]):
        found = companion_point(region, start, torch.Generator().manual_seed(seed))
        assert (found or (-1, -1)) == tuple(expected)


def test_where_to_poke():
    firm = firm_affordance(POSTPROC["affordance"])
    assert np.array_equal(firm, POSTPROC["affordance_min2"])
    uniform = np.random.RandomState(42).random_sample()
    assert choose_patch(firm, uniform) == tuple(POSTPROC["affordance_sample_seed42"])


@pytest.mark.parametrize("case", range(8))
def test_zoom(case):
    region = unpacked(ZOOM[f"mask{case}"])
    box = zoom_box(region, 25)
    x, y, *expected_box, expected_ratio = ZOOM[f"meta{case}"]
    crop, ratio = crop_to(ZOOM["img"], box, 256)
    step = 1 if case < 4 else 4
    assert box == tuple(expected_box)
    assert ratio == expected_ratio
    assert point_in_crop(tuple(ZOOM[f"probe{case}"].tolist()), box, ratio) == (x, y)
    # Resizing in 8 bits may round differently on another processor.
    difference = np.abs(crop[::step, ::step].astype(int) - ZOOM[f"crop{case}"])
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


@pytest.mark.parametrize("case", range(8))
def test_the_way_back(case):
    box, ratio = Box(*ZOOM[f"meta{case}"][2:6].astype(int).tolist()), ZOOM[f"meta{case}"][6]
    chain = [Box(0, 0, 256, 256), box, Box(20, 30, 220, 230)]
    boxes = absolute_boxes(chain, [1, ratio, 1.2])
    assert np.array_equal(boxes, ZOOM[f"abs{case}"])
    pasted = paste_nearest(POSTPROC["resized256_1"] > 0, boxes[1], (256, 256))
    assert np.array_equal(pasted, unpacked(ZOOM[f"paste{case}"]))


class BrightMoves:
    """The stand-in predictor of the golden run: what is bright follows the poke, with noise."""

    size = 256
    patch_size = 8
    batching = "every question alone"

    def __init__(self):
        self.calls = []

    def look(self, images):
        """A glance is the picture itself in 256 levels."""
        return list(np.round(images.numpy().transpose(0, 2, 3, 1) * 255))

    def motion_affordance(self, asks):
        raise AssertionError("the released pipeline does not ask for it")

    entropy = motion_affordance

    def expected_displacement(self, asks):
        fields = self._flows(asks, 0).numpy()
        means = fields.reshape(len(asks), 2, 128, 2, 128, 2).mean((3, 5)) / 2
        return torch.from_numpy(means.repeat(2, 2).repeat(2, 3) * 2)

    def sample_flow(self, asks, num_sequential, sampling):
        assert sampling == Sampling()
        return self._flows(asks, num_sequential)

    def _flows(self, asks: list[Ask], num_sequential: int) -> torch.Tensor:
        fields = []
        for pixels, query in asks:
            pokes = [[*poke.point, *poke.end] for poke in query.pokes]
            self.calls.append((pokes, num_sequential, query.seed, pixels.mean()))
            noise = np.random.RandomState(query.seed).standard_normal((256, 256, 2))
            moving = (pixels.mean(-1) > 128)[..., None]
            flow = moving * np.array(query.pokes[-1].displacement, np.float32)
            fields.append((flow + noise.astype(np.float32)).transpose(2, 0, 1))
        return torch.from_numpy(np.stack(fields)).float()


@pytest.mark.parametrize("case", range(3))
def test_the_whole_pipeline(case):
    model = BrightMoves()
    scene = Observer(model, published_1b()).look(PIPELINE["scene"])
    segment = scene.segment(
        tuple(PIPELINE[f"poke{case}"].tolist()), seed=int(PIPELINE[f"torch_seed{case}"])
    )
    expected = json.loads(str(PIPELINE[f"calls{case}_json"]))
    assert len(model.calls) == PIPELINE[f"n_calls{case}"]
    for (pokes, sequential, seed, mean), call in zip(model.calls, expected, strict=True):
        assert pokes == call["pokes"]
        assert (sequential, seed) == (call["n"], call["seed"])
        assert mean == pytest.approx(call["im_mean"], abs=1e-3)
    assert segment.mask.shape == tuple(PIPELINE[f"segment{case}_shape"])
    assert np.array_equal(segment.mask, unpacked(PIPELINE[f"segment{case}"]))
