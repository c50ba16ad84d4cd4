"""The nouns of bodies: a part, and a thing of one or several parts; quaternions to turn them.

Sizes follow MuJoCo: half extents for boxes, radius (and half length along z) for round things,
metres.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from spelke.worlds.joints import Joint, Launch

IDENTITY = (1.0, 0.0, 0.0, 0.0)
ROUND = {"sphere", "ellipsoid", "cylinder", "capsule"}


@dataclass(frozen=True, slots=True)
class Part:
    """One geom in its body's frame.

    Attributes:
        kind: MuJoCo's name: box, sphere, ellipsoid, cylinder, capsule or mesh.
        size: as MuJoCo takes it; empty for a mesh.
        pos, quat: its pose in the body.
        vertices: (n, 3) of a mesh, metres.
        slot: which of the body's materials it wears.
        faces: (m, 3) triangles of a mesh, counted from outside against the clock; None for the
            hull of the vertices.
        rolls: a mesh that is round enough to roll for ever.
        seen: whether it is rendered.
        solid: whether it is touched and weighs; a solid mesh counts as its convex hull.
    """

    kind: str
    size: tuple[float, ...]
    pos: tuple[float, float, float] = (0.0, 0.0, 0.0)
    quat: tuple[float, float, float, float] = IDENTITY
    vertices: np.ndarray | None = None
    slot: int = 0
    faces: np.ndarray | None = None
    rolls: bool = False
    seen: bool = True
    solid: bool = True


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
        joint: what joins it to an earlier thing; None for a body of its own.
        launch: how it moves when the scene is first seen; None for one at rest.
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
    joint: Joint | None = None
    launch: Launch | None = None

    def moved(self, offset: np.ndarray, yaw: float = 0.0) -> Thing:
        """The thing turned by `yaw` about the vertical through the origin, then moved."""
        turn = quat_about((0, 0, 1), yaw)
        place = rotate(turn, np.array(self.pos)) + offset
        launch = self.launch.turned(yaw) if self.launch else None
        quat = tuple(quat_multiply(turn, self.quat))
        return replace(self, pos=tuple(place), quat=quat, launch=launch)

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


def posed(parts: Iterable[Part], pos, quat, slot: int | None = None) -> list[Part]:
    """Parts turned together and then moved together; all in one `slot` if one is given."""
    return [
        replace(
            part,
            pos=tuple(rotate(quat, np.array(part.pos)) + np.asarray(pos)),
            quat=tuple(quat_multiply(quat, part.quat)),
            slot=part.slot if slot is None else slot,
        )
        for part in parts
    ]


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
