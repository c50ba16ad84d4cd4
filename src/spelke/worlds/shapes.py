"""Rigid shapes: one part, or several that are one body.

Sizes follow MuJoCo: half extents for boxes, radius (and half length along z) for round things,
    metres.
The kinds of the two splits are disjoint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

IDENTITY = (1.0, 0.0, 0.0, 0.0)
ROUND = {"sphere", "ellipsoid", "cylinder", "capsule"}


@dataclass(frozen=True, slots=True)
class Part:
    """One convex geom in its body's frame; `slot` says which of the body's materials it wears."""

    kind: str
    size: tuple[float, ...]
    pos: tuple[float, float, float] = (0.0, 0.0, 0.0)
    quat: tuple[float, float, float, float] = IDENTITY
    vertices: np.ndarray | None = None
    slot: int = 0


@dataclass(frozen=True, slots=True)
class Thing:
    """One body: its parts, where it starts, and how it behaves.

    Attributes:
        label: shape kind.
        family: scene family the thing was made for.
        pos, quat: starting pose; quaternion (w, x, y, z).
        density: kg / m^3.
        friction: sliding coefficient.
        zeta: damping ratio of its contacts; restitution = exp(-pi zeta / sqrt(1 - zeta^2)).
        look: things with the same look wear the same texture; "" draws a fresh one, "floor" the
            floor's.
    """

    label: str
    parts: tuple[Part, ...]
    family: str = "primitives"
    pos: tuple[float, float, float] = (0.0, 0.0, 0.0)
    quat: tuple[float, float, float, float] = IDENTITY
    movable: bool = True
    density: float = 600.0
    friction: float = 0.7
    zeta: float = 0.3
    look: str = ""
    notes: tuple[str, ...] = field(default=())

    def moved(self, offset: np.ndarray, yaw: float = 0.0) -> Thing:
        """The thing turned by `yaw` about the vertical through the origin, then moved."""
        turn = quat_about((0, 0, 1), yaw)
        place = rotate(turn, np.array(self.pos)) + offset
        return replace(self, pos=tuple(place), quat=tuple(quat_multiply(turn, self.quat)))

    def outline(self) -> np.ndarray:
        """Points (n, 3) whose hull encloses the thing in its starting pose (world axes)."""
        points = np.concatenate([_part_points(part) for part in self.parts])
        return rotate(np.array(self.quat), points) + np.array(self.pos)


def quat_about(axis, angle: float) -> np.ndarray:
    """Quaternion (4,), (w, x, y, z), of a turn about an axis, radians."""
    axis = np.asarray(axis, float)
    axis = axis / np.linalg.norm(axis)
    return np.concatenate([[np.cos(angle / 2)], np.sin(angle / 2) * axis])


def quat_multiply(a, b) -> np.ndarray:
    """Hamilton product of quaternions (..., 4), (w, x, y, z)."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    aw, ax, ay, az = np.moveaxis(a, -1, 0)
    bw, bx, by, bz = np.moveaxis(b, -1, 0)
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        -1,
    )


def rotate(quat, points: np.ndarray) -> np.ndarray:
    """Rotate points (n, 3) or (3,) by one quaternion."""
    w, x, y, z = np.asarray(quat, float) / np.linalg.norm(quat)
    matrix = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    return np.asarray(points, float) @ matrix.T


def random_quat(rng: np.random.Generator) -> np.ndarray:
    """A uniformly random orientation, (4,)."""
    quat = rng.standard_normal(4)
    return quat / np.linalg.norm(quat)


_SPHERE = np.stack(
    [
        (np.cos(turn) * np.cos(rise), np.sin(turn) * np.cos(rise), np.sin(rise))
        for rise in np.linspace(-np.pi / 2, np.pi / 2, 7)
        for turn in np.arange(8) * np.pi / 4
    ]
)
_CORNERS = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)


