"""A camera that travels between the two frames: orbits, pans, comes nearer or backs away."""

# ruff: noqa: N806 - R is what the field calls it.
from __future__ import annotations

from dataclasses import replace

import numpy as np

from spelke.worlds.render import Camera
from spelke.worlds.shapes import quat_about, rotate


def draw_travel(rng: np.random.Generator, camera: Camera, distance: float) -> Camera:
    """The camera after a walk.

    Args:
        rng: the camera stream.
        camera: before it.
        distance: metres from the camera to what it looks at.

    Returns:
        A camera that went round its target by up to a dozen degrees, nearer or farther by a tenth
        or so, and turned a little.
    """
    target = camera.p - distance * camera.R[:, 2]
    orbit = quat_about((0, 0, 1), np.deg2rad(rng.normal(0, 5)))
    rise = quat_about(camera.R[:, 0], np.deg2rad(rng.normal(0, 2.5)))
    look = quat_about(rng.standard_normal(3), np.deg2rad(abs(rng.normal(0, 1.5))))
    away = rotate(rise, rotate(orbit, camera.p - target)) * np.exp(rng.normal(0, 0.08))
    turned = [rotate(look, rotate(rise, rotate(orbit, axis))) for axis in camera.R.T]
    R = np.stack(turned, axis=1)
    return replace(camera, R=R, p=target + away + rng.normal(0, 0.01, 3))
