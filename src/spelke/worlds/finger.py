"""A virtual finger: what a push is, and the forces that it exerts step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spelke.worlds.gl import load_mujoco
from spelke.worlds.shapes import rotate

KINDS = ("none", "flick", "drag", "held")
"""Kinds of poke; the record stores the index."""

_DRAG_FREQUENCY = 50.0
_FINGER_ZETA = 0.7
_MAX_ACCELERATION = 40.0
_FLICK_STEPS = 5
_MAX_LOAD = 15.0
"""A finger is sized for a load of so many times the body; were it to slip off, more would fling."""


@dataclass(frozen=True, slots=True)
class Push:
    """What the finger does.

    Attributes:
        kind: "none" (nothing), "flick" (an impulse), "drag" (the point follows a target; the body
            may turn) or "held" (a grasp: the body follows the target and keeps its orientation).
        body: index of the poked body.
        point: (3,) world point that is touched.
        displacement: (3,) metres, where the target goes; for a flick, metres it would slide.
        duration: seconds of the min-jerk motion, or of the whole roll-out for a flick.
        follows: the target starts from where the point would be without the push, moment by
            moment, instead of from where it is at first: for bodies that move anyway.
    """

    kind: str
    body: int
    point: np.ndarray
    displacement: np.ndarray
    duration: float
    follows: bool = False


def gentle_duration(distance: float, friction: float) -> float:
    """Seconds for a min-jerk motion whose peak acceleration, 5.8 d / T^2, stays below 0.4 mu g.

    Faster, and a load slips off its base like china off a tablecloth.
    """
    return float(np.clip(np.sqrt(5.8 * distance / (0.4 * friction * 9.81)), 0.2, 1.0))


def push_steps(model: Any, push: Push) -> int:
    """Steps until the response is read: the motion, and a twentieth of a second to come to rest."""
    return round((push.duration + 0.05) / model.opt.timestep)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross product of two vectors; numpy's general one is ten times slower for three numbers."""
    (ax, ay, az), (bx, by, bz) = a, b
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


