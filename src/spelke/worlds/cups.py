"""Cups, beakers and bowls turned on a lathe, with things in them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from spelke.worlds.clusters import Cluster, draw_size, grounded, posed_anyhow, with_material
from spelke.worlds.shapes import Part, Thing, draw_primitive, quat_about

_SIDES = {"train": 12, "test": 9}


def filled_cup(rng: np.random.Generator, split: str) -> Cluster:
    """A cup with none to three things in it."""
    scale = 1.5 * draw_size(rng)
    cup, free, tall = _cup(rng, split, scale)
    cup = grounded(with_material(rng, cup))
    things = [cup]
    count = int(rng.choice([0, 1, 2, 3], p=[0.1, 0.4, 0.3, 0.2]))
    top = cup.outline()[:, 2].min() + 0.1 * tall
    for _ in range(count):
        if rng.random() < 0.3:
            thing = _stick(rng, free, tall)
        else:
            size = free * rng.uniform(0.5, 0.75)
            thing = posed_anyhow(rng, draw_primitive(rng, split, size), upright=0.6)
        thing = grounded(replace(with_material(rng, thing), family="cups"), top)
        top = thing.outline()[:, 2].max()
        things.append(thing)
    return things


def _stick(rng: np.random.Generator, free: float, tall: float) -> Thing:
    """A pen or spoon that stands in the cup and looks out of it."""
    thick = free * rng.uniform(0.1, 0.2)
    half = tall * rng.uniform(0.6, 0.8)
    parts = [Part("capsule", (thick, half))]
    if rng.random() < 0.5:
        parts.append(Part("ellipsoid", (2.2 * thick, thick, 3 * thick), (0, 0, half), slot=1))
    lean = quat_about((1, 0, 0), rng.uniform(0.05, 0.2))
    return Thing("stick", tuple(parts), quat=tuple(lean))


def _cup(rng: np.random.Generator, split: str, scale: float) -> tuple[Thing, float, float]:
    """A cup, the radius of the free circle at its floor, and its height."""
    foot = rng.uniform(0.45, 0.7) * scale
    rim = foot * rng.uniform(1.0, 1.5)
    tall = rng.uniform(0.5, 1.3) * scale
    thick = 0.09 * scale
    if split == "train":
        profile = [(foot, 0.0), (rim, tall)]
    else:
        belly = max(foot, rim) * rng.uniform(1.0, 1.25)
        profile = [(foot, 0.0), (belly, 0.45 * tall), (rim, tall)]
    sides = _SIDES[split]
    slot = int(rng.random() < 0.3)
    parts = [Part("cylinder", (foot, 0.03 * tall + 0.002), (0, 0, 0.03 * tall + 0.002))]
    for low, high in pairwise(profile):
        parts += _wall(low, high, thick, sides, slot)
    if rng.random() < 0.5:
        parts += _handle(profile[-1][0], tall, scale)
    middle = tall / 2
    parts = [replace(part, pos=(part.pos[0], part.pos[1], part.pos[2] - middle)) for part in parts]
    label = "cup" if split == "train" else "pot"
    return Thing(label, tuple(parts), family="cups"), foot - thick, tall


def _wall(
    low: tuple[float, float], high: tuple[float, float], thick: float, sides: int, slot: int
) -> list[Part]:
    """Convex staves between two rings (radius, height), `thick` measured inwards."""
    half = np.pi / sides * 1.02  # staves overlap a little, so that nothing shines through
    corners = [
        (radius * np.cos(turn), radius * np.sin(turn), height)
        for outer, height in (low, high)
        for radius in (outer, outer - thick)
        for turn in (-half, half)
    ]
    stave = np.array(corners)
    centre = stave.mean(0)
    parts = []
    for turn in np.arange(sides) * 2 * np.pi / sides:
        quat = quat_about((0, 0, 1), turn)
        place = (centre[0] * np.cos(turn), centre[0] * np.sin(turn), centre[2])
        points = np.round(stave - centre, 5)
        parts.append(Part("mesh", (), place, tuple(quat), vertices=points, slot=slot))
    return parts


def _handle(rim: float, tall: float, scale: float) -> list[Part]:
    bar, reach, grip = 0.07 * scale, rim + 0.35 * scale, 0.28 * tall
    middle = 0.55 * tall
    sideways = tuple(quat_about((0, 1, 0), np.pi / 2))
    arm = (reach - rim) / 2 + bar / 2
    parts = [Part("capsule", (bar, grip), (reach, 0, middle))]
    for z in (-grip, grip):
        parts.append(Part("capsule", (bar, arm), (reach - arm, 0, middle + z), sideways))
    return parts
