"""Every texture is a picture: right shape, in range, the same for the same seed."""

import numpy as np
import pytest

from spelke.worlds.appearance import draw_look
from spelke.worlds.patterns import PATTERNS, spectral_noise
from spelke.worlds.photos import PHOTOS
from spelke.worlds.shapes import draw_primitive
from spelke.worlds.textures import draw_texture, paint_decoys, print_label

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


def test_a_label_changes_a_rectangle_only():
    plain = np.full((96, 96, 3), 0.5, np.float32)
    changed = (print_label(np.random.default_rng(3), plain, "train") != plain).any(-1)
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    assert len(rows) < 96
    assert changed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean() > 0.9
    assert print_label(np.random.default_rng(3), plain, "test").min() >= 0


def test_a_look_says_which_photographs_it_used():
    used = set()
    for seed in range(6):
        things = [draw_primitive(np.random.default_rng(seed), "test", 0.05)]
        look = draw_look(np.random.default_rng(seed), things, "test", (1.0, 0.0))
        used |= {note for note in look.notes if note.startswith("photo ")}
        for pixels in look.pixels.values():
            assert pixels.shape[0] in (pixels.shape[1], 6 * pixels.shape[1])
    assert used
    assert used <= {f"photo {name}" for name in PHOTOS["test"]}
