"""Where the camera stands: framed on what is there, so that things are large in view."""

# ruff: noqa: N806 - R is what the field calls it.
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spelke.worlds.render import SKY, Camera, Draws
from spelke.worlds.shapes import quat_about, rotate

_PREVIEW = 64
_WHOLE = 0.95
"""Share of the image side that what must be in view may take."""


@dataclass(frozen=True, slots=True)
class View:
    """What the camera stream decides before anything is known of the scene.

    Attributes:
        azimuth: radians. elevation: degrees above the table. fovy: degrees. roll: degrees.
        area: share of the image that the median visible thing should cover.
        close_up: whether the camera is aimed at one thing instead of the whole table.
    """

    azimuth: float
    elevation: float
    fovy: float
    roll: float
    area: float
    close_up: bool

    @property
    def away(self) -> tuple[float, float]:
        """Horizontal unit vector from the camera into the scene."""
        return (-float(np.cos(self.azimuth)), -float(np.sin(self.azimuth)))


def draw_view(rng: np.random.Generator) -> View:
    """Draw a view: mostly 30-60 degrees down, fovy 18-70, rarely held far from level."""
    close_up = bool(rng.random() < 0.25)
    middle = 0.14 if close_up else 0.055
    area = float(np.clip(middle * np.exp(rng.normal(0, 0.45)), 0.015, 0.35))
    return View(
        azimuth=float(rng.uniform(0, 2 * np.pi)),
        elevation=float(rng.triangular(14, 42, 86)),
        fovy=float(np.exp(rng.uniform(np.log(18), np.log(70)))),
        roll=float(rng.normal(0, 12 if rng.random() < 0.15 else 3)),
        area=area,
        close_up=close_up,
    )


def look_at(view: View, target: np.ndarray, distance: float) -> Camera:
    """The camera of a view at a distance from a target."""
    rise = np.deg2rad(view.elevation)
    back = np.array(
        [
            np.cos(view.azimuth) * np.cos(rise),
            np.sin(view.azimuth) * np.cos(rise),
            np.sin(rise),
        ]
    )
    right = np.cross([0, 0, 1], back)
    right /= np.linalg.norm(right)
    up = np.cross(back, right)
    turn = quat_about(back, np.deg2rad(view.roll))
    R = np.stack([rotate(turn, right), rotate(turn, up), back], axis=1)
    return Camera(R, target + distance * back, view.fovy)


def frame(
    rng: np.random.Generator,
    renderer: Draws,
    data: Any,
    view: View,
    movable: np.ndarray,
    radius: np.ndarray,
    whole: np.ndarray | None = None,
) -> Camera:
    """Aim and choose the distance by small id previews.

    The median thing, in a close-up the chosen one, gets the wanted area; what is in view comes to
    lie about the middle.

    Args:
        rng: the camera stream.
        movable: (n,) indices of the bodies that count.
        radius: (n,) their bounding radii, metres.
        whole: (m, 3) points that must all be in view; by default none.
    """
    centres = data.xipos[movable]
    if view.close_up:
        chosen = rng.integers(len(movable))
        target, reach, aimed = centres[chosen].copy(), radius[chosen], movable[[chosen]]
    else:
        target, aimed = np.median(centres, axis=0), movable
        reach = np.max(np.linalg.norm(centres - target, axis=1) + radius)
        if rng.random() < 0.3:  # not always the middle
            target = 0.5 * (target + centres[rng.integers(len(movable))])
    target = target + rng.normal(0, 0.12, 3) * reach * (1, 1, 0.3)
    half = np.deg2rad(view.fovy) / 2
    distance = float(np.max(radius)) + reach / np.tan(half)
    nearest = 1.5 * float(np.max(radius)) + 0.05
    wanted = np.clip(rng.normal(0, 0.07, 2), -0.15, 0.15)
    for _ in range(3):
        camera = look_at(view, target, distance)
        ids, _ = renderer.ids_and_depth(data, camera, _PREVIEW)
        counts = np.bincount(ids.ravel(), minlength=SKY + 1)[aimed] / ids.size
        seen = counts[counts > 0.002]
        if len(seen) == 0:
            distance *= 0.7
            continue
        change = np.sqrt(np.median(seen) / view.area)
        if not view.close_up:
            aside, up = _middle(np.isin(ids, movable)) - wanted
            target = target + 1.4 * distance * np.tan(half) * camera.R[:, :2] @ (aside, up)
        distance = max(nearest, distance * float(np.clip(change, 0.5, 2.0)))
    if whole is not None:
        return _step_back(view, target, distance, whole)
    return look_at(view, target, distance)


def _step_back(view: View, target: np.ndarray, distance: float, points: np.ndarray) -> Camera:
    """Aim at the middle of some points and go as far away as shows them all, but no nearer."""
    half = np.tan(np.deg2rad(view.fovy) / 2)
    for _ in range(4):  # perspective changes with the distance
        camera = look_at(view, target, distance)
        seen = (points - camera.p) @ camera.R
        ahead = np.maximum(-seen[:, 2], 0.1 * distance)
        x, y = seen[:, 0] / ahead / half, seen[:, 1] / ahead / half
        middle = np.array([x.min() + x.max(), y.min() + y.max()]) / 2
        target = target + distance * half * camera.R[:, :2] @ middle
        distance *= max(1.0, max(np.ptp(x), np.ptp(y)) / 2 / _WHOLE)
    return look_at(view, target, distance)


def _middle(mask: np.ndarray) -> np.ndarray:
    """Mean place (right, up) of a mask's pixels from the image's middle, in image sides."""
    rows, columns = np.nonzero(mask)
    side = mask.shape[0]
    return np.array([columns.mean() + 0.5, side - rows.mean() - 0.5]) / side - 0.5


def draw_shake(rng: np.random.Generator, camera: Camera) -> Camera:
    """The camera after a small accidental motion: a few degrees, a few centimetres."""
    axis = rng.standard_normal(3)
    turn = quat_about(axis, np.deg2rad(abs(rng.normal(0, 1.5))))
    R = np.stack([rotate(turn, column) for column in camera.R.T], axis=1)
    return replace(camera, R=R, p=camera.p + rng.normal(0, 0.012, 3))
