from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from spelke.benchmarks import redraw as module
from spelke.benchmarks.held_out import HeldOutSettings, make_item
from spelke.benchmarks.redraw import (
    RENDERERS,
    TEXTURES,
    CyclesFolder,
    make_again,
    other_textures,
    redraw,
)
from spelke.errors import InvalidInput

SETTINGS = HeldOutSettings(num_points=1, families=("primitives",), size=64, directions=2)
VERSIONS = {**RENDERERS, "procedural": TEXTURES["procedural"], "wheels": TEXTURES["wheels"]}


@pytest.fixture(scope="module")
def item(graphics):
    return make_item(SETTINGS, "primitives", 0)


def test_versions_ask_the_same_points_in_other_pictures(item, tmp_path, monkeypatch):
    drawn, left_out = redraw(SETTINGS, [item], VERSIONS, tmp_path)
    assert not left_out
    found = {name: items[0] for name, items in drawn.items()}
    for version in found.values():
        assert np.array_equal(version.points, item.points)
        assert np.array_equal(version.segments, item.segments)
    assert np.array_equal(found["gl"].image, item.image)
    differences = {
        name: np.abs(version.image.astype(int) - item.image).max(2)
        for name, version in found.items()
    }
    assert np.median(differences["raycast"]) < 4
    assert differences["raycast"].any()
    assert np.mean(differences["procedural"] > 8) > 0.3
    assert not np.array_equal(found["procedural"].image, found["wheels"].image)
    monkeypatch.setattr(module, "make_again", None)  # what is drawn is not made again
    again, _ = redraw(SETTINGS, [item], VERSIONS, tmp_path)
    assert np.array_equal(again["wheels"][0].image, found["wheels"].image)


def test_cut_outs_and_scenes_of_other_code_are_left_out_with_the_reason(item, tmp_path):
    flat = make_item(SETTINGS, "sprites", 0)
    changed = replace(item, image=item.image + 1)
    _, left_out = redraw(SETTINGS, [flat], RENDERERS, tmp_path)
    assert "flat cut-outs" in left_out[flat.key]
    with pytest.raises(InvalidInput, match="another scene than it was"):
        make_again(SETTINGS, changed)


def test_the_same_textures_are_plain_in_every_dress():
    worn = {name: np.full((32, 32, 3), 9, np.uint8) for name in ("floor", "sky", "wall", "m1")}
    worn["camouflage"] = worn["floor"][:16, :16]
    plain = 0
    for seed in range(20):
        patterns = other_textures(worn, "procedural", "test", seed)
        photographs = other_textures(worn, "wheels", "test", seed)
        for dress in (patterns, photographs):
            assert np.array_equal(dress["sky"], worn["sky"])
            assert np.array_equal(dress["camouflage"], dress["floor"][:16, :16])
        plain += sum(np.array_equal(patterns[key], photographs[key]) for key in ("floor", "m1"))
    assert 1 <= plain <= 20


def test_cycles_gets_a_scene_once_and_its_picture_is_of_exactly_that_scene(item, tmp_path):
    folder = CyclesFolder(tmp_path)
    assert not folder.is_written(item)
    assert folder.read(item) is None
    again = make_again(SETTINGS, item)
    folder.export(item, again)
    assert folder.is_written(item)
    assert (tmp_path / item.key / "scene.json").is_file()
    assert folder.read(item) is None
    picture = tmp_path / item.key / "cycles.png"
    Image.new("RGB", (64, 64), (9, 8, 7)).save(picture)
    found = folder.read(item)
    assert found is not None
    assert (found.image == (9, 8, 7)).all()
    assert np.array_equal(found.points, item.points)
    assert folder.read(replace(item, image=item.image + 1)) is None
    folder.export(item, again)
    assert not picture.exists()
