"""Things of different looks that are one by a weld, and look-alikes that merely touch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spelke.worlds.clusters import Cluster, draw_size, grounded, squat, with_material
from spelke.worlds.joints import Joint
from spelke.worlds.shapes import FLAT, Part, Thing, draw_primitive


def welded(rng: np.random.Generator, split: str) -> Cluster:
    """Two or three things side by side or on each other, welded."""
    return _joined(rng, split, weld=True)


def touching(rng: np.random.Generator, split: str) -> Cluster:
    """The same arrangement without a weld."""
    return _joined(rng, split, weld=False)


def _joined(rng: np.random.Generator, split: str, weld: bool) -> Cluster:
    scale = draw_size(rng)
    things = [_flat(rng, split, scale)]
    for _ in range(int(rng.integers(1, 3))):
        last = things[-1]
        other = _flat(rng, split, scale * rng.uniform(0.6, 1.1))
        points = last.outline()
        gap = -0.001 if weld else rng.uniform(0.0005, 0.003)
        if rng.random() < 0.6:
            shift = points[:, 0].max() - other.outline()[:, 0].min() + gap
            aside = rng.uniform(-0.3, 0.3) * scale
            other = grounded(other).moved(np.array([shift, aside, 0]))
        else:
            other = grounded(other, points[:, 2].max() + min(gap, 0) - 0.0005)
            other = other.moved(np.array([last.pos[0], last.pos[1], 0]))
        if weld:
            other = replace(other, joint=Joint("weld"), notes=("welded",))
        things.append(other)
    middle = np.mean([thing.pos[:2] for thing in things], axis=0)
    return [thing.moved(np.array([*-middle, 0.0])) for thing in things]


def sticker(rng: np.random.Generator, split: str) -> Cluster:
    """A thing with a plate fixed on top of it, or merely lying there."""
    scale = 1.2 * draw_size(rng)
    base = _flat(rng, split, scale)
    points = base.outline()
    half = np.ptp(points[:, :2], axis=0) / 2 * rng.uniform(0.3, 0.6, 2)
    thick = rng.uniform(0.003, 0.008)
    shape = (
        Part("box", (*half, thick))
        if split == "train"
        else Part("cylinder", (float(half.min()), thick))
    )
    plate = with_material(rng, Thing("plate", (shape,), family="welded"))
    plate = grounded(plate, points[:, 2].max() - 0.001)
    if rng.random() < 0.5:
        return [base, replace(plate, joint=Joint("weld"), notes=("welded",))]
    return [base, plate]


def _flat(rng: np.random.Generator, split: str, scale: float) -> Thing:
    kind = FLAT[split][rng.integers(len(FLAT[split]))]
    thing = with_material(rng, squat(rng, split, scale, kind))
    return grounded(replace(thing, family="welded"))


def twin_row(rng: np.random.Generator, split: str) -> Cluster:
    """Two to four equal things of one look in a row or a pile: texture does not part them."""
    kind = FLAT[split][rng.integers(len(FLAT[split]))]
    first = grounded(with_material(rng, draw_primitive(rng, split, draw_size(rng), kind)))
    look = "floor" if rng.random() < 0.2 else f"twin{rng.integers(1 << 30)}"
    first = replace(first, look=look, notes=("twin",), family="twins")
    extent = np.ptp(first.outline(), axis=0)
    piled = rng.random() < 0.3 and extent[2] < 1.3 * extent[:2].min()
    step = np.array([0, 0, extent[2]]) if piled else np.array([extent[0], 0, 0])
    step = step + rng.uniform(0.0005, 0.003) * np.sign(step)
    count = int(rng.integers(2, 4 if piled else 5))
    row = [first.moved(index * step) for index in range(count)]
    middle = np.mean([thing.pos[:2] for thing in row], axis=0)
    return [thing.moved(np.array([*-middle, 0.0])) for thing in row]
