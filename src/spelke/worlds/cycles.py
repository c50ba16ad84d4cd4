"""Sceneries written down for Blender's Cycles, which draws them in a process of its own.

A folder holds `scene.json` (shapes where they stand, lights, camera), `mesh_N.json` and
`texture_N.png`. `tools/cycles_render.py` reads it inside Blender; nothing here imports Blender.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spelke.errors import InvalidInput
from spelke.runtime.files import atomic_write
from spelke.worlds.flow import rotation_matrices
from spelke.worlds.generate import SPLITS, SceneOptions, draw_scene
from spelke.worlds.layout import draw_kind
from spelke.worlds.model import compile_model
from spelke.worlds.raycast import View
from spelke.worlds.scene import WorldScene
from spelke.worlds.scenery import Lights, Scenery

FORMAT = 1
"""Version of `scene.json`; the reader refuses others."""


Textures = dict[str, np.ndarray]
"""Name -> (side, side, 3) uint8; see `appearance.Look.pixels`."""


def dressed_model(
    scene: WorldScene,
    options: SceneOptions,
    change: Callable[[Textures], Textures] | None = None,
) -> Any:
    """The compiled `mujoco.MjModel` of a scene with its textures, which the record leaves out.

    Args:
        scene: as `make_scene` returned it.
        options: those it was made with.
        change: gives other pixels for the same textures, to see the scene in another dress.

    Raises:
        InvalidInput: it was made with others.
    """
    entropy = [SPLITS.index(options.split), scene.seed, scene.attempt]
    physics, appearance, camera, _ = map(
        np.random.default_rng, np.random.SeedSequence(entropy).spawn(4)
    )
    kind = draw_kind(physics, options.families[physics.integers(len(options.families))])
    _, _, look = draw_scene(physics, appearance, camera, kind, options)
    model = compile_model(scene.mjcf, change(look.pixels) if change else look.pixels)
    if model.ntex != len(look.pixels):
        raise InvalidInput(f"scene {scene.seed} was made with other options; name those")
    return model


def export_cycles(folder: str | Path, scenery: Scenery, view: View, size: int) -> Path:
    """Write one picture's description.

    Args:
        folder: made if it is not there.
        scenery: what is visible. view: where its bodies are, and the camera.
        size: side of the picture, pixels.

    Returns:
        The path of `scene.json`, written last.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for number, pixels in enumerate(scenery.textures):
        _, data = cv2.imencode(".png", pixels[0][..., ::-1])
        _write(folder / f"texture_{number}.png", data.tobytes())
    for number, mesh in enumerate(scenery.meshes):
        lists = {"vertices": mesh.vertices.tolist(), "faces": mesh.faces.tolist()}
        _write(folder / f"mesh_{number}.json", json.dumps(lists).encode())
    camera = view.camera
    record = {
        "format": FORMAT,
        "size": size,
        "far": scenery.far,
        "camera": {"R": camera.R.tolist(), "p": list(map(float, camera.p)), "fovy": camera.fovy},
        "shapes": _shapes(scenery, view.poses),
        "lights": {
            item.name: getattr(scenery.lights, item.name).tolist() for item in fields(Lights)
        },
        "sky": _sky_colour(scenery),
    }
    path = folder / "scene.json"
    _write(path, json.dumps(record, indent=1).encode())
    return path


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as temporary:
        Path(temporary).write_bytes(content)


def _shapes(scenery: Scenery, poses: np.ndarray) -> list[dict[str, Any]]:
    shapes = scenery.shapes
    bodies = rotation_matrices(poses[:, 3:])[shapes.body]
    turns = bodies @ rotation_matrices(shapes.quat)
    places = poses[shapes.body, :3] + (bodies @ shapes.pos[..., None])[..., 0]
    plain = ("kind", "geom", "size", "mesh", "colour", "specular", "shininess", "texture",
             "repeat", "uniform")  # fmt: skip
    return [
        {
            "R": turns[row].tolist(),
            "p": places[row].tolist(),
            **{name: getattr(shapes, name)[row].tolist() for name in plain},
            "cube": bool(
                shapes.texture[row] >= 0 and len(scenery.textures[shapes.texture[row]]) == 6
            ),
        }
        for row in range(len(shapes.kind))
    ]


def _sky_colour(scenery: Scenery) -> list[float]:
    if scenery.sky < 0:
        return [0.0, 0.0, 0.0]
    return (scenery.textures[scenery.sky].mean((0, 1, 2)) / 255).tolist()
