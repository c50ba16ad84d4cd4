"""Spelke groups by simulation: what moves along when a thing is gently dragged.

For movable bodies i, j and drags q of i, each rolled beside the no-poke twin:

    T_i = rigid motion of i,   D_i = displacement of the dragged point
    D_j = displacement of j's centre of mass
    a_ij = mean over q of  [|D_j| > 0.25 |D_i|] * max(0, 1 - |x_j' - T_i x_j| / |D_i|)
    G(i) = {j : a_ij >= 0.5}

The relation is directed: a base carries its load, the load does not carry the base. The finger is
    as strong
as the body and everything that rests on it needs. A body that moves less than a centimetre in most
of its
drags is immovable: its group is empty.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from spelke.errors import InvalidInput
from spelke.worlds.finger import Push, gentle_duration, push_steps
from spelke.worlds.flow import rotation_matrices
from spelke.worlds.linkage import handle, is_linked, way_of_joint
from spelke.worlds.physics import carried_mass, poses, restore_state, roll
from spelke.worlds.scene import WorldScene

DRAG = 0.12
"""Metres of a labelling drag."""
JOINED = 0.5
"""Carry score from which j belongs to the group of i."""
AMBIGUOUS = (0.2, 0.8)
"""Between these scores people may disagree: such bodies go to the ignore mask."""
_LEAST_MOTION = 0.01


def carry_scores(
    model: Any,
    data: Any,
    state: np.ndarray,
    movable: np.ndarray,
    directions: int = 8,
    moving: bool = False,
) -> np.ndarray:
    """Measure who carries whom.

    Args:
        model, data: MuJoCo's.
        state: the settled state, from `physics.save_state`.
        movable: (N,) bool.
        directions: drags of each body, evenly spread over the circle; of a body on a hinge or
            slide, which leaves it one way to go, drags of several lengths that way.
        moving: whether things move by themselves; the finger then follows them.

    Returns:
        (N, N) float32, a_ij; the diagonal is 1 for bodies that moved. Rows of immovable bodies are
        0; NaN, not measured, where a roll-out became unstable.
    """
    if directions < 1:
        raise InvalidInput(f"directions must be at least 1, got {directions}")
    restore_state(model, data, state)
    mass = carried_mass(model, data)
    first, lows = poses(data), _lowest(model, data)
    scores = np.zeros((model.nbody, model.nbody), np.float32)
    friction = max(0.1, float(model.geom_friction[:, 0].min()))
    for body in np.flatnonzero(movable):
        restore_state(model, data, state)
        if is_linked(model, int(body)):
            kind, point = "drag", handle(model, data, int(body))
        else:  # pulled low, a tall thing slides instead of toppling
            kind, point = "held", data.xipos[body] * (1, 1, 0.5) + (0, 0, 0.5 * lows[body])
        duration = gentle_duration(DRAG, friction)
        pushes = [
            Push(kind, int(body), point, way, duration, follows=moving)
            for way in _drags(model, data, int(body), point, directions)
        ]
        steps = push_steps(model, pushes[0])
        twin = roll(model, data, state, None, steps)[0]
        ends = [roll(model, data, state, push, steps, mass=mass)[0] for push in pushes]
        local = rotation_matrices(first[body, 3:]).T @ (point - first[body, :3])
        scores[body] = _carried_by(model, int(body), local, np.stack(ends), twin, movable)
    return scores


def _drags(
    model: Any, data: Any, body: int, point: np.ndarray, directions: int
) -> list[np.ndarray]:
    """Displacements (3,) of the drags of a body at a point, metres."""
    way = way_of_joint(model, data, body, point)
    if way is not None:
        along, room = way.widest()
        longest = min(DRAG, 0.9 * room)
        return [share * longest * along for share in np.linspace(0.5, 1.0, directions)]
    turns = 2 * np.pi * np.arange(directions) / directions
    return [DRAG * np.array([np.cos(turn), np.sin(turn), 0]) for turn in turns]


def _lowest(model: Any, data: Any) -> np.ndarray:
    """(N,) a lower bound of the height of each body's lowest point, never above its centre."""
    low = data.xipos[:, 2].copy()
    for geom in range(model.ngeom):
        body = model.geom_bodyid[geom]
        half = np.abs(data.geom_xmat[geom].reshape(3, 3)[2]) @ model.geom_aabb[geom, 3:]
        low[body] = min(low[body], max(0.0, data.geom_xpos[geom, 2] - half))
    return low


def _carried_by(
    model: Any,
    body: int,
    local: np.ndarray,
    ends: np.ndarray,
    twin: np.ndarray,
    movable: np.ndarray,
) -> np.ndarray:
    """Row of the carry matrix for one dragged body.

    Args:
        local: (3,) the dragged point in the body's frame. ends: (Q, N, 7). twin: (N, 7).
    """
    before = _centres(model, twin)
    after = _centres(model, ends)
    moved = after - before
    length = np.linalg.norm(moved, axis=-1)
    turned = rotation_matrices(ends[:, body, 3:])
    went_from = rotation_matrices(twin[body, 3:]) @ local + twin[body, :3]
    own = np.linalg.norm(turned @ local + ends[:, body, :3] - went_from, axis=-1)
    if not np.isfinite(own).all():
        return np.full(len(twin), np.nan, np.float32)
    went = own >= _LEAST_MOTION
    if 2 * went.sum() < len(ends):
        return np.zeros(len(twin), np.float32)
    turn = turned @ rotation_matrices(twin[body, 3:]).T
    rigid = np.einsum("qij,nj->qni", turn, before - twin[body, :3]) + ends[:, body, None, :3]
    error = np.linalg.norm(after - rigid, axis=-1)
    scale = np.maximum(own, _LEAST_MOTION)[:, None]
    share = (length > 0.25 * scale) * np.clip(1 - error / scale, 0, None)
    row = share[went].mean(0) * movable
    row[body] = 1.0
    return row.astype(np.float32)


def _centres(model: Any, body_poses: np.ndarray) -> np.ndarray:
    """Centres of mass (..., N, 3) of bodies in given poses."""
    rotation = rotation_matrices(body_poses[..., 3:])
    return body_poses[..., :3] + np.einsum("...nij,nj->...ni", rotation, model.body_ipos)


def group_masks(ids: np.ndarray, carry: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Visible pixels of each body's group, and of the bodies whose membership is ambiguous.

    Args:
        ids: (H, W) body indices. carry: (N, N) scores.

    Returns:
        group_masks, ignore_masks: (N, H, W) bool. Row 0 (the static world) and immovable bodies are
            empty. Of a body that could not be measured (its scores are NaN) every pixel is ignored:
            nothing is known about what it moves.
    """
    table = np.zeros((len(carry), 256), bool)
    unsure = table.copy()
    table[:, : len(carry)] = carry >= JOINED
    unsure[:, : len(carry)] = (carry > AMBIGUOUS[0]) & (carry < AMBIGUOUS[1])
    unsure[np.isnan(carry).any(1)] = True
    return table[:, ids], unsure[:, ids]


def label_groups(scene: WorldScene, model: Any, data: Any, directions: int = 8) -> WorldScene:
    """The scene with `carry`, `group_masks` and `ignore_masks`."""
    carry = carry_scores(model, data, scene.state0, scene.body_movable, directions, scene.moving)
    masks, unsure = group_masks(scene.ids, carry)
    return dataclasses.replace(scene, carry=carry, group_masks=masks, ignore_masks=unsure)
