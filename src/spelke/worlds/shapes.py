"""Which shapes there are: kinds by split, and one drawn from them.

The kinds of the two splits are disjoint. The nouns of `parts` are at hand here too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spelke.worlds.parts import (
    IDENTITY,
    ROUND,
    Part,
    Thing,
    posed,
    quat_about,
    quat_multiply,
    random_quat,
    rotate,
)
from spelke.worlds.primitives import (
    box,
    capsule,
    chipped,
    cushion,
    cylinder,
    ellipsoid,
    frustum,
    gem,
    hull,
    lathe,
    prism,
    sphere,
    superquadric,
)
from spelke.worlds.solids import SOLIDS

__all__ = [
    "FLAT",
    "IDENTITY",
    "PRIMITIVES",
    "ROUND",
    "SOLIDS",
    "Part",
    "Thing",
    "draw_parts",
    "draw_primitive",
    "posed",
    "quat_about",
    "quat_multiply",
    "random_quat",
    "rotate",
]

PRIMITIVES: dict[str, dict[str, Callable[..., Part]]] = {
    "train": {
        "box": box,
        "sphere": sphere,
        "ellipsoid": ellipsoid,
        "cylinder": cylinder,
        "capsule": capsule,
        "hull": hull,
        "cushion": cushion,
        "chipped": chipped,
    },
    "test": {
        "prism": prism,
        "frustum": frustum,
        "superquadric": superquadric,
        "lathe": lathe,
        "gem": gem,
    },
}
"""Kinds of one convex part."""
FLAT = {
    "train": ("box", "box", "cylinder", "polygon", "book", "stepped"),
    "test": ("prism", "prism", "frustum", "cog", "carton"),
}
"""Kinds with a flat top and bottom, for stacking."""
_SIMPLE = 0.45
"""Share of single things that are one convex part."""


def draw_parts(
    rng: np.random.Generator, split: str, scale: float, kind: str = ""
) -> tuple[str, tuple[Part, ...]]:
    """The kind and the parts of one single thing of a split; `scale` is its half size in metres.

    Args:
        rng: the physics stream.
        split: "train" or "test".
        scale: about half the thing's size, metres.
        kind: a name of `PRIMITIVES[split]` or `SOLIDS[split]`; drawn if empty.
    """
    if not kind:
        names = sorted((PRIMITIVES if rng.random() < _SIMPLE else SOLIDS)[split])
        kind = names[rng.integers(len(names))]
    if kind in PRIMITIVES[split]:
        return kind, (PRIMITIVES[split][kind](rng, scale),)
    return kind, SOLIDS[split][kind](rng, scale)


def draw_primitive(rng: np.random.Generator, split: str, scale: float, kind: str = "") -> Thing:
    """One single thing of a split; see `draw_parts`."""
    kind, parts = draw_parts(rng, split, scale, kind)
    return Thing(kind, parts)
