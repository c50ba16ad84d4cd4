"""Solids of revolution: turned bodies, cups, rings."""

from __future__ import annotations

import itertools

import numpy as np

from spelke.worlds.surfaces import Surface


def turn(profile: np.ndarray, sides: int) -> Surface:
    """A solid of revolution about z (a lathe).

    Args:
        profile: (k, 2) radius and height from the bottom up; heights never fall, equal ones make a
            flat step. Both ends are closed by a flat disc (or a tip, at radius 0).
        sides: of the polygon that stands for the circle.

    Returns:
        One piece for each stretch of the profile that bulges outward.
    """
    closed = np.concatenate([[(0, profile[0, 1])], profile, [(0, profile[-1, 1])]])
    vertices, faces = _revolve(closed, sides, loop=False)
    pieces = [_rings(profile[a : b + 1], sides) for a, b in _bulges(profile)]
    return Surface(vertices, faces, tuple(pieces))


def cup(outer: np.ndarray, thick: float, floor: float, sides: int) -> Surface:
    """An open vessel of revolution with a conical wall.

    Args:
        outer: (2, 2) radius and height of the outer wall's lower and upper end.
        thick: of the wall, metres, measured along the radius.
        floor: thickness of the bottom.
        sides: of the polygon that stands for the circle, and pieces of the wall.
    """
    (low, bottom), (high, top) = outer
    inside = bottom + floor
    at_floor = low + (high - low) * floor / (top - bottom)
    wall = np.array(
        [(at_floor, inside), (high, top), (high - thick, top), (at_floor - thick, inside)]
    )
    outline = np.array([(0, bottom), (low, bottom), *wall, (0, inside)])
    vertices, faces = _revolve(outline, sides, loop=False)
    base = _rings(np.array([(low, bottom), (at_floor, inside)]), sides)
    return Surface(vertices, faces, (base, *_sectors(wall, sides)))


def ring(section: np.ndarray, sides: int) -> Surface:
    """A ring about z: a convex section turned about the axis without touching it.

    Args:
        section: (k, 2) radius and height, against the clock.
        sides: of the polygon that stands for the circle, and pieces of the ring.
    """
    vertices, faces = _revolve(section, sides, loop=True)
    return Surface(vertices, faces, tuple(_sectors(section, sides)))


def _revolve(outline: np.ndarray, sides: int, loop: bool) -> tuple[np.ndarray, np.ndarray]:
    """Turn a line (k, 2) of radius and height about z; the solid lies on the line's left."""
    angles = np.arange(sides) * 2 * np.pi / sides
    cos, sin = np.cos(angles), np.sin(angles)
    vertices, rows = [], []
    for radius, height in outline:
        start = sum(map(len, vertices))
        if radius == 0:
            vertices.append(np.array([(0.0, 0.0, height)]))
            rows.append(np.full(sides, start))
        else:
            vertices.append(np.stack([radius * cos, radius * sin, np.full(sides, height)], 1))
            rows.append(start + np.arange(sides))
    pairs = list(zip(rows, rows[1:] + rows[:1], strict=True))[: None if loop else -1]
    faces = []
    for low, high in pairs:
        faces.append(np.stack([low, np.roll(low, -1), high], 1))
        faces.append(np.stack([np.roll(low, -1), np.roll(high, -1), high], 1))
    every = np.concatenate(faces)
    whole = (every[:, 0] != every[:, 1]) & (every[:, 1] != every[:, 2])
    whole &= every[:, 0] != every[:, 2]
    return np.concatenate(vertices), every[whole]


def _rings(profile: np.ndarray, sides: int) -> np.ndarray:
    """The points of a stretch of a profile turned about z."""
    angles = np.arange(sides) * 2 * np.pi / sides
    circle = np.stack([np.cos(angles), np.sin(angles), np.zeros(sides)], 1)
    points = [radius * circle + (0, 0, height) for radius, height in profile if radius > 0]
    tips = [np.array([(0, 0, height)]) for radius, height in profile if radius == 0]
    return np.concatenate(points + tips)


def _bulges(profile: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of each stretch of a profile whose solid is convex."""
    steps = np.diff(profile, axis=0)
    left = steps[:-1, 0] * steps[1:, 1] - steps[:-1, 1] * steps[1:, 0] >= -1e-12
    cuts = [0, *(np.flatnonzero(~left) + 1).tolist(), len(profile) - 1]
    return [(a, b) for a, b in itertools.pairwise(cuts) if profile[b, 1] - profile[a, 1] > 1e-6]


def _sectors(section: np.ndarray, sides: int) -> list[np.ndarray]:
    """Convex wedges of a ring."""
    step = 2 * np.pi / sides
    ends = np.array([(np.cos(angle), np.sin(angle)) for angle in (0, step)])
    wedge = np.concatenate([np.column_stack([section[:, :1] * end, section[:, 1]]) for end in ends])
    pieces = []
    for number in range(sides):
        cos, sin = np.cos(number * step), np.sin(number * step)
        pieces.append(wedge @ np.array([(cos, sin, 0), (-sin, cos, 0), (0, 0, 1)]))
    return pieces
