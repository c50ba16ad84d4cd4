"""Bodies of several parts: tools, vessels, furniture, letters, random unions.

All parts of a compound move together, whatever they look like: `slot` lets parts wear different
    textures.
Sizes in units of `scale`, about half the thing's largest extent, metres.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from spelke.worlds.shapes import Part, Thing, draw_parts, posed, quat_about, random_quat

_X = tuple(quat_about((0, 1, 0), np.pi / 2))
"""Turns z into x: lays a cylinder along x."""


def hammer(rng, s: float) -> list[Part]:
    """A grip and a head."""
    grip = rng.uniform(0.07, 0.14) * s
    head = rng.uniform(0.16, 0.3) * s
    end = rng.uniform(0.3, 0.5) * s
    return [
        Part("cylinder", (grip, 0.85 * s), quat=_X),
        Part("box", (head, end, head), pos=(0.85 * s, 0, 0), slot=1),
    ]


def mug(rng, s: float) -> list[Part]:
    """An open mug of boxes around a circle, with a handle."""
    radius, half = rng.uniform(0.45, 0.65) * s, rng.uniform(0.4, 0.8) * s
    parts = _ring(radius, half, 0.07 * s, 10)
    parts.append(Part("cylinder", (radius, 0.05 * s), pos=(0, 0, -half)))
    bar = 0.07 * s
    reach = radius + rng.uniform(0.25, 0.4) * s
    grip = 0.55 * half
    parts.append(Part("capsule", (bar, grip), pos=(reach, 0, 0), slot=1))
    for z in (-grip, grip):
        middle = (radius + reach) / 2
        arm = (reach - radius) / 2
        parts.append(Part("capsule", (bar, arm), pos=(middle, 0, z), quat=_X, slot=1))
    return parts


def solid_mug(rng, s: float) -> list[Part]:
    """A mug with its lid on: one cylinder and a handle."""
    radius, half = rng.uniform(0.4, 0.65) * s, rng.uniform(0.45, 0.85) * s
    bar, reach = 0.08 * s, radius + rng.uniform(0.2, 0.35) * s
    parts = [Part("cylinder", (radius, half)), Part("capsule", (bar, half / 2), pos=(reach, 0, 0))]
    for z in (-half / 2, half / 2):
        parts.append(Part("capsule", (bar, (reach - radius) / 2), ((radius + reach) / 2, 0, z), _X))
    return parts


def table(rng, s: float) -> list[Part]:
    """A top on four legs."""
    width, depth = rng.uniform(0.6, 1.0, 2) * s
    half, leg = rng.uniform(0.3, 0.6) * s, rng.uniform(0.06, 0.12) * s
    parts = [Part("box", (width, depth, 0.07 * s), pos=(0, 0, half))]
    for x in (-1, 1):
        for y in (-1, 1):
            place = (x * (width - leg), y * (depth - leg), 0.0)
            parts.append(Part("box", (leg, leg, half), pos=place, slot=1))
    return parts


def dumbbell(rng, s: float) -> list[Part]:
    """Two weights on a bar."""
    ball, bar = rng.uniform(0.25, 0.4) * s, rng.uniform(0.08, 0.14) * s
    kind, size = ("sphere", (ball,)) if rng.random() < 0.5 else ("box", (ball * 0.7, ball, ball))
    parts = [Part("cylinder", (bar, 0.65 * s), quat=_X, slot=1)]
    return parts + [Part(kind, size, pos=(x * 0.65 * s, 0, 0)) for x in (-1, 1)]


def cross(rng, s: float) -> list[Part]:
    """Two crossed bars."""
    arm, thick = rng.uniform(0.14, 0.28) * s, rng.uniform(0.12, 0.3) * s
    return [
        Part("box", (s * 0.9, arm, thick)),
        Part("box", (arm, s * rng.uniform(0.5, 0.9), thick), slot=1),
    ]


def letter_l(rng, s: float) -> list[Part]:
    """Two bars that meet at their ends."""
    arm, thick = rng.uniform(0.14, 0.28) * s, rng.uniform(0.12, 0.3) * s
    long, short = 0.8 * s, rng.uniform(0.4, 0.7) * s
    return [
        Part("box", (long, arm, thick)),
        Part("box", (arm, short, thick), pos=(-long + arm, short + arm, 0), slot=1),
    ]


def bottle(rng, s: float) -> list[Part]:
    """A body, a shoulder, a neck and a cap."""
    radius, half = rng.uniform(0.28, 0.45) * s, rng.uniform(0.4, 0.65) * s
    neck, tall = rng.uniform(0.3, 0.5) * radius, rng.uniform(0.15, 0.3) * s
    return [
        Part("cylinder", (radius, half)),
        Part("ellipsoid", (radius, radius, 0.7 * radius), pos=(0, 0, half)),
        Part("cylinder", (neck, tall), pos=(0, 0, half + 0.5 * radius + tall)),
        Part("cylinder", (1.2 * neck, 0.3 * tall), (0, 0, half + 0.5 * radius + 2 * tall), slot=1),
    ]


def pan(rng, s: float) -> list[Part]:
    """A shallow round vessel with a long handle."""
    radius, deep = rng.uniform(0.45, 0.6) * s, rng.uniform(0.08, 0.2) * s
    parts = _ring(radius, deep, 0.05 * s, 10)
    parts.append(Part("cylinder", (radius, 0.04 * s), pos=(0, 0, -deep)))
    reach = rng.uniform(0.3, 0.5) * s
    parts.append(Part("box", (reach, 0.07 * s, 0.05 * s), pos=(radius + reach, 0, 0), slot=1))
    return parts


def mushroom(rng, s: float) -> list[Part]:
    """A cap on a stem with a foot."""
    cap, stem = rng.uniform(0.5, 0.8) * s, rng.uniform(0.15, 0.3) * s
    tall = rng.uniform(0.3, 0.6) * s
    return [
        Part("cylinder", (stem, tall)),
        Part("ellipsoid", (cap, cap, 0.45 * cap), pos=(0, 0, tall), slot=1),
        Part("cylinder", (1.6 * stem, 0.06 * s), pos=(0, 0, -tall)),
    ]


def letter_t(rng, s: float) -> list[Part]:
    """A bar with another one from its middle."""
    arm, thick = rng.uniform(0.14, 0.25) * s, rng.uniform(0.12, 0.3) * s
    stem = rng.uniform(0.5, 0.8) * s
    return [
        Part("box", (0.8 * s, arm, thick)),
        Part("box", (arm, stem, thick), pos=(0, stem + arm, 0), slot=1),
    ]


def chair(rng, s: float) -> list[Part]:
    """A seat on four legs, with a back."""
    wide, half, leg = rng.uniform(0.4, 0.6) * s, rng.uniform(0.3, 0.5) * s, 0.08 * s
    back = rng.uniform(0.35, 0.6) * s
    parts = [Part("box", (wide, wide, 0.08 * s), pos=(0, 0, half))]
    for x in (-1, 1):
        for y in (-1, 1):
            parts.append(Part("box", (leg, leg, half), (x * (wide - leg), y * (wide - leg), 0)))
    parts.append(Part("box", (leg, wide, back), pos=(-wide + leg, 0, half + back), slot=1))
    return parts


def lamp(rng, s: float) -> list[Part]:
    """A foot, a pole and a shade."""
    foot, pole = rng.uniform(0.35, 0.5) * s, rng.uniform(0.06, 0.1) * s
    tall, shade = 0.6 * s, rng.uniform(0.3, 0.45) * s
    turn = np.arange(14) * 2 * np.pi / 14
    ring = np.stack([np.cos(turn), np.sin(turn), np.zeros(14)], -1)
    lift = np.array([0, 0, 0.3 * s])
    cone = np.concatenate([ring * shade - lift, ring * 0.5 * shade + lift])
    return [
        Part("cylinder", (foot, 0.08 * s), pos=(0, 0, -tall)),
        Part("cylinder", (pole, tall)),
        Part("mesh", (), pos=(0, 0, tall), vertices=np.round(cone, 5), slot=1),
    ]


def letter_u(rng, s: float) -> list[Part]:
    """A bar with two others from its ends."""
    arm, thick = rng.uniform(0.12, 0.22) * s, rng.uniform(0.12, 0.3) * s
    wide, tall = rng.uniform(0.4, 0.7) * s, rng.uniform(0.4, 0.8) * s
    sides = [
        Part("box", (arm, tall, thick), pos=(x * wide, tall, 0), slot=1 if x > 0 else 0)
        for x in (-1, 1)
    ]
    return [Part("box", (wide + arm, arm, thick)), *sides]


def _union(rng, s: float, split: str) -> list[Part]:
    """Two to five overlapping single things, each touching an earlier one."""
    parts: list[Part] = []
    anchors: list[np.ndarray] = []
    for index in range(int(rng.integers(2, 6))):
        _, solid = draw_parts(rng, split, s * rng.uniform(0.3, 0.6))
        anchor = anchors[rng.integers(len(anchors))] if anchors else np.zeros(3)
        away = rng.standard_normal(3)
        away *= 0.45 * s / np.linalg.norm(away) if anchors else 0
        anchors.append(anchor + away)
        parts += posed(solid, anchors[-1], random_quat(rng), slot=index % 3)
    return parts


def union(rng, s: float) -> list[Part]:
    """A random union of single things of the training split."""
    return _union(rng, s, "train")


def union_of_unseen(rng, s: float) -> list[Part]:
    """A random union of single things of the test split."""
    return _union(rng, s, "test")


COMPOUNDS: dict[str, dict[str, Callable[..., list[Part]]]] = {
    "train": {
        "hammer": hammer,
        "mug": mug,
        "solid_mug": solid_mug,
        "table": table,
        "dumbbell": dumbbell,
        "cross": cross,
        "letter_l": letter_l,
        "bottle": bottle,
        "pan": pan,
        "mushroom": mushroom,
        "union": union,
    },
    "test": {
        "letter_t": letter_t,
        "chair": chair,
        "lamp": lamp,
        "letter_u": letter_u,
        "union_of_unseen": union_of_unseen,
    },
}


def draw_compound(rng: np.random.Generator, split: str, scale: float) -> Thing:
    """One compound of a split; half of them wear one texture on all parts."""
    names = sorted(COMPOUNDS[split])
    kind = names[rng.integers(len(names))]
    if rng.random() < 0.2:
        kind = next(name for name in names if name.startswith("union"))
    parts = COMPOUNDS[split][kind](rng, scale)
    if rng.random() < 0.5:
        parts = [replace(part, slot=0) for part in parts]
    return Thing(kind, tuple(parts), family="compounds")


# -- vessels ---------------------------------------------------------------------------------------


def _ring(radius: float, half: float, thick: float, sides: int, slot: int = 0) -> list[Part]:
    """Boxes around a circle: an upright wall."""
    width = radius * np.tan(np.pi / sides) + thick / 2
    parts = []
    for turn in np.arange(sides) * 2 * np.pi / sides:
        place = (radius * np.cos(turn), radius * np.sin(turn), 0.0)
        quat = tuple(quat_about((0, 0, 1), turn))
        parts.append(Part("box", (thick, width, half), place, quat, slot=slot))
    return parts


def tray(rng, split: str, scale: float) -> tuple[Thing, float, float]:
    """A vessel that can hold things: a rectangular box in `train`, a many-sided bowl in `test`.

    Returns:
        The vessel, the radius of the free circle inside it, and the height of its inner floor.
    """
    thick = 0.05 * scale
    deep = rng.uniform(0.1, 0.5) * scale
    if split == "train":
        wide, long = rng.uniform(0.7, 1.1, 2) * scale
        parts = [Part("box", (wide, long, thick))]
        for sign in (-1, 1):
            parts.append(Part("box", (thick, long, deep), (sign * wide, 0, deep), slot=1))
            parts.append(Part("box", (wide + thick, thick, deep), (0, sign * long, deep), slot=1))
        free, label = min(wide, long) - thick, "tray"
    else:
        sides, radius = int(rng.integers(6, 11)), rng.uniform(0.8, 1.1) * scale
        rim = _ring(radius, deep, thick, sides, slot=1)
        parts = [replace(p, pos=(p.pos[0], p.pos[1], deep)) for p in rim]
        parts.append(Part("cylinder", (radius, thick)))
        free, label = radius - 2 * thick, "bowl"
    if rng.random() < 0.6:
        parts = [replace(part, slot=0) for part in parts]
    return Thing(label, tuple(parts), family="trays"), free, thick
