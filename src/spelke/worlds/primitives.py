"""Single convex solids; `scale` is about half their size in metres."""

from __future__ import annotations

import numpy as np
from scipy.spatial import HalfspaceIntersection

from spelke.worlds.parts import Part
from spelke.worlds.surfaces import convex_surface, part_sharp_edges


def box(rng, scale: float) -> Part:
    """A box."""
    return Part("box", tuple(scale * rng.uniform(0.35, 1.0, 3)))


def sphere(rng, scale: float) -> Part:
    """A ball."""
    return Part("sphere", (scale * rng.uniform(0.5, 0.9),))


def ellipsoid(rng, scale: float) -> Part:
    """An ellipsoid."""
    return Part("ellipsoid", tuple(scale * rng.uniform(0.4, 1.1, 3)))


def cylinder(rng, scale: float) -> Part:
    """A cylinder along z."""
    return Part("cylinder", (scale * rng.uniform(0.3, 0.9), scale * rng.uniform(0.25, 1.1)))


def capsule(rng, scale: float) -> Part:
    """A capsule along z."""
    return Part("capsule", (scale * rng.uniform(0.25, 0.5), scale * rng.uniform(0.3, 1.0)))


def hull(rng, scale: float) -> Part:
    """The hull of random points on an ellipsoid."""
    points = rng.standard_normal((rng.integers(8, 20), 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return hull_of(points * scale * rng.uniform(0.5, 1.1, 3))


def prism(rng, scale: float) -> Part:
    """An upright polygon with straight sides."""
    sides = int(rng.integers(3, 8))
    return _frustum(sides, rng.uniform(0.5, 1) * scale, 1.0, rng.uniform(0.3, 1) * scale)


def frustum(rng, scale: float) -> Part:
    """A truncated pyramid or cone."""
    sides = int(rng.choice([4, 6, 20]))
    narrow = rng.uniform(0.45, 0.8)
    return _frustum(sides, rng.uniform(0.6, 1) * scale, narrow, rng.uniform(0.3, 1) * scale)


def cushion(rng, scale: float) -> Part:
    """A box with round edges: a superquadric of small exponents."""
    return _superquadric(rng, scale, rng.uniform(0.25, 0.75, 2))


def superquadric(rng, scale: float) -> Part:
    """A superquadric of large exponents: lenses, spindles, octahedra."""
    return _superquadric(
        rng, scale, rng.permutation([rng.uniform(0.9, 1.6), rng.uniform(0.2, 1.6)])
    )


def _superquadric(rng, scale: float, exponents: np.ndarray) -> Part:
    rise = np.linspace(-np.pi / 2, np.pi / 2, 13)[1:-1, None]
    turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)[None]

    def power(value, exponent):
        return np.sign(value) * np.abs(value) ** exponent

    x = power(np.cos(rise), exponents[0]) * power(np.cos(turn), exponents[1])
    y = power(np.cos(rise), exponents[0]) * power(np.sin(turn), exponents[1])
    z = power(np.sin(rise), exponents[0]) * np.ones_like(turn)
    points = np.concatenate([np.stack([x, y, z], -1).reshape(-1, 3), [(0, 0, -1), (0, 0, 1)]])
    return hull_of(points * scale * rng.uniform(0.4, 0.95, 3), rolls=True)


def lathe(rng, scale: float) -> Part:
    """A convex turned body: rings whose radius first grows, then shrinks."""
    heights = np.linspace(-1, 1, 7)
    peak = rng.uniform(-0.5, 0.5)
    radii = np.clip(1 - rng.uniform(0.2, 0.9) * (heights - peak) ** 2, 0.15, None)
    turn = np.linspace(0, 2 * np.pi, 18, endpoint=False)
    rings = [
        np.stack([r * np.cos(turn), r * np.sin(turn), np.full(18, h)], -1)
        for r, h in zip(radii, heights, strict=True)
    ]
    size = np.array([1, 1, 0]) * rng.uniform(0.4, 0.9) + np.array([0, 0, 1]) * rng.uniform(0.4, 1.1)
    return hull_of(np.concatenate(rings) * size * scale, rolls=True)


def _frustum(sides: int, radius: float, narrow: float, half: float) -> Part:
    turn = np.arange(sides) * 2 * np.pi / sides
    ring = np.stack([np.cos(turn), np.sin(turn)], -1) * radius
    low = np.concatenate([ring, np.full((sides, 1), -half)], 1)
    high = np.concatenate([ring * narrow, np.full((sides, 1), half)], 1)
    return hull_of(np.concatenate([low, high]))


def chipped(rng, scale: float) -> Part:
    """A box with some corners and edges cut off."""
    half = rng.uniform(0.4, 1.0, 3)
    normals = rng.choice([-1, 1], (rng.integers(2, 7), 3)) * rng.uniform(0, 1, (1, 3)) ** 0.5
    normals += rng.normal(0, 0.35, normals.shape)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    reach = np.abs(normals) @ half * rng.uniform(0.62, 0.95, len(normals))
    return hull_of(scale * _cut(half, normals, reach))


def gem(rng, scale: float) -> Part:
    """An ellipsoid's tangent planes: a cut stone."""
    normals = rng.standard_normal((rng.integers(9, 22), 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    half = rng.uniform(0.45, 0.9, 3)
    reach = np.linalg.norm(normals * half, axis=1)
    return hull_of(scale * _cut(1.2 * half, normals, reach))


def _cut(half: np.ndarray, normals: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Corners of a box cut by planes `normals . x <= reach` that leave the origin inside."""
    sides = np.concatenate([np.eye(3), -np.eye(3)])
    planes = np.concatenate(
        [np.column_stack([sides, -np.tile(half, 2)]), np.column_stack([normals, -reach])]
    )
    return HalfspaceIntersection(planes, np.zeros(3)).intersections


def hull_of(points: np.ndarray, rolls: bool = False) -> Part:
    """The hull of points as a mesh: thick enough for a stable one, and centred on its box.

    Edges are sharp unless the hull `rolls`.
    """
    points = points - (points.max(0) + points.min(0)) / 2
    points = points * np.maximum(1, 0.012 / np.maximum(np.abs(points).max(0), 1e-6))
    if rolls:
        return Part("mesh", (), vertices=np.round(points, 5), rolls=True)
    surface = convex_surface(points)
    vertices, faces = part_sharp_edges(surface.vertices, surface.faces)
    return Part("mesh", (), vertices=np.round(vertices, 5), faces=faces)
