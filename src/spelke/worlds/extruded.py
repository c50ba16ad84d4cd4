"""Upright solids over a polygon or over the filled cells of a grid."""

from __future__ import annotations

import numpy as np

from spelke.worlds.surfaces import Surface


def extrude(
    outline: np.ndarray, half: float, bevel: float = 0.0, taper: float = 1.0, shrink: float = 0.85
) -> Surface:
    """An upright solid over a polygon that is seen whole from the origin.

    Args:
        outline: (k, 2) corners, against the clock, about the origin.
        half: half of its height. bevel: height of the slanted rims, at most `half`.
        taper: size of the top relative to the bottom.
        shrink: size of the end faces relative to the outline, if there is a bevel.

    Returns:
        One piece if the outline is convex, else convex sectors about the origin.
    """
    heights = np.array([-half, -half + bevel, half - bevel, half])
    scales = 1 + (taper - 1) * (heights + half) / (2 * half)
    scales *= (shrink, 1, 1, shrink) if bevel > 0 else 1
    if bevel <= 0:
        heights, scales = heights[[0, 3]], scales[[0, 3]]
    count = len(outline)
    layers = [
        np.column_stack([scale * outline, np.full(count, height)])
        for scale, height in zip(scales, heights, strict=True)
    ]
    tips = np.array([(0, 0, -half), (0, 0, half)])
    vertices = np.concatenate([*layers, tips])
    faces = _walls(len(layers), count)
    around = np.arange(count)
    after = (around + 1) % count
    last = (len(layers) - 1) * count
    bottom, top = len(layers) * count, len(layers) * count + 1
    caps = [
        np.stack([np.full(count, bottom), after, around], 1),
        np.stack([np.full(count, top), last + around, last + after], 1),
    ]
    pieces = []
    for corners, whole in _sectors_of(outline):
        sector = np.concatenate([layer[corners] for layer in layers])
        pieces.append(sector if whole else np.concatenate([sector, tips]))
    return Surface(vertices, np.concatenate([faces, *caps]), tuple(pieces))


def extrude_cells(
    cells: np.ndarray, widths: np.ndarray, depths: np.ndarray, half: float
) -> Surface:
    """An upright solid over the filled cells of a grid: letters, brackets, frames.

    Args:
        cells: (rows, columns) bool; rows go down (towards -y).
        widths, depths: (columns,), (rows,) metres.
        half: half of its height.

    Returns:
        A surface centred on the grid, and boxes as pieces, as few as merging neighbours gives.
    """
    x = np.concatenate([[0], np.cumsum(widths)]) - np.sum(widths) / 2
    y = np.sum(depths) / 2 - np.concatenate([[0], np.cumsum(depths)])
    filled = np.pad(cells, 1)
    quads = []
    for row, column in np.argwhere(cells):
        left, right, top, bottom = x[column], x[column + 1], y[row], y[row + 1]
        corners = [(left, bottom), (right, bottom), (right, top), (left, top)]
        quads.append([(*corner, half) for corner in corners])
        quads.append([(*corner, -half) for corner in corners[::-1]])
        beside = [(1, 0), (0, 1), (-1, 0), (0, -1)]  # below, right, above, left
        for side, (down, over) in enumerate(beside):
            if not filled[row + 1 + down, column + 1 + over]:
                a, b = corners[side], corners[(side + 1) % 4]
                quads.append([(*a, -half), (*b, -half), (*b, half), (*a, half)])
    corners, index = np.unique(
        np.round(np.array(quads).reshape(-1, 3), 7), axis=0, return_inverse=True
    )
    index = index.reshape(-1, 4)
    faces = np.concatenate([index[:, [0, 1, 2]], index[:, [0, 2, 3]]])
    signs = np.array([(a, b, c) for a in (0, 1) for b in (0, 1) for c in (-1, 1)])
    pieces = [
        np.column_stack(
            [
                np.where(signs[:, 0], x[right], x[left]),
                np.where(signs[:, 1], y[bottom], y[top]),
                signs[:, 2] * half,
            ]
        )
        for top, bottom, left, right in _rectangles(cells)
    ]
    return Surface(corners, faces, tuple(pieces))


def _walls(layers: int, count: int) -> np.ndarray:
    around = np.arange(count)
    after = (around + 1) % count
    faces = []
    for layer in range(layers - 1):
        low, high = layer * count, (layer + 1) * count
        faces.append(np.stack([low + around, low + after, high + after], 1))
        faces.append(np.stack([low + around, high + after, high + around], 1))
    return np.concatenate(faces)


def _sectors_of(outline: np.ndarray) -> list[tuple[np.ndarray, bool]]:
    """Convex sectors of a polygon about the origin: corner indices, and whether it is all of it."""
    count = len(outline)
    before, after = np.roll(outline, 1, 0), np.roll(outline, -1, 0)
    turns = _cross(outline - before, after - outline)
    inward = np.flatnonzero(turns < 0)
    if len(inward) == 0:
        return [(np.arange(count), True)]
    order = (inward[0] + np.arange(count + 1)) % count
    sectors, start = [], 0
    for end in range(1, count + 1):
        # A sector ends where the outline turns inward, and before it spans half a turn.
        ends = end == count or turns[order[end]] < 0
        if ends or _cross(outline[order[start]], outline[order[end + 1]]) <= 1e-9:
            sectors.append((order[start : end + 1], False))
            start = end
    return sectors


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


def _rectangles(cells: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Cover filled cells by rectangles (top, bottom, left, right), each cell once."""
    free = cells.copy()
    found = []
    for row, column in np.argwhere(cells):
        if not free[row, column]:
            continue
        right = column
        while right < cells.shape[1] and free[row, right]:
            right += 1
        bottom = row
        while bottom < cells.shape[0] and free[bottom, column:right].all():
            bottom += 1
        free[row:bottom, column:right] = False
        found.append((int(row), int(bottom), int(column), int(right)))
    return found
