"""What hits what while a poke takes its course: found by rolling a recorded poke again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spelke.worlds.finger import Push, push_steps
from spelke.worlds.gl import load_mujoco
from spelke.worlds.physics import roll
from spelke.worlds.replay import recorded_push, revive
from spelke.worlds.scene import WorldScene

APART = 5
"""Steps for which two bodies must not have touched, so that their next touch is a new event."""


@dataclass(frozen=True, slots=True, eq=False)
class Collisions:
    """E events in the order of time. What touches from the start on is none, nor is resting on.

    Attributes:
        step: (E,) int64, steps after the poke began. time: (E,) float64, the same in seconds.
        pair: (E, 2) int64, the bodies, 0 the static world.
        point: (E, 3) float64, where they first touch, world metres.
        normal: (E, 3) float64, unit, from the first body to the second.
        speed: (E,) float64, m/s, how fast they approach along the normal as they touch.
        impulse: (E,) float64, N s, the normal force summed up until they part or the poke ends.
    """

    step: np.ndarray
    time: np.ndarray
    pair: np.ndarray
    point: np.ndarray
    normal: np.ndarray
    speed: np.ndarray
    impulse: np.ndarray

    def __len__(self) -> int:
        return len(self.step)


def collisions(scene: WorldScene, number: int) -> Collisions:
    """The collisions of a recorded poke's roll-out.

    Raises:
        InvalidInput: the record holds no physics, as of flat cut-outs.
    """
    model, data = revive(scene)
    push = recorded_push(scene, number)
    return watch_collisions(model, data, scene.state0, push, push_steps(model, push))


def watch_collisions(
    model: Any, data: Any, state: np.ndarray, push: Push | None, steps: int
) -> Collisions:
    """The collisions of a roll-out; arguments as of `physics.roll`."""
    events: list[dict[str, Any]] = []
    touched: dict[tuple[int, int], tuple[int, int]] = {}  # pair -> (last step, index of the event)

    def watch(step: int) -> None:
        for pair, contact in _contacts(model, data).items():
            last, event = touched.get(pair, (-APART - 1 if step else 0, -1))
            if step - last > APART:
                event = len(events)
                events.append({**contact, "pair": pair, "step": step, "impulse": 0.0})
            if event >= 0:
                events[event]["impulse"] += contact["force"] * model.opt.timestep
            touched[pair] = (step, event)

    roll(model, data, state, push, steps, watch=watch)
    return Collisions(
        step=np.array([event["step"] for event in events], np.int64),
        time=np.array([event["step"] for event in events], np.float64) * model.opt.timestep,
        pair=np.array([event["pair"] for event in events], np.int64).reshape(-1, 2),
        point=np.array([event["point"] for event in events], np.float64).reshape(-1, 3),
        normal=np.array([event["normal"] for event in events], np.float64).reshape(-1, 3),
        speed=np.array([event["speed"] for event in events], np.float64),
        impulse=np.array([event["impulse"] for event in events], np.float64),
    )


def _contacts(model: Any, data: Any) -> dict[tuple[int, int], dict[str, Any]]:
    """The contacts of this step, summed over each pair of bodies; place and normal of the first."""
    mujoco, found = load_mujoco(), {}
    force = np.zeros(6)
    for index in range(data.ncon):
        contact = data.contact[index]
        first, second = (int(model.geom_bodyid[geom]) for geom in contact.geom)
        normal = contact.frame[:3].copy()
        if first > second:
            first, second, normal = second, first, -normal
        mujoco.mj_contactForce(model, data, index, force)
        if (first, second) not in found:
            away = _velocity(model, data, second, contact.pos) - _velocity(
                model, data, first, contact.pos
            )
            found[first, second] = {
                "point": contact.pos.copy(),
                "normal": normal,
                "speed": float(-away @ normal),
                "force": 0.0,
            }
        found[first, second]["force"] += float(force[0])
    return found


def _velocity(model: Any, data: Any, body: int, point: np.ndarray) -> np.ndarray:
    """Velocity of a body's material at a world point, m/s."""
    both, kind = np.zeros(6), load_mujoco().mjtObj.mjOBJ_XBODY
    load_mujoco().mj_objectVelocity(model, data, kind, body, both, 0)
    return both[3:] + np.cross(both[:3], point - data.xpos[body])
