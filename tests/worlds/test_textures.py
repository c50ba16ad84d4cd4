"""Every texture is a picture: right shape, in range, the same for the same seed."""

import numpy as np
import pytest

from spelke.errors import MissingData
from spelke.worlds import photos
from spelke.worlds.patterns import PATTERNS, spectral_noise
from spelke.worlds.textures import draw_texture, paint_decoys

NAMES = [(split, name) for split in PATTERNS for name in PATTERNS[split]]


@pytest.mark.parametrize(("split", "name"), NAMES)
def test_a_pattern_varies_within_bounds(split, name):
    value = PATTERNS[split][name](np.random.default_rng(1), 64)
    assert value.shape == (64, 64)
    assert value.min() >= -1e-6
    assert value.max() <= 1 + 1e-6
    assert np.ptp(value) > 0.05
    again = PATTERNS[split][name](np.random.default_rng(1), 64)
    np.testing.assert_array_equal(value, again)


def test_noise_tiles_without_a_seam():
    field = spectral_noise(np.random.default_rng(0), 128, 1.5)
    inside = np.abs(np.diff(field, axis=1)).mean()
    seam = np.abs(field[:, 0] - field[:, -1]).mean()
    assert seam < 2 * inside


@pytest.mark.parametrize("split", ["train", "test"])
def test_textures_come_from_their_split(split):
    rng = np.random.default_rng(0)
    kinds = set()
    for _ in range(60):
        kind, texture = draw_texture(rng, split, 32, plain=0.1, photo=0.2)
        kinds.add(kind)
        assert texture.shape == (32, 32, 3)
        assert texture.min() >= 0
        assert texture.max() <= 1
    assert {"plain", "photo"} < kinds
    assert kinds <= {"plain", "photo", *PATTERNS[split]}


def test_decoys_change_the_floor_in_places_only():
    plain = np.full((256, 256, 3), 0.5, np.float32)
    painted = paint_decoys(np.random.default_rng(0), plain, "train", 4)
    changed = (painted != plain).any(-1).mean()
    assert 0.005 < changed < 0.6


def test_a_photograph_that_is_not_there_is_named(monkeypatch):
    lost = {"train": {"lost": ("skimage", "data/lost.png")}}
    monkeypatch.setattr(photos, "PHOTOS", lost)
    with pytest.raises(MissingData, match="lost"):
        photos.read_photo("train", "lost")
