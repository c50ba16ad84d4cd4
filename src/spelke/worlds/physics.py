"""Settling, exact replay, and pokes: a virtual finger, and the no-poke twin rolled beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spelke.worlds.gl import load_mujoco
from spelke.worlds.model import direct_solref
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
        kind: "flick" (an impulse), "drag" (the point follows a target; the body may turn) or "held"
            (a grasp: the body follows the target and keeps its orientation).
        body: index of the poked body.
        point: (3,) world point that is touched.
        displacement: (3,) metres, where the target goes; for a flick, metres it would slide.
        duration: seconds of the min-jerk motion, or of the whole roll-out for a flick.
    """

    kind: str
    body: int
    point: np.ndarray
    displacement: np.ndarray
    duration: float


def settle(model: Any, data: Any, seconds: float = 1.4, quiet: float = 0.01) -> float:
    """Let a scene come to rest with fully damped contacts, then give contacts their own damping
    back.

    Stops early once everything is slower than a tenth of `quiet`.

    Returns:
        The largest remaining speed of a body: m/s, or rad/s times 0.1 m.
    """
    mujoco = load_mujoco()
    own = model.geom_solref.copy()
    model.geom_solref[:] = direct_solref(1.0)
    chunk = 50
    speed = np.inf
    for _ in range(max(1, round(seconds / model.opt.timestep / chunk))):
        mujoco.mj_step(model, data, nstep=chunk)
        speed = _speed(model, data)
        if speed < 0.1 * quiet:
            break
    model.geom_solref[:] = own
    return speed


def _speed(model: Any, data: Any) -> float:
    if model.nv == 0:
        return 0.0
    velocity = data.qvel.reshape(-1, 6)
    linear = np.linalg.norm(velocity[:, :3], axis=1)
    return float(np.max(np.maximum(linear, 0.1 * np.linalg.norm(velocity[:, 3:], axis=1))))


def save_state(model: Any, data: Any) -> np.ndarray:
    """MuJoCo's INTEGRATION state, float64: restoring it and rolling again is bit-exact."""
    mujoco = load_mujoco()
    kind = mujoco.mjtState.mjSTATE_INTEGRATION
    state = np.empty(mujoco.mj_stateSize(model, kind))
    mujoco.mj_getState(model, data, state, kind)
    return state


