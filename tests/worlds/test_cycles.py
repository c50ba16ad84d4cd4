"""Scenes written for Cycles, and the script that draws them, which Blender alone can run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from spelke.worlds.cycles import dressed_model, export_cycles
from spelke.worlds.generate import SceneOptions, make_scene
from spelke.worlds.raycast import RayCaster, View
from spelke.worlds.render import SKY_PART, Camera
from spelke.worlds.scenery import describe

TOOL = Path(__file__).parents[2] / "tools" / "cycles_render.py"
OPTIONS = SceneOptions(("stacks", "trays"), "test", size=64, pokes=1, after_frames=False)


@pytest.fixture(scope="module")
def exported(graphics, tmp_path_factory):
    scene = make_scene(1, OPTIONS)
    scenery = describe(dressed_model(scene, OPTIONS))
    fovy = float(2 * np.rad2deg(np.arctan(32 / scene.K[0, 0])))
    poses = np.concatenate([scene.body_pos, scene.body_quat], 1)
    view = View(poses, Camera(scene.R, scene.p, fovy))
    folder = tmp_path_factory.mktemp("cycles")
    export_cycles(folder, scenery, view, 64)
    return folder, scene, scenery, view


def test_a_scene_gets_its_textures_back(exported):
    _, scene, scenery, view = exported
    picture = RayCaster([scenery]).colour([view], 64)[0].astype(int)
    assert np.median(np.abs(picture - scene.rgb)) < 4


def test_the_export_says_where_shapes_stand_and_brings_what_they_wear(exported):
    folder, scene, scenery, _ = exported
    record = json.loads((folder / "scene.json").read_text())
    assert record["size"] == 64
    assert len(record["shapes"]) == len(scenery.shapes.kind)
    for shape, body in zip(record["shapes"], scenery.shapes.body, strict=True):
        distance = np.linalg.norm(np.array(shape["p"]) - scene.body_pos[body])
        assert distance < 0.7 or body == 0
        np.testing.assert_allclose(
            np.array(shape["R"]) @ np.array(shape["R"]).T, np.eye(3), atol=1e-9
        )
        if shape["mesh"] >= 0:
            mesh = json.loads((folder / f"mesh_{shape['mesh']}.json").read_text())
            assert np.max(mesh["faces"]) < len(mesh["vertices"])
        if shape["texture"] >= 0:
            assert cv2.imread(str(folder / f"texture_{shape['texture']}.png")) is not None


def run(*arguments, python=sys.executable):
    return subprocess.run(
        [python, str(TOOL), *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_the_script_refuses_what_it_cannot_draw(exported, tmp_path):
    folder, *_ = exported
    missing = run(tmp_path)
    assert missing.returncode == 2
    assert "scene.json" in missing.stderr
    assert run(folder, "--samples", "0").returncode == 2
    record = json.loads((folder / "scene.json").read_text())
    (tmp_path / "scene.json").write_text(json.dumps({**record, "format": 99}))
    other = run(tmp_path)
    assert other.returncode == 1
    assert "format 99" in other.stderr


@pytest.mark.slow
def test_cycles_sees_the_same_things_in_the_same_pixels(exported):
    python = os.environ.get("SPELKE_BPY_PYTHON")
    if not python:
        pytest.skip("SPELKE_BPY_PYTHON names no Python that has bpy")
    folder, scene, *_ = exported
    done = run(folder, "--samples", "4", "--ids", python=python)
    assert done.returncode == 0, done.stderr
    coded = cv2.imread(str(folder / "cycles_ids.png")).astype(int)
    parts = coded[..., 2] + 256 * coded[..., 1] - 1
    truth = np.where(scene.parts == SKY_PART, -1, scene.parts.astype(int))
    assert np.mean(parts == truth) > 0.99
    assert 20 < cv2.imread(str(folder / "cycles.png")).mean() < 235
