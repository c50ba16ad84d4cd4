"""Pokes of a settled scene: where, how, what they did, and what it looks like afterwards."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from spelke.geometry.camera import vector_from_rotation
from spelke.worlds.finger import KINDS, Push, gentle_duration, push_steps
from spelke.worlds.flow import flow_at, move_pixels, pixel_grid, visibility
from spelke.worlds.gl import load_mujoco
from spelke.worlds.linkage import is_linked, way_of_joint
from spelke.worlds.physics import carried_mass, restore_state, roll
from spelke.worlds.render import Camera, Draws
from spelke.worlds.scene import Pokes, WorldScene
from spelke.worlds.shapes import Thing

_KIND_SHARES = {"held": 0.55, "drag": 0.30, "flick": 0.15}
_MOVING_TIME = 0.4
"""Longest push in a scene that moves by itself, seconds: later, chance has the upper hand."""


class Rejected(Exception):
    """This attempt is no good; the message says why."""


@dataclass
class Stage:
    """A scene ready to be rendered and poked.

    Attributes:
        moving: whether things move by themselves. idle: share of pokes that do nothing, so that
            only the camera moves.
    """

    model: Any
    data: Any
    renderer: Draws
    things: Sequence[Thing]
    state0: np.ndarray
    size: int
    num_pokes: int
    after_frames: bool
    moving: bool = False
    idle: float = 0.0

    @property
    def movable(self) -> np.ndarray:
        """Indices of the bodies that can move."""
        return np.array([i for i, t in enumerate(self.things, start=1) if t.movable])


def no_pokes(bodies: int) -> Pokes:
    """The pokes of a scene that has not been poked."""
    return Pokes(
        pixel=np.zeros((0, 2), np.int16),
        body=np.zeros(0, np.int16),
        kind=np.zeros(0, np.uint8),
        point=np.zeros((0, 3)),
        displacement=np.zeros((0, 3)),
        duration=np.zeros(0),
        end_pose=np.zeros((0, bodies, 7)),
        twin_pose=np.zeros((0, bodies, 7)),
        R=np.zeros((0, 3, 3)),
        p=np.zeros((0, 3)),
        camera=np.zeros((0, 6), np.float32),
        flow_at_pixel=np.zeros((0, 2), np.float32),
    )


def poke_scene(
    stage: Stage, rng: np.random.Generator, scene: WorldScene, cameras: list[Camera]
) -> Pokes:
    """Roll every poke and its twin from the same state, and project what they did."""
    places = {
        int(body): pixels
        for body in stage.movable
        if len(pixels := inner_pixels(scene.ids == body)) > 0
    }
    if not places:
        raise Rejected("no thing has an inner pixel to poke")
    order = rng.permutation(sorted(places))
    mass = carried_mass(stage.model, stage.data)
    pixels, pushes = [], []
    for number in range(stage.num_pokes):
        body = int(order[number % len(order)])
        x, y = places[body][rng.integers(len(places[body]))]
        pixels.append((x, y))
        pushes.append(_draw_push(rng, stage, scene, body, int(x), int(y)))
    steps = [push_steps(stage.model, push) for push in pushes]
    stops = sorted(set(steps))
    twin = roll(stage.model, stage.data, stage.state0, None, stops[-1], record=stops)
    end, places_after = [], []
    for push, count in zip(pushes, steps, strict=True):
        end.append(roll(stage.model, stage.data, stage.state0, push, count, mass=mass)[0])
        places_after.append(stage.data.qpos.copy())
    if not np.isfinite(end).all():
        raise Rejected("a roll-out became unstable")
    pokes = Pokes(
        pixel=np.array(pixels, np.int16),
        body=np.array([push.body for push in pushes], np.int16),
        kind=np.array([KINDS.index(push.kind) for push in pushes], np.uint8),
        point=np.array([push.point for push in pushes]),
        displacement=np.array([push.displacement for push in pushes]),
        duration=np.array([push.duration for push in pushes]),
        end_pose=np.stack(end),
        twin_pose=np.stack([twin[stops.index(count)] for count in steps]),
        R=np.stack([camera.R for camera in cameras]),
        p=np.stack([camera.p for camera in cameras]),
        camera=np.stack([camera_motion(scene, camera) for camera in cameras]),
        flow_at_pixel=np.zeros((len(pushes), 2), np.float32),
    )
    pokes = dataclasses.replace(pokes, flow_at_pixel=flow_at_pixels(scene, pokes))
    if stage.after_frames:
        pokes = _after_frames(stage, scene, pokes, places_after, cameras)
    return pokes


def camera_motion(scene: WorldScene, camera: Camera) -> np.ndarray:
    """Rotation vector in degrees and translation in metres, in the first camera's frame, (6,)."""
    if np.array_equal(camera.R, scene.R) and np.array_equal(camera.p, scene.p):
        return np.zeros(6, np.float32)
    turn = vector_from_rotation(scene.R.T @ camera.R)
    shift = scene.R.T @ (camera.p - scene.p)
    return np.concatenate([np.degrees(turn), shift]).astype(np.float32)