def restore_state(model: Any, data: Any, state: np.ndarray) -> None:
    """Put a saved state back, with everything derived from it."""
    mujoco = load_mujoco()
    mujoco.mj_setState(model, data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
    mujoco.mj_forward(model, data)


def poses(data: Any) -> np.ndarray:
    """(N, 7): position and quaternion (w, x, y, z) of every body's frame."""
    return np.concatenate([data.xpos, data.xquat], axis=1)


def support(model: Any, data: Any) -> np.ndarray:
    """(N, N) bool: entry (i, j) says that body j rests on body i (contacts, |n_z| > 0.7)."""
    rests = np.zeros((model.nbody, model.nbody), bool)
    count = data.ncon
    if count:
        bodies = model.geom_bodyid[data.contact.geom[:count]]
        up = data.contact.frame[:count, 2]  # normal from the first geom to the second
        for (first, second), rise in zip(bodies, up, strict=True):
            if rise > 0.7:
                rests[first, second] = True
            elif rise < -0.7:
                rests[second, first] = True
    return rests


def carried_mass(model: Any, data: Any) -> np.ndarray:
    """(N,): mass of each body and of everything that rests on it, directly or not."""
    reach = support(model, data)
    reach[0] = False
    for _ in range(4):
        reach |= (reach.astype(np.uint8) @ reach.astype(np.uint8)) > 0
    np.fill_diagonal(reach, True)
    return reach @ model.body_mass


def gentle_duration(distance: float, friction: float) -> float:
    """Seconds for a min-jerk motion whose peak acceleration, 5.8 d / T^2, stays below 0.4 mu g.

    Faster, and a load slips off its base like china off a tablecloth.
    """
    return float(np.clip(np.sqrt(5.8 * distance / (0.4 * friction * 9.81)), 0.2, 1.0))


def roll(
    model: Any,
    data: Any,
    state: np.ndarray,
    push: Push | None,
    steps: int,
    record: Sequence[int] = (),
    mass: np.ndarray | None = None,
) -> np.ndarray:
    """Roll `steps` steps from a saved state, poked or (push None) not.

    Args:
        record: step counts at which poses are wanted; by default the last one only.
        mass: (N,) carried masses at the saved state (`carried_mass`), computed if not given.

    Returns:
        (len(record) or 1, N, 7) poses; NaN if the simulation became unstable.
    """
    mujoco = load_mujoco()
    restore_state(model, data, state)
    trouble = _trouble(data)
    finger = None
    if push is not None:
        mass = carried_mass(model, data) if mass is None else mass
        finger = _Finger(model, data, push, float(mass[push.body]))
    wanted = sorted(record) if len(record) else [steps]
    found, done = {}, 0
    if finger is None:
        for stop in wanted:
            mujoco.mj_step(model, data, nstep=stop - done)
            done = stop
            found[stop] = _fresh_poses(model, data)
    else:
        for step in range(steps):
            finger.press(model, data, step)
            mujoco.mj_step(model, data)
            if step + 1 in wanted:
                found[step + 1] = _fresh_poses(model, data)
        data.xfrc_applied[:] = 0
    answer = np.stack([found[stop] for stop in (record if len(record) else [steps])])
    return answer if _trouble(data) == trouble else np.full_like(answer, np.nan)


def _trouble(data: Any) -> int:
    """How often MuJoCo met a bad number so far; it resets the scene when it does."""
    kinds = load_mujoco().mjtWarning
    bad = (kinds.mjWARN_BADQPOS, kinds.mjWARN_BADQVEL, kinds.mjWARN_BADQACC)
    return sum(int(data.warning[kind].number) for kind in bad)


def _fresh_poses(model: Any, data: Any) -> np.ndarray:
    """Poses of the present qpos (mj_step leaves those of the step before)."""
    load_mujoco().mj_kinematics(model, data)
    return poses(data)


def push_steps(model: Any, push: Push) -> int:
    """Steps until the response is read: the motion, and a twentieth of a second to come to rest."""
    return round((push.duration + 0.05) / model.opt.timestep)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross product of two vectors; numpy's general one is ten times slower for three numbers."""
    (ax, ay, az), (bx, by, bz) = a, b
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


class _Finger:
    """Turns a push into forces on its body, step by step.

    A drag pulls a body-fixed point after a min-jerk target `P + d (10 s^3 - 15 s^4 + 6 s^5)` with a
    spring and damper sized for the mass that the point feels; a held body is led by its centre of
    mass, its orientation kept by a rotational spring and damper, and its weight carried by the
    grasp.
    """

    def __init__(self, model: Any, data: Any, push: Push, mass: float) -> None:
        body = push.body
        self.own = float(model.body_mass[body])
        self.push, self.mass = push, min(mass, _MAX_LOAD * self.own)
        mass = self.mass
        com = data.xipos[body].copy()
        self.start = com if push.kind == "held" else np.array(push.point, float)
        quat = data.xquat[body].copy()
        self.local = rotate(quat * (1, -1, -1, -1), self.start - data.xpos[body])
        self.quat = quat
        self.steps = max(1, round(push.duration / model.opt.timestep))
        self.dt = model.opt.timestep
        rotation = data.ximat[body].reshape(3, 3)
        self.inertia = rotation @ np.diag(model.body_inertia[body]) @ rotation.T
        self.inertia *= mass / self.own
        share = self._felt_share(com)
        self.felt = mass * max(0.3, share)
        self.soft = self._softening(self.felt / (self.own * share))
        self.soft_turn = self._softening(mass / self.own)
        self.impulse = self._impulse(model, data)

    def _felt_share(self, com: np.ndarray) -> float:
        """Share of the mass that is felt at the point: off centre, the body gives way."""
        if self.push.kind != "drag":
            return 1.0
        along = self.push.displacement / max(np.linalg.norm(self.push.displacement), 1e-9)
        lever = _cross(self.start - com, along)
        turning = self.mass * lever @ np.linalg.solve(self.inertia, lever)
        return 1 / (1 + turning)

    def _softening(self, ratio: float) -> float:
        """Factor of a semi-implicit spring: stable even where the load does not follow the light
        body.

        Sized for the load, the explicit spring and damper would be `ratio` times too stiff for the
        body alone.
        """
        damping = 2 * _FINGER_ZETA * _DRAG_FREQUENCY * self.dt
        return 1 / (1 + ratio * (damping + (_DRAG_FREQUENCY * self.dt) ** 2))

    def _impulse(self, model: Any, data: Any) -> np.ndarray:
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
        velocity, spin = self._velocity(model, data, point)
        pull = _DRAG_FREQUENCY**2 * (self.start + place * self.push.displacement - point)
        pull += 2 * _FINGER_ZETA * _DRAG_FREQUENCY * (pace * self.push.displacement - velocity)
        pull *= min(1.0, _MAX_ACCELERATION / max(np.linalg.norm(pull), 1e-9))
        force = self.felt * self.soft * pull
        if self.push.kind == "held":
            force[2] += self.mass * 9.81
            applied[:3], applied[3:] = force, self._righting(data, spin)
        else:
            applied[:3], applied[3:] = force, _cross(point - com, force)

    def _velocity(self, model: Any, data: Any, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Velocity of the body-fixed point and the body's spin, world axes."""
        start = model.body_dofadr[self.push.body]
        linear = data.qvel[start : start + 3]  # a free joint: velocity of the body's origin
        spin = data.xmat[self.push.body].reshape(3, 3) @ data.qvel[start + 3 : start + 6]
        return linear + _cross(spin, point - data.xpos[self.push.body]), spin

    def _righting(self, data: Any, spin: np.ndarray) -> np.ndarray:
        """Torque that brings the body back to its first orientation."""
        aw, ax, ay, az = self.quat
        bw, bx, by, bz = data.xquat[self.push.body]
        axis = np.array(  # vector part of q0 * conj(q): half the small rotation still to make
            [
                -aw * bx + ax * bw - ay * bz + az * by,
                -aw * by + ax * bz + ay * bw - az * bx,
                -aw * bz - ax * by + ay * bx + az * bw,
            ]
        )
        if aw * bw + ax * bx + ay * by + az * bz < 0:
            axis = -axis
        pull = 2 * _DRAG_FREQUENCY**2 * axis - 2 * _FINGER_ZETA * _DRAG_FREQUENCY * spin
        return self.soft_turn * (self.inertia @ pull)