def _part_points(part: Part) -> np.ndarray:
    if part.vertices is not None:
        points = part.vertices
    elif part.kind == "box":
        points = _CORNERS * part.size
    elif part.kind == "sphere":
        points = _SPHERE * part.size[0]
    elif part.kind == "ellipsoid":
        points = _SPHERE * part.size
    else:  # cylinder and capsule: along z
        radius, half = part.size
        turns = np.arange(12) * np.pi / 6
        ring = np.stack([np.cos(turns) * radius, np.sin(turns) * radius, np.full(12, half)], -1)
        points = np.concatenate([ring, ring * (1, 1, -1)])
        if part.kind == "capsule":
            tips = np.array([[0, 0, half + radius], [0, 0, -half - radius]])
            points = np.concatenate([points, tips])
    return rotate(part.quat, points) + np.array(part.pos)


# -- one part --------------------------------------------------------------------------------------


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
    return _mesh(points * scale * rng.uniform(0.5, 1.1, 3))


def prism(rng, scale: float) -> Part:
    """An upright polygon with straight sides."""
    sides = int(rng.integers(3, 8))
    return _frustum(sides, rng.uniform(0.5, 1) * scale, 1.0, rng.uniform(0.3, 1) * scale)


def frustum(rng, scale: float) -> Part:
    """A truncated pyramid or cone."""
    sides = int(rng.choice([4, 6, 20]))
    narrow = rng.uniform(0.45, 0.8)
    return _frustum(sides, rng.uniform(0.6, 1) * scale, narrow, rng.uniform(0.3, 1) * scale)


def superquadric(rng, scale: float) -> Part:
    """A shape between a box and an ellipsoid, or between an octahedron and an ellipsoid."""
    first, second = rng.uniform(0.2, 1.5, 2)
    rise = np.linspace(-np.pi / 2, np.pi / 2, 11)[:, None]
    turn = np.linspace(0, 2 * np.pi, 16, endpoint=False)[None]

    def power(value, exponent):
        return np.sign(value) * np.abs(value) ** exponent

    x = power(np.cos(rise), first) * power(np.cos(turn), second)
    y = power(np.cos(rise), first) * power(np.sin(turn), second)
    z = power(np.sin(rise), first) * np.ones_like(turn)
    points = np.stack([x, y, z], -1).reshape(-1, 3)
    return _mesh(points * scale * rng.uniform(0.45, 0.95, 3))


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
    return _mesh(np.concatenate(rings) * size * scale)


def _frustum(sides: int, radius: float, narrow: float, half: float) -> Part:
    turn = np.arange(sides) * 2 * np.pi / sides
    ring = np.stack([np.cos(turn), np.sin(turn)], -1) * radius
    low = np.concatenate([ring, np.full((sides, 1), -half)], 1)
    high = np.concatenate([ring * narrow, np.full((sides, 1), half)], 1)
    return _mesh(np.concatenate([low, high]))


def _mesh(points: np.ndarray) -> Part:
    """A mesh from points, thick enough in every direction for a stable hull; centred on its box."""
    points = points - (points.max(0) + points.min(0)) / 2
    points = points * np.maximum(1, 0.012 / np.maximum(np.abs(points).max(0), 1e-6))
    return Part("mesh", (), vertices=np.round(points, 5))


PRIMITIVES: dict[str, dict[str, Callable[..., Part]]] = {
    "train": {
        "box": box,
        "sphere": sphere,
        "ellipsoid": ellipsoid,
        "cylinder": cylinder,
        "capsule": capsule,
        "hull": hull,
    },
    "test": {
        "prism": prism,
        "frustum": frustum,
        "superquadric": superquadric,
        "lathe": lathe,
    },
}
FLAT = {"train": ("box", "cylinder"), "test": ("prism", "frustum")}
"""Kinds with a flat top and bottom, for stacking."""


def draw_primitive(rng: np.random.Generator, split: str, scale: float, kind: str = "") -> Thing:
    """One primitive of a split; `scale` is about its half size in metres."""
    names = sorted(PRIMITIVES[split])
    kind = kind or names[rng.integers(len(names))]
    return Thing(kind, (PRIMITIVES[split][kind](rng, scale),))
