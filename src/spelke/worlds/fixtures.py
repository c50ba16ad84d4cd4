"""Immovable things: furniture and walls, and ordinary things that are bolted to the floor.

Looks alone do not tell: what is bolted is drawn like what is not. Their group is empty.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spelke.worlds.clusters import (
    Cluster,
    compound,
    draw_size,
    grounded,
    single,
    squat,
    with_material,
)
from spelke.worlds.shapes import Part, Thing


def bolted(rng: np.random.Generator, split: str) -> Cluster:
    """A thing that looks as if it could be moved, but is fixed to the floor."""
    (thing,) = (single if rng.random() < 0.6 else compound)(rng, split)
    # Sunk a little, as things that stand firmly are.
    return [_fixed(thing.moved(np.array([0, 0, -0.003])), "bolted")]


def furniture(rng: np.random.Generator, split: str) -> Cluster:
    """A large piece: block, wall, step or post."""
    del split
    sizes = {
        "block": rng.uniform((0.06, 0.06, 0.05), (0.15, 0.15, 0.2)),
        "wall": rng.uniform((0.2, 0.015, 0.06), (0.4, 0.04, 0.25)),
        "step": rng.uniform((0.2, 0.1, 0.02), (0.4, 0.2, 0.06)),
        "post": rng.uniform((0.02, 0.02, 0.1), (0.05, 0.05, 0.25)),
    }
    label = sorted(sizes)[rng.integers(len(sizes))]
    return [_fixed(grounded(Thing(label, (Part("box", tuple(sizes[label])),))), "furniture")]


def shelf(rng: np.random.Generator, split: str) -> Cluster:
    """A fixed shelf or bench with one or two things on it."""
    wide, deep = rng.uniform(0.1, 0.2), rng.uniform(0.05, 0.09)
    height, thick = rng.uniform(0.04, 0.12), 0.01
    parts = [Part("box", (wide, deep, thick), (0, 0, height))]
    for x in (-1, 1):
        side = (thick, deep, height / 2)
        parts.append(Part("box", side, (x * (wide - thick), 0, height / 2), slot=1))
    if rng.random() < 0.5:
        parts.append(Part("box", (wide, thick, height), (0, deep, height), slot=1))
    if rng.random() < 0.5:
        parts = [replace(part, slot=0) for part in parts]
    board = _fixed(grounded(Thing("shelf", tuple(parts))), "furniture")
    things = [board]
    top = board.pos[2] + height + thick
    for x in (-0.5, 0.5)[: int(rng.integers(1, 3))]:
        scale = min(0.9 * deep, draw_size(rng))
        thing = grounded(with_material(rng, squat(rng, split, scale, "")), top)
        things.append(replace(thing.moved(np.array([x * wide, 0, 0])), family="immovable"))
    return things


def _fixed(thing: Thing, note: str) -> Thing:
    return replace(thing, movable=False, family="immovable", notes=("immovable", note))
