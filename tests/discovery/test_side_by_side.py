"""Photos and points side by side, by a real network: the same bits as each alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from spelke.discovery.observer import Observer
from spelke.discovery.settings import Stage, embedded
from spelke.models.prefix import PrefixConfig, PrefixWorld
from spelke.rollout.packs import BatchShape
from spelke.rollout.prefix import PrefixWorldModel
from spelke.runtime.device import DeviceChoice

POINTS = [[(12.0, 9.0), (30.0, 25.0)], [(5.0, 40.0)], [(20.0, 20.0), (3.0, 3.0), (31.0, 8.0)]]
PLAIN = replace(embedded(), threshold="otsu")  # an untrained network follows no poke by half
SETTINGS = {
    "plain": PLAIN,
    "sampled": replace(PLAIN, final=Stage(num_sequential=2, companion="together")),
    "settled": replace(PLAIN, final=Stage(num_seeds=3), settle=0.8),
}


def make_model(shape=None):
    torch.manual_seed(0)
    config = PrefixConfig(
        image_size=32, embed_dim=32, depth=3, fork_depth=2, num_heads=2, stem_dim=8, cell_dim=8,
        num_codes=16,
    )  # fmt: skip
    network = PrefixWorld(config)
    network.init_codes(torch.randn(16, 2) * 4)
    choice = DeviceChoice(torch.device("cpu"), torch.float32, "for tests")
    return PrefixWorldModel(network, choice, shape)


@pytest.fixture(scope="module")
def photos():
    draw = np.random.default_rng(0)
    sizes = ((40, 60), (64, 32), (48, 48))
    return [draw.integers(0, 256, (*size, 3), np.uint8) for size in sizes]


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_every_bit_is_the_same(settings, photos):
    model = make_model()
    together = Observer(model, settings).segments(photos, POINTS, seed=1)
    for photo, points, segments in zip(photos, POINTS, together, strict=True):
        for point, found in zip(points, segments, strict=True):
            alone = Observer(model, settings).look(photo).segment(point, seed=1)
            assert np.array_equal(found.mask, alone.mask)
            assert (found.confidence, found.pokes) == (alone.confidence, alone.pokes)
            assert found.area > 0


def test_larger_batches_round_otherwise_and_no_more(photos):
    expected, found = (
        Observer(make_model(shape), PLAIN).segments(photos, POINTS)
        for shape in (None, BatchShape(5, 8))
    )
    for some, others in zip(expected, found, strict=True):
        for one, other in zip(some, others, strict=True):
            assert np.mean(one.mask != other.mask) < 0.01
            assert one.confidence == pytest.approx(other.confidence, abs=1e-2)
