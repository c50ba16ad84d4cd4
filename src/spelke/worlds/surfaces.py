"""Surfaces of solids that are not convex, with the convex pieces they are made of.

The pieces are known by construction, and their union is the solid that the triangles enclose, to
rounding: what is seen is what is touched. Curves are polygons, the same for both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull

from spelke.worlds.parts import Part

_SMOOTH_BELOW = np.deg2rad(38)
"""Faces that meet at a smaller angle are shaded as one smooth surface."""


@dataclass(frozen=True, slots=True)
class Surface:
    """A closed surface.

    Attributes:
        vertices: (n, 3) metres. faces: (m, 3), counted from outside against the clock.
        pieces: convex solids, each the hull of its points (k, 3).
    """

    vertices: np.ndarray
    faces: np.ndarray
    pieces: tuple[np.ndarray, ...]


def part_sharp_edges(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the two sides of each sharp edge vertices of their own, so that shading breaks there.

    Normals are averaged over the faces of a vertex, so that what shares vertices looks round.

    Returns:
        Vertices (n', 3) and faces (m, 3).
    """
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normals, axis=1)
    faces, normals = faces[area > 1e-12], normals[area > 1e-12]
    unit = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    vertex = faces.ravel()
    order = np.argsort(vertex, kind="stable")
    kept, row = np.unique(vertex[order], return_inverse=True)
    place = np.arange(len(order)) - np.searchsorted(row, np.arange(len(kept)))[row]
    around = np.zeros((len(kept), place.max() + 1, 3))  # normals about each vertex; zeros fill up
    around[row, place] = unit[order // 3]
    key = row * around.shape[1] + _smooth_groups(around)[row, place]
    groups, number = np.unique(key, return_inverse=True)
    parted = np.empty(len(vertex), np.int64)
    parted[order] = number
    return vertices[kept[groups // around.shape[1]]], parted.reshape(-1, 3)


def _smooth_groups(normals: np.ndarray) -> np.ndarray:
    """Which faces about each vertex belong to one smooth surface: chained by small angles.

    Args:
        normals: (vertex, face, 3).

    Returns:
        (vertex, face) the lowest number of a face of the same surface.
    """
    count = normals.shape[1]
    near = normals @ normals.swapaxes(1, 2) > np.cos(_SMOOTH_BELOW)
    groups = np.broadcast_to(np.arange(count), normals.shape[:2])
    while True:
        lowest = np.minimum(groups, np.where(near, groups[:, None], count).min(2))
        if np.array_equal(lowest, groups):
            return groups
        groups = lowest


def convex_surface(points: np.ndarray) -> Surface:
    """The hull of points (k, 3), with its triangles."""
    hull = ConvexHull(points)
    corners = points[hull.simplices]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    inward = np.einsum("ni,ni->n", normals, hull.equations[:, :3]) < 0
    faces = np.where(inward[:, None], hull.simplices[:, ::-1], hull.simplices)
    return Surface(points, faces, (points,))


def body_of(surface: Surface, rolls: bool = False, slot: int = 0) -> tuple[Part, ...]:
    """A surface as parts: one mesh if it is convex, else a mesh to see and pieces to touch."""
    vertices, faces = part_sharp_edges(surface.vertices, surface.faces)
    vertices = np.round(vertices, 5)
    whole = len(surface.pieces) == 1
    seen = Part("mesh", (), vertices=vertices, faces=faces, rolls=rolls, slot=slot, solid=whole)
    if whole:
        return (seen,)
    return (
        seen,
        *(
            Part("mesh", (), vertices=np.round(piece, 5), rolls=rolls, slot=slot, seen=False)
            for piece in surface.pieces
        ),
    )
