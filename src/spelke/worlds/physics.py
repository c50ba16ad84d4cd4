"""Settling, exact replay, and roll-outs with a finger and without, the no-poke twin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from spelke.worlds.finger import Finger, Push
from spelke.worlds.gl import load_mujoco, without_log
from spelke.worlds.model import direct_solref


@without_log()
def settle(model: Any, data: Any, seconds: float = 1.4, quiet: float = 0.01) -> float:
    """Let a scene come to rest with fully damped contacts, then give contacts their own damping
    back.

    Stops early once everything is slower than a tenth of `quiet`.

    Returns:
        The largest remaining speed of a body: m/s, or rad/s times 0.1 m; inf if the simulation
        became unstable.
    """
    mujoco = load_mujoco()
    own = model.geom_solref.copy()
    model.geom_solref[:] = direct_solref(1.0)
    chunk = 50
    speed = np.inf
    for _ in range(max(1, round(seconds / model.opt.timestep / chunk))):
        mujoco.mj_step(model, data, nstep=chunk)
        speed = np.inf if went_wrong(data) else _speed(model, data)
        if speed < 0.1 * quiet:
            break
    model.geom_solref[:] = own
    return speed


def _speed(model: Any, data: Any) -> float:
    if model.nv == 0:
        return 0.0
    weight = np.full(model.nv, 0.1)
    kinds = load_mujoco().mjtJoint
    free = model.jnt_dofadr[model.jnt_type == int(kinds.mjJNT_FREE)]
    weight[(free[:, None] + np.arange(3)).ravel()] = 1.0
    weight[model.jnt_dofadr[model.jnt_type == int(kinds.mjJNT_SLIDE)]] = 1.0
    return float(np.abs(weight * data.qvel).max())


def save_state(model: Any, data: Any) -> np.ndarray:
    """MuJoCo's INTEGRATION state, float64: restoring it and rolling again is bit-exact."""
    mujoco = load_mujoco()
    kind = mujoco.mjtState.mjSTATE_INTEGRATION
    state = np.empty(mujoco.mj_stateSize(model, kind))
    mujoco.mj_getState(model, data, state, kind)
    return state


def restore_state(model: Any, data: Any, state: np.ndarray) -> None:
    """Put a saved state back, with everything derived from it; what went wrong is forgotten."""
    mujoco = load_mujoco()
    for kind in _wrong_kinds():
        data.warning[kind].number = 0
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
    """(N,): mass of each body and of all that rests, hangs or is fixed on it, directly or not."""
    reach = support(model, data)
    parent, root = model.body_parentid, model.body_weldid
    reach[parent[1:], np.arange(1, model.nbody)] = True
    reach |= (root == root[:, None]) & (root != 0)
    reach[0] = False
    for _ in range(4):
        reach |= (reach.astype(np.uint8) @ reach.astype(np.uint8)) > 0
    np.fill_diagonal(reach, True)
    return reach @ model.body_mass


@without_log()
def roll(
    model: Any,
    data: Any,
    state: np.ndarray,
    push: Push | None,
    steps: int,
    record: Sequence[int] = (),
    mass: np.ndarray | None = None,
    watch: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Roll `steps` steps from a saved state, poked or (push None) not.

    Args:
        push: what the finger does; None, or one of kind "none", for the no-poke twin.
        record: step counts at which poses are wanted; by default the last one only.
        mass: (N,) carried masses at the saved state (`carried_mass`), computed if not given.
        watch: called after each step with its number, from 0, when `data` holds its contacts.

    Returns:
        (len(record) or 1, N, 7) poses; NaN if the simulation became unstable.
    """
    mujoco = load_mujoco()
    if push is not None and push.kind == "none":
        push = None
    course, spoiled = None, False
    if push is not None and push.follows:
        course = _course(model, data, state, push.body, steps)
        spoiled = went_wrong(data)
    restore_state(model, data, state)
    finger = None
    if push is not None:
        mass = carried_mass(model, data) if mass is None else mass
        finger = Finger(model, data, push, float(mass[push.body]), course)
    wanted = sorted(record) if len(record) else [steps]
    found, done = {}, 0
    if finger is None and watch is None:
        for stop in wanted:
            mujoco.mj_step(model, data, nstep=stop - done)
            done = stop
            found[stop] = _fresh_poses(model, data)
    else:
        for step in range(steps):
            if finger is not None:
                finger.press(model, data, step)
            mujoco.mj_step(model, data)
            if watch is not None:
                watch(step)
            if step + 1 in wanted:
                found[step + 1] = _fresh_poses(model, data)
        data.xfrc_applied[:] = 0
    answer = np.stack([found[stop] for stop in (record if len(record) else [steps])])
    return np.full_like(answer, np.nan) if spoiled or went_wrong(data) else answer


def _course(model: Any, data: Any, state: np.ndarray, body: int, steps: int) -> np.ndarray:
    """(steps + 1, 13): position, quaternion, velocity and spin of a free body left alone."""
    restore_state(model, data, state)
    joint = model.body_jntadr[body]
    place, pace = model.jnt_qposadr[joint], model.jnt_dofadr[joint]
    course = np.empty((steps + 1, 13))
    for step in range(steps + 1):
        course[step, :7] = data.qpos[place : place + 7]
        course[step, 7:] = data.qvel[pace : pace + 6]
        load_mujoco().mj_step(model, data)
    return course


def went_wrong(data: Any) -> bool:
    """Whether MuJoCo met a bad number since a state was last restored; it starts over when it does.

    Starting over sets its count to one, so that a count alone does not tell a first time from a
    second.
    """
    return any(data.warning[kind].number for kind in _wrong_kinds())


def _wrong_kinds() -> tuple[Any, ...]:
    kinds = load_mujoco().mjtWarning
    return (kinds.mjWARN_BADQPOS, kinds.mjWARN_BADQVEL, kinds.mjWARN_BADQACC)


def _fresh_poses(model: Any, data: Any) -> np.ndarray:
    """Poses of the present qpos (mj_step leaves those of the step before)."""
    load_mujoco().mj_kinematics(model, data)
    return poses(data)
