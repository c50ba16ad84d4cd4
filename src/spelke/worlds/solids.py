"""Single things of several convex pieces: turned ones and extruded ones.

Each maker returns parts in one frame; `scale` is about half the thing's size in metres. What is not
convex is one mesh to look at and invisible convex pieces to touch.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spelke.worlds.extruded import extrude, extrude_cells
from spelke.worlds.letters import cells_of
from spelke.worlds.parts import Part
from spelke.worlds.revolved import cup, ring, turn
from spelke.worlds.surfaces import body_of
from spelke.worlds.thin import book, carton, pen, pencil, plate, rod

Parts = tuple[Part, ...]

_SIDES = 20
_SECTORS = 16
_LEAST = 0.004
"""Half of the least thickness, metres."""


# -- turned ----------------------------------------------------------------------------------------


def turned(rng, scale: float) -> Parts:
    """A vase, spindle or bowling pin: a wavy profile."""
    height = rng.uniform(0.5, 1.1) * scale
    radius = rng.uniform(0.3, 0.75) * scale
    along = np.linspace(0, 1, 9)
    wave = np.sin(2 * np.pi * (rng.uniform(0.4, 1.3) * along + rng.random()))
    shape = 1 + rng.uniform(0.15, 0.5) * wave + rng.uniform(-0.5, 0.5) * (along - 0.5)
    return _turned(shape * radius / shape.max(), height * (2 * along - 1), rolls=True)


def stepped(rng, scale: float) -> Parts:
    """A machined piece: two to five drums and cones on one axis."""
    count = int(rng.integers(2, 6))
    lengths = rng.uniform(0.4, 1.0, count)
    ends = np.concatenate([[0], np.cumsum(lengths)]) / lengths.sum()
    height = rng.uniform(0.4, 1.1) * scale
    radii = np.repeat(rng.uniform(0.25, 0.8, count), 2)
    radii *= np.where(rng.random(2 * count) < 0.25, rng.uniform(0.6, 1.0, 2 * count), 1)
    return _turned(scale * radii, height * (2 * np.repeat(ends, 2)[1:-1] - 1))


def bottle_form(rng, scale: float) -> Parts:
    """A bottle in one piece: belly, shoulder, neck, lip."""
    belly, neck = rng.uniform(0.35, 0.6), rng.uniform(0.1, 0.22)
    rise = np.cumsum([0, 0.06, rng.uniform(0.5, 1.0), *np.full(4, rng.uniform(0.08, 0.14))])
    rise = np.concatenate([rise, rise[-1] + np.cumsum([rng.uniform(0.1, 0.35), 0.0, 0.1])])
    slope = np.cos(np.linspace(0, np.pi, 5))[1:] * 0.5 + 0.5
    shoulder = neck + (belly - neck) * slope
    lip = neck * rng.uniform(1.1, 1.4)
    radii = np.array([0.85 * belly, belly, belly, *shoulder, neck, lip, lip])
    rise -= rise[-1] / 2
    return _turned(scale * radii, scale * rise)


def pawn(rng, scale: float) -> Parts:
    """A piece for a board game: a foot, a waist, a collar and a ball."""
    foot, waist = rng.uniform(0.5, 0.7), rng.uniform(0.18, 0.3)
    ball, collar = rng.uniform(0.26, 0.42), rng.uniform(0.32, 0.48)
    tall = rng.uniform(0.7, 1.2)
    radii = [foot, foot, 0.8 * foot, (waist + foot) / 2.6, waist, collar, collar]
    rise = [0, 0.18, 0.26, 0.5 * tall, tall, tall, tall + 0.1]
    angles = np.linspace(-0.30, 0.5, 6) * np.pi
    radii += [*(ball * np.cos(angles[:-1])).tolist(), 0.0]
    rise += (tall + 0.1 + ball * (np.sin(angles) - np.sin(angles[0]))).tolist()
    return _turned(scale * np.array(radii), scale * (np.array(rise) - 0.5 * rise[-1]))


def goblet(rng, scale: float) -> Parts:
    """A foot, a stem and a closed cone on it."""
    foot, stem, rim = rng.uniform(0.35, 0.55), rng.uniform(0.08, 0.14), rng.uniform(0.35, 0.6)
    tall, deep = rng.uniform(0.4, 0.8), rng.uniform(0.4, 0.8)
    belly = rim * rng.uniform(0.8, 1.25)
    radii = np.array([foot, foot, stem, stem, 0.7 * belly, belly, rim])
    rise = np.array([0, 0.07, 0.14, tall, tall + 0.2 * deep, tall + 0.5 * deep, tall + deep])
    return _turned(scale * radii, scale * (rise - rise[-1] / 2))


def _turned(radii: np.ndarray, heights: np.ndarray, rolls: bool = False) -> Parts:
    radii = np.where(radii > 0, np.maximum(radii, _LEAST), 0)
    return body_of(turn(np.column_stack([radii, heights]), _SIDES), rolls=rolls)


def open_pot(rng, scale: float) -> Parts:
    """A pot, bowl or tumbler: an open cone with a wall."""
    low = rng.uniform(0.3, 0.7) * scale
    high = np.clip(low * rng.uniform(0.85, 1.8), 0.3 * scale, 0.95 * scale)
    half = rng.uniform(0.25, 0.8) * scale
    thick = max(2 * _LEAST, rng.uniform(0.06, 0.14) * scale)
    return body_of(cup(np.array([(low, -half), (high, half)]), thick, thick, _SECTORS))


def dish(rng, scale: float) -> Parts:
    """A flat dish with a slanted rim."""
    low, high = rng.uniform(0.5, 0.7) * scale, rng.uniform(0.85, 1.1) * scale
    half = max(1.5 * _LEAST, rng.uniform(0.08, 0.16) * scale)
    return body_of(cup(np.array([(low, -half), (high, half)]), 0.12 * scale, 0.8 * half, _SECTORS))


def tape(rng, scale: float) -> Parts:
    """A roll of tape: a ring of rectangular section."""
    outer, half = rng.uniform(0.5, 0.9) * scale, rng.uniform(0.12, 0.4) * scale
    inner = outer * rng.uniform(0.45, 0.8)
    section = np.array([(inner, -half), (outer, -half), (outer, half), (inner, half)])
    return body_of(ring(section, _SECTORS))


def tyre(rng, scale: float) -> Parts:
    """A ring of round section."""
    outer, thick = rng.uniform(0.55, 0.9) * scale, rng.uniform(0.12, 0.28) * scale
    angles = np.arange(8) * np.pi / 4 + np.pi / 8
    section = thick * np.column_stack([np.cos(angles), rng.uniform(0.7, 1.3) * np.sin(angles)])
    return body_of(ring(section + np.array([outer - thick, 0]), _SECTORS))


# -- extruded --------------------------------------------------------------------------------------


def polygon(rng, scale: float) -> Parts:
    """A random polygon with straight or bevelled sides."""
    count = int(rng.integers(4, 9))
    angles = 2 * np.pi * (np.arange(count) + rng.uniform(-0.3, 0.3, count)) / count
    return _extruded(rng, scale * rng.uniform(0.45, 1.0, count), angles)


def star(rng, scale: float) -> Parts:
    """A star of four to seven points."""
    count = 2 * int(rng.integers(4, 8))
    radii = np.where(np.arange(count) % 2, rng.uniform(0.4, 0.7), 1) * rng.uniform(0.7, 1.0) * scale
    return _extruded(rng, radii, 2 * np.pi * np.arange(count) / count)


def cog(rng, scale: float) -> Parts:
    """A toothed wheel."""
    teeth = int(rng.integers(5, 10))
    angles = (np.arange(teeth)[:, None] + (0.0, 0.28, 0.5, 0.78)).ravel() * 2 * np.pi / teeth
    deep = rng.uniform(0.65, 0.85)
    radii = np.tile([1.0, 1.0, deep, deep], teeth) * rng.uniform(0.6, 0.95) * scale
    return _extruded(rng, radii, angles)


def blossom(rng, scale: float) -> Parts:
    """A round outline with three to six petals."""
    petals = int(rng.integers(3, 7))
    angles = 2 * np.pi * np.arange(5 * petals) / (5 * petals)
    radii = 1 + rng.uniform(0.12, 0.3) * np.cos(petals * angles)
    return _extruded(rng, radii * rng.uniform(0.55, 0.75) * scale, angles)


def _extruded(rng, radii: np.ndarray, angles: np.ndarray) -> Parts:
    outline = np.column_stack([radii * np.cos(angles), radii * np.sin(angles)])
    size = float(np.max(radii))
    half = max(_LEAST, size * float(np.exp(rng.uniform(np.log(0.12), np.log(0.9)))))
    bevel = half * rng.uniform(0.15, 0.5) if rng.random() < 0.5 else 0.0
    taper = rng.uniform(0.6, 1.0) if rng.random() < 0.3 else 1.0
    return body_of(extrude(outline, half, bevel, taper, rng.uniform(0.8, 0.95)))


def letter(rng, scale: float) -> Parts:
    """A letter of the training split, or four to seven random cells."""
    return _cells(rng, scale, cells_of(rng, "train"))


def letter_of_others(rng, scale: float) -> Parts:
    """A letter or sign of the test split."""
    return _cells(rng, scale, cells_of(rng, "test"))


def _cells(rng, scale: float, cells: np.ndarray) -> Parts:
    rows, columns = cells.shape
    widths, depths = rng.uniform(0.7, 1.4, columns), rng.uniform(0.7, 1.4, rows)
    unit = 2 * scale * rng.uniform(0.7, 1.0) / max(widths.sum(), depths.sum())
    half = unit * rng.uniform(0.3, 1.0)
    return body_of(extrude_cells(cells, widths * unit, depths * unit, half))


SOLIDS: dict[str, dict[str, Callable[..., Parts]]] = {
    "train": {
        "turned": turned,
        "stepped": stepped,
        "bottle_form": bottle_form,
        "open_pot": open_pot,
        "tape": tape,
        "polygon": polygon,
        "star": star,
        "letter": letter,
        "plate": plate,
        "rod": rod,
        "book": book,
        "pen": pen,
    },
    "test": {
        "pawn": pawn,
        "goblet": goblet,
        "dish": dish,
        "tyre": tyre,
        "cog": cog,
        "blossom": blossom,
        "letter_of_others": letter_of_others,
        "pencil": pencil,
        "carton": carton,
    },
}