class Finger:
    """Turns a push into forces on its body, step by step.

    A drag pulls a body-fixed point after a min-jerk target `P + d (10 s^3 - 15 s^4 + 6 s^5)` with a
    spring and damper sized for the mass that the point feels; a held body is led by its centre of
    mass, its orientation kept by a rotational spring and damper, and its weight carried by the
    grasp. Bodies that are welded together count as one.

    Args:
        model, data: MuJoCo's, in the state from which the push starts.
        push: what to do.
        mass: that the push has to move, kg.
        course: (steps + 1, 13) of the body left alone, for a push that follows.
    """

    def __init__(
        self, model: Any, data: Any, push: Push, mass: float, course: np.ndarray | None = None
    ) -> None:
        body = push.body
        self.own, com, inertia = _rigid_group(model, data, body)
        self.push, self.mass, self.course = push, min(mass, _MAX_LOAD * self.own), course
        mass = self.mass
        self.start = com if push.kind == "held" else np.array(push.point, float)
        quat = data.xquat[body].copy()
        self.local = rotate(quat * (1, -1, -1, -1), self.start - data.xpos[body])
        self.quat = quat
        self.steps = max(1, round(push.duration / model.opt.timestep))
        self.dt = model.opt.timestep
        self.inertia = inertia * mass / self.own
        share = self._felt_share(com)
        self.felt = mass * max(0.3, share)
        self.soft = self._softening(self.felt / (self.own * share))
        self.soft_turn = self._softening(mass / self.own)
        self.impulse = self._impulse(model)
        joint = model.body_jntadr[body]
        free = int(load_mujoco().mjtJoint.mjJNT_FREE)
        self.dof = model.body_dofadr[body] if joint >= 0 and model.jnt_type[joint] == free else -1

    def _felt_share(self, com: np.ndarray) -> float:
        """Share of the mass that is felt at the point: off centre, the body gives way."""
        if self.push.kind != "drag":
            return 1.0
        along = self.push.displacement / max(np.linalg.norm(self.push.displacement), 1e-9)
        lever = _cross(self.start - com, along)
        turning = self.mass * lever @ np.linalg.solve(self.inertia, lever)
        return float(1 / (1 + turning))

    def _softening(self, ratio: float) -> float:
        """Factor of a semi-implicit spring: stable even where the load does not follow the light
        body.

        Sized for the load, the explicit spring and damper would be `ratio` times too stiff for the
        body alone.
        """
        damping = 2 * _FINGER_ZETA * _DRAG_FREQUENCY * self.dt
        return 1 / (1 + ratio * (damping + (_DRAG_FREQUENCY * self.dt) ** 2))

    def _impulse(self, model: Any) -> np.ndarray:
        distance = float(np.linalg.norm(self.push.displacement))
        if self.push.kind != "flick" or distance == 0:
            return np.zeros(3)
        geom = model.body_geomadr[self.push.body]
        friction = max(0.1, float(model.geom_friction[geom, 0]))
        speed = np.clip(np.sqrt(2 * friction * 9.81 * distance), 0.1, 2.0)
        return self.mass * speed * self.push.displacement / distance

    def press(self, model: Any, data: Any, step: int) -> None:
        """Set this step's force and torque."""
        body = self.push.body
        applied = data.xfrc_applied[body]
        applied[:] = 0
        com = data.xipos[body]
        arm = data.xmat[body].reshape(3, 3) @ self.local
        point = data.xpos[body] + arm
        if self.push.kind == "flick":
            force = self.impulse / (_FLICK_STEPS * self.dt) if step < _FLICK_STEPS else np.zeros(3)
            applied[:3], applied[3:] = force, _cross(point - com, force)
            return
        share = min(1.0, (step + 1) / self.steps)
        place = share**3 * (10 - 15 * share + 6 * share**2)
        pace = 0.0 if share >= 1 else 30 * share**2 * (1 - share) ** 2 / self.push.duration
        start, going, quat, turning = self._without_push(step)
        velocity, spin = self._velocity(model, data, point)
        pull = _DRAG_FREQUENCY**2 * (start + place * self.push.displacement - point)
        pull += (
            2 * _FINGER_ZETA * _DRAG_FREQUENCY * (going + pace * self.push.displacement - velocity)
        )
        pull *= min(1.0, _MAX_ACCELERATION / max(np.linalg.norm(pull), 1e-9))
        force = self.felt * self.soft * pull
        if self.push.kind == "held" and self.course is None:
            force[2] += self.mass * 9.81
        applied[:3], applied[3:] = force, _cross(point - com, force)
        if self.push.kind == "held":
            applied[3:] += self._righting(data.xquat[body], quat, turning - spin)

    def _without_push(self, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The point, its velocity, the body's orientation and spin if it were left alone."""
        if self.course is None:
            return self.start, np.zeros(3), self.quat, np.zeros(3)
        row = self.course[step]
        arm = rotate(row[3:7], self.local)
        spin = rotate(row[3:7], row[10:])
        return row[:3] + arm, row[7:10] + _cross(spin, arm), row[3:7], spin

    def _velocity(self, model: Any, data: Any, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Velocity of the body-fixed point and the body's spin, world axes."""
        body, start = self.push.body, self.dof
        if start >= 0:
            linear = data.qvel[start : start + 3]  # a free joint: velocity of the body's origin
            spin = data.xmat[body].reshape(3, 3) @ data.qvel[start + 3 : start + 6]
        else:
            both, kind = np.zeros(6), load_mujoco().mjtObj.mjOBJ_XBODY
            load_mujoco().mj_objectVelocity(model, data, kind, body, both, 0)
            spin, linear = both[:3], both[3:]
        return linear + _cross(spin, point - data.xpos[body]), spin

    def _righting(self, quat: np.ndarray, wanted: np.ndarray, slowing: np.ndarray) -> np.ndarray:
        """Torque that brings the body to the wanted orientation, and its spin to the wanted one."""
        (aw, ax, ay, az), (bw, bx, by, bz) = wanted, quat
        axis = np.array(  # vector part of wanted * conj(quat): half the small rotation to make
            [
                -aw * bx + ax * bw - ay * bz + az * by,
                -aw * by + ax * bz + ay * bw - az * bx,
                -aw * bz - ax * by + ay * bx + az * bw,
            ]
        )
        if aw * bw + ax * bx + ay * by + az * bz < 0:
            axis = -axis
        pull = 2 * _DRAG_FREQUENCY**2 * axis + 2 * _FINGER_ZETA * _DRAG_FREQUENCY * slowing
        return self.soft_turn * (self.inertia @ pull)


def _rigid_group(model: Any, data: Any, body: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Mass, centre of mass and inertia (world axes) of a body and all that is welded to it."""
    members = np.flatnonzero(model.body_weldid == model.body_weldid[body])
    mass = model.body_mass[members]
    com = mass @ data.xipos[members] / mass.sum()
    inertia = np.zeros((3, 3))
    for member in members:
        turn = data.ximat[member].reshape(3, 3)
        arm = data.xipos[member] - com
        inertia += turn @ np.diag(model.body_inertia[member]) @ turn.T
        inertia += model.body_mass[member] * (arm @ arm * np.eye(3) - np.outer(arm, arm))
    return float(mass.sum()), com, inertia
