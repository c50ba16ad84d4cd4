"""Which way a joint lets a body go, and how far."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from spelke.worlds.gl import load_mujoco

_LEVER = 0.01


class Way(NamedTuple):
    """The line along which a hinge or slide lets a point move.

    Attributes:
        direction: (3,) unit vector, world axes.
        ahead, behind: metres that are left along it and against it.
    """

    direction: np.ndarray
    ahead: float
    behind: float

    def widest(self) -> tuple[np.ndarray, float]:
        """The direction with more room, and that room."""
        if self.ahead >= self.behind:
            return self.direction, self.ahead
        return -self.direction, self.behind


def is_linked(model: Any, body: int) -> bool:
    """Whether a body hangs on another by a joint that is not rigid."""
    joint = model.body_jntadr[body]
    return bool(joint >= 0 and model.jnt_type[joint] != int(load_mujoco().mjtJoint.mjJNT_FREE))


def way_of_joint(model: Any, data: Any, body: int, point: np.ndarray) -> Way | None:
    """The way of a body-fixed world point; None if no hinge or slide restricts it to a line."""
    kinds = load_mujoco().mjtJoint
    hinge, slide = int(kinds.mjJNT_HINGE), int(kinds.mjJNT_SLIDE)
    joint = model.body_jntadr[body]
    if joint < 0 or model.jnt_type[joint] not in (hinge, slide):
        return None
    line = data.xaxis[joint].copy()
    if model.jnt_type[joint] == hinge:
        line = np.cross(line, point - data.xanchor[joint])
    lever = float(np.linalg.norm(line))
    if lever < _LEVER:
        return None
    now = float(data.qpos[model.jnt_qposadr[joint]])
    low, high = model.jnt_range[joint] if model.jnt_limited[joint] else (now - 1, now + 1)
    # Far along a hinge's arc the tangent no longer leads on: a radian at a time.
    ahead, behind = (lever * float(np.clip(room, 0, 1)) for room in (high - now, now - low))
    return Way(line / lever, ahead, behind)


def handle(model: Any, data: Any, body: int) -> np.ndarray:
    """A point (3,) of a linked body from which it is easily moved: far from a hinge's axis."""
    points = np.concatenate([data.xipos[[body]], data.geom_xpos[model.geom_bodyid == body]])
    joint = model.body_jntadr[body]
    if model.jnt_type[joint] != int(load_mujoco().mjtJoint.mjJNT_HINGE):
        return points[0].copy()
    levers = np.cross(data.xaxis[joint], points - data.xanchor[joint])
    return points[int(np.argmax(np.linalg.norm(levers, axis=1)))].copy()
