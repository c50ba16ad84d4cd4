"""Writes held-out scenes for `tools/cycles_render.py`: a folder for each, and their truth.

    python tools/cycles_export.py OUT [--scenes 20] [--seed 0] [--size 256] [--families ...]

`OUT/truth.tar` holds the same scenes as `spelke worlds make` does, with pictures by OpenGL.
"""

import argparse
from pathlib import Path

import numpy as np

from spelke.data.worlds import write_shard
from spelke.worlds.cycles import dressed_model, export_cycles
from spelke.worlds.generate import SceneOptions, make_scene
from spelke.worlds.layout import FAMILIES, SPRITES
from spelke.worlds.raycast import View
from spelke.worlds.render import Camera
from spelke.worlds.scene import WorldScene
from spelke.worlds.scenery import describe


def first_view(scene: WorldScene) -> View:
    """The first frame of a scene."""
    half = scene.ids.shape[0] / 2
    fovy = float(2 * np.rad2deg(np.arctan(half / scene.K[1, 1])))
    poses = np.concatenate([scene.body_pos, scene.body_quat], axis=1)
    return View(poses, Camera(scene.R, scene.p, fovy))


def main() -> None:
    """Make and write the scenes."""
    drawn = [family for family in FAMILIES if family != SPRITES]  # sprites have no shapes
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--families", nargs="+", choices=drawn, default=drawn)
    asked = parser.parse_args()
    options = SceneOptions(tuple(asked.families), "test", size=asked.size, after_frames=False)
    made = []
    for seed in range(asked.seed, asked.seed + asked.scenes):
        scene, key = make_scene(seed, options), f"test-{seed:09d}"
        if scene.mjcf:
            scenery = describe(dressed_model(scene, options))
            export_cycles(asked.out / key, scenery, first_view(scene), asked.size)
            made.append((key, scene))
    write_shard(asked.out / "truth.tar", made)


if __name__ == "__main__":
    main()
