"""Bring a recorded scene back to life from its record: the same poke gives the same bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from spelke.errors import InvalidInput
from spelke.worlds.finger import KINDS, Push, push_steps
from spelke.worlds.gl import load_mujoco
from spelke.worlds.physics import restore_state, roll
from spelke.worlds.scene import WorldScene


def revive(scene: WorldScene) -> tuple[Any, Any]:
    """The scene's model and data, in the state from which every poke was rolled.

    Surfaces are plain: textures are not part of the MJCF (make the scene's seed again for them).
        Exact with
    the MuJoCo version in `scene.versions`; others may differ in the last bits.
    """
    mujoco = load_mujoco()
    if not scene.mjcf or scene.state0.size == 0:
        raise InvalidInput("this scene record holds no MJCF and state, so it cannot be replayed")
    model = mujoco.MjModel.from_xml_string(scene.mjcf)
    data = mujoco.MjData(model)
    restore_state(model, data, scene.state0)
    return model, data


def recorded_push(scene: WorldScene, number: int) -> Push:
    """The push of a recorded poke."""
    pokes = scene.pokes
    return Push(
        kind=KINDS[int(pokes.kind[number])],
        body=int(pokes.body[number]),
        point=pokes.point[number],
        displacement=pokes.displacement[number],
        duration=float(pokes.duration[number]),
        follows=scene.moving,
    )


def replay(scene: WorldScene, number: int) -> np.ndarray:
    """Roll a recorded poke again: (N, 7) end poses, equal to `scene.pokes.end_pose[number]`."""
    model, data = revive(scene)
    push = recorded_push(scene, number)
    return roll(model, data, scene.state0, push, push_steps(model, push))[0]