def inner_pixels(mask: np.ndarray) -> np.ndarray:
    """(n, 2) pixels (x, y) of a mask, two from its edge at least; (0, 2) if it is thin."""
    padded = np.pad(mask.astype(np.uint8), 1)
    inner = cv2.erode(padded, np.ones((5, 5), np.uint8))[1:-1, 1:-1]
    if mask.sum() < 40:
        inner = np.zeros_like(inner)
    return np.argwhere(inner)[:, ::-1]


def _draw_push(
    rng: np.random.Generator, stage: Stage, scene: WorldScene, body: int, x: int, y: int
) -> Push:
    """A push whose image motion would be 1 to 12 % of the image side, if nothing is in the way."""
    point = scene.point_at(x, y)
    if rng.random() < stage.idle:
        return Push("none", body, point, np.zeros(3), 0.2)
    kind = str(rng.choice(list(_KIND_SHARES), p=list(_KIND_SHARES.values())))
    way = None
    if is_linked(stage.model, body):
        kind = "drag"
        restore_state(stage.model, stage.data, stage.state0)
        way = way_of_joint(stage.model, stage.data, body, point)
    turn = rng.uniform(0, 2 * np.pi)
    lifted = rng.random() < {"held": 0.3, "drag": 0.12, "flick": 0.0}[kind]
    rise = rng.uniform(0.2, 1.3) if lifted else 0.0
    along = np.array([np.cos(turn) * np.cos(rise), np.sin(turn) * np.cos(rise), np.sin(rise)])
    room = 0.4
    if way is not None and rng.random() < 0.85:
        along, room = way.widest()
    wanted = np.exp(rng.uniform(np.log(0.012), np.log(0.13))) * stage.size
    depth = float(scene.depth[y, x])
    step = 0.01 * depth
    ahead = _project(scene, point + step * along) - _project(scene, point)
    rate = max(float(np.linalg.norm(ahead)) / step, 0.35 * scene.K[0, 0] / depth)
    if kind == "flick":
        wanted *= 0.4  # what is flicked may also roll
    distance = min(float(np.clip(wanted / rate, 0.004, 0.4)), max(0.9 * room, 0.004))
    geom = stage.model.body_geomadr[body]
    friction = float(stage.model.geom_friction[geom, 0])
    duration = gentle_duration(distance, friction)
    if kind == "flick":
        duration = float(np.clip(np.sqrt(2 * distance / (9.81 * friction)) + 0.05, 0.15, 0.6))
    if stage.moving:
        duration = min(duration, _MOVING_TIME)
    return Push(kind, body, point, distance * along, duration, follows=stage.moving)


def _project(scene: WorldScene, point: np.ndarray) -> np.ndarray:
    x, y, z = scene.R.T @ (point - scene.p)
    return np.array([scene.K[0, 0] * x / -z, -scene.K[1, 1] * y / -z])


def flow_at_pixels(scene: WorldScene, pokes: Pokes) -> np.ndarray:
    """(K, 2) realised image motion of each poked pixel under its own poke."""
    x, y = pokes.pixel[:, 0].astype(int), pokes.pixel[:, 1].astype(int)
    with_pokes = dataclasses.replace(scene, pokes=pokes)
    pos, quat = with_pokes.response_poses()
    flow = flow_at(
        x,
        y,
        scene.ids[y, x],
        scene.depth[y, x],
        scene.K,
        scene.R,
        scene.p,
        scene.body_pos,
        scene.body_quat,
        pos,
        quat,
        pokes.R,
        pokes.p,
    )
    own = np.arange(len(pokes))
    return flow[own, :, own]


def _after_frames(
    stage: Stage,
    scene: WorldScene,
    pokes: Pokes,
    places: list[np.ndarray],
    cameras: list[Camera],
) -> Pokes:
    """Render what each poke led to, and mark which points of the first frame are still seen.

    Args:
        places: MuJoCo's `qpos` after each poke.
    """
    size = stage.size
    frames: dict[str, list[np.ndarray]] = {"rgb": [], "ids": [], "depth": [], "visible": []}
    u, v = pixel_grid(size, size)
    for number, (place, camera) in enumerate(zip(places, cameras, strict=True)):
        stage.data.qpos[:] = place
        load_mujoco().mj_forward(stage.model, stage.data)
        ids1, depth1 = stage.renderer.ids_and_depth(stage.data, camera, size)
        frames["rgb"].append(stage.renderer.colour(stage.data, camera, size))
        end = pokes.end_pose[number]
        flow, after = move_pixels(
            u,
            v,
            scene.ids,
            scene.depth,
            scene.K,
            scene.R,
            scene.p,
            scene.body_pos,
            scene.body_quat,
            end[None, :, :3],
            end[None, :, 3:],
            camera.R,
            camera.p,
        )
        frames["visible"].append(visibility(flow[0], after[0], scene.ids, ids1, depth1))
        frames["ids"].append(ids1)
        frames["depth"].append(depth1)
    return dataclasses.replace(pokes, **{name: np.stack(item) for name, item in frames.items()})
