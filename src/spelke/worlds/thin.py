"""Thin things and things of a few plain parts: plates, rods, books, pens, cartons.

Makers as in `solids`: `scale` is about half the thing's size in metres.
"""

from __future__ import annotations

import numpy as np

from spelke.worlds.extruded import extrude
from spelke.worlds.parts import Part, quat_about
from spelke.worlds.revolved import turn
from spelke.worlds.surfaces import body_of

Parts = tuple[Part, ...]

_SIDES = 20
_LEAST = 0.004
"""Half of the least thickness, metres."""
_ALONG_X = tuple(quat_about((0, 1, 0), np.pi / 2))
_AGAINST_X = tuple(quat_about((0, 1, 0), -np.pi / 2))


def plate(rng, scale: float) -> Parts:
    """A thin round or square plate."""
    half = max(_LEAST, rng.uniform(0.03, 0.09) * scale)
    if rng.random() < 0.5:
        return (Part("cylinder", (scale * rng.uniform(0.6, 1.1), half)),)
    return (Part("box", (*(scale * rng.uniform(0.4, 1.1, 2)), half)),)


def rod(rng, scale: float) -> Parts:
    """A thin rod, round or square, along x."""
    half, thick = scale * rng.uniform(0.9, 1.5), max(_LEAST, scale * rng.uniform(0.05, 0.14))
    if rng.random() < 0.5:
        return (Part("cylinder", (thick, half), quat=_ALONG_X),)
    return (Part("box", (half, thick * rng.uniform(0.6, 1.6), thick)),)


def book(rng, scale: float) -> Parts:
    """Two covers, a spine, and pages between them."""
    wide, long = scale * rng.uniform(0.45, 0.8), scale * rng.uniform(0.7, 1.1)
    half = max(3 * _LEAST, scale * rng.uniform(0.1, 0.3))
    board = max(0.4 * _LEAST, 0.08 * half)
    inset = 0.06 * wide
    covers = [Part("box", (wide, long, board), (0, 0, side * (half - board))) for side in (-1, 1)]
    spine = Part("box", (board, long, half - 2 * board), (-wide + board, 0, 0))
    size = (wide - inset / 2 - board, long - inset, half - 2 * board)
    return (*covers, spine, Part("box", size, (board - inset / 2, 0, 0), slot=1))


def pen(rng, scale: float) -> Parts:
    """A round pen with a tip, along x; its cap may be of another colour."""
    half, thick = scale * rng.uniform(0.9, 1.4), max(1.2 * _LEAST, scale * rng.uniform(0.06, 0.13))
    share = rng.uniform(0.2, 0.5)
    tip = turn(np.array([(thick, 0), (0.15 * thick, rng.uniform(1.5, 4) * thick)]), _SIDES)
    nib = body_of(tip)[0]
    middle = half * (1 - 2 * share)
    return (
        Part("cylinder", (thick, half * (1 - share)), (-half * share, 0, 0), _ALONG_X),
        Part(
            "cylinder",
            (1.12 * thick, half * share),
            (middle + half * share, 0, 0),
            _ALONG_X,
            slot=1,
        ),
        Part("mesh", (), (-half, 0, 0), _AGAINST_X, nib.vertices, 0, nib.faces),
    )


def pencil(rng, scale: float) -> Parts:
    """A hexagonal pencil with a sharpened end, along x."""
    half, thick = scale * rng.uniform(1.0, 1.5), max(1.2 * _LEAST, scale * rng.uniform(0.06, 0.11))
    angles = np.arange(6) * np.pi / 3
    outline = thick * np.column_stack([np.cos(angles), np.sin(angles)])
    shaft = body_of(extrude(outline, half))[0]
    end = body_of(extrude(outline, 1.8 * thick, taper=0.12), slot=1)[0]
    return (
        Part("mesh", (), quat=_ALONG_X, vertices=shaft.vertices, faces=shaft.faces),
        Part("mesh", (), (half + 1.8 * thick, 0, 0), _ALONG_X, end.vertices, 1, end.faces),
    )


def carton(rng, scale: float) -> Parts:
    """A box with a lid that is a little wider."""
    wide, long = scale * rng.uniform(0.4, 1.0, 2)
    half = scale * rng.uniform(0.15, 0.8)
    lid = half * rng.uniform(0.12, 0.4)
    rim = max(0.0012, 0.03 * scale)
    return (
        Part("box", (wide, long, half - lid), (0, 0, -lid)),
        Part("box", (wide + rim, long + rim, lid), (0, 0, half - lid), slot=1),
    )
