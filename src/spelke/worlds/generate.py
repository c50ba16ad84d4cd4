"""A seed becomes a scene: lay out, settle, dress, frame, render, poke.

Physics, appearance, camera and pokes draw from streams of their own, so that changing one leaves the
others as they were. A scene that turns out bad (nothing to see, too dark, still moving) is drawn again
from the same seed's next attempt.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from spelke.errors import InvalidInput, SpelkeError
from spelke.worlds.appearance import Look, draw_look
from spelke.worlds.camera import draw_shake, draw_view, frame
from spelke.worlds.flow import flow_at, move_pixels, pixel_grid, visibility
from spelke.worlds.gl import load_mujoco
from spelke.worlds.layout import FAMILIES, draw_layout
from spelke.worlds.model import compile_model, write_mjcf
from spelke.worlds.physics import (
    KINDS,
    Push,
    carried_mass,
    gentle_duration,
    poses,
    push_steps,
    restore_state,
    roll,
    save_state,
    settle,
    support,
)
from spelke.worlds.render import SKY, Camera, Renderer
from spelke.worlds.scene import Pokes, WorldScene
from spelke.worlds.shapes import Thing

SPLITS = ("train", "test")
_ATTEMPTS = 40
_KIND_SHARES = {"held": 0.55, "drag": 0.30, "flick": 0.15}


@dataclass(frozen=True, slots=True)
class SceneOptions:
    """How scenes are made.

    Attributes:
        families: drawn from uniformly. split: "train" or "test".
        size: side of the image, pixels. pokes: roll-outs for each scene.
        after_frames: render each after-frame (colour, ids, depth, visibility).
        groups: label Spelke groups by simulation, with this many drag directions; 0 for none.
        camera_moves: share of scenes whose after-frames have a slightly moved camera.
    """

    families: tuple[str, ...] = FAMILIES
    split: str = "train"
    size: int = 256
    pokes: int = 8
    after_frames: bool = True
    groups: int = 0
    camera_moves: float = 0.12

    def __post_init__(self) -> None:
        unknown = sorted(set(self.families) - set(FAMILIES))
        if unknown or not self.families:
            raise InvalidInput(
                f"unknown families {unknown or 'none given'}; choose from {', '.join(FAMILIES)}"
            )
        if self.split not in SPLITS:
            raise InvalidInput(f"split must be 'train' or 'test', got {self.split!r}")
        if not 32 <= self.size <= 1024:
            raise InvalidInput(f"size must lie in 32..1024 pixels, got {self.size}")
        if self.pokes < 1 or self.groups < 0:
            raise InvalidInput("pokes must be at least 1 and groups (directions) at least 0")


class _Rejected(Exception):
    """This attempt is no good; the message says why."""


def make_scene(seed: int, options: SceneOptions | None = None) -> WorldScene:
    """Make the scene of a seed.

    Args:
        seed: non-negative; the scenes of the two splits differ for equal seeds.
        options: how to make it.

    Returns:
        The record; equal seeds and options give equal bytes, in any process.

    Raises:
        MissingExtra, Unavailable: MuJoCo or its graphics are missing.
        SpelkeError: no attempt gave an acceptable scene (never seen in practice).
    """
    options = options or SceneOptions()
    if seed < 0:
        raise InvalidInput(f"seed must not be negative, got {seed}")
    reasons = []
    for attempt in range(_ATTEMPTS):
        try:
            return _attempt(seed, attempt, options)
        except _Rejected as reason:
            reasons.append(str(reason))
    raise SpelkeError(f"seed {seed} gave no usable scene in {_ATTEMPTS} attempts: {set(reasons)}")


def _attempt(seed: int, attempt: int, options: SceneOptions) -> WorldScene:
    entropy = [SPLITS.index(options.split), seed, attempt]
    physics, appearance, camera_rng, poke_rng = (
        np.random.default_rng(child) for child in np.random.SeedSequence(entropy).spawn(4)
    )
    family = options.families[physics.integers(len(options.families))]
    things = draw_layout(physics, family, options.split)
    view = draw_view(camera_rng)
    look = draw_look(appearance, things, options.split, view.away)
    model, data, mjcf = _settled(things, look, options.size)
    state0 = save_state(model, data)
    with Renderer(model) as renderer:
        stage = _Stage(model, data, renderer, things, state0, options)
        camera = _frame(stage, camera_rng, view)
        scene = _picture(stage, camera)
        moves = bool(camera_rng.random() < options.camera_moves)
        cameras = [
            draw_shake(camera_rng, camera) if moves else camera for _ in range(options.pokes)
        ]
        pokes = _poke(stage, poke_rng, scene, cameras)
        scene = dataclasses.replace(
            scene,
            pokes=pokes,
            family=family,
            seed=seed,
            attempt=attempt,
            camera_moves=moves,
            notes=look.notes,
            mjcf=mjcf,
        )
    if options.groups:
        from spelke.worlds.groups import label_groups

        scene = label_groups(scene, model, data, directions=options.groups)
    return scene


@dataclass
class _Stage:
    """A settled scene ready to be rendered and poked."""

    model: Any
    data: Any
    renderer: Renderer
    things: Sequence[Thing]
    state0: np.ndarray
    options: SceneOptions

    @property
    def movable(self) -> np.ndarray:
        return np.array([i for i, t in enumerate(self.things, start=1) if t.movable])


def _settled(things: list[Thing], look: Look, size: int) -> tuple[Any, Any, str]:
    mjcf = write_mjcf(things, look, size)
    try:
        model = compile_model(mjcf, look.pixels)
    except ValueError as error:  # a degenerate hull
        raise _Rejected(f"the model does not compile: {error}") from error
    data = load_mujoco().MjData(model)
    if settle(model, data) > 0.01:
        raise _Rejected("still moving after settling")
    return model, data, mjcf


def _frame(stage: _Stage, rng: np.random.Generator, view) -> Camera:
    restore_state(stage.model, stage.data, stage.state0)
    positions = stage.data.xipos
    on_table = [
        body
        for body in stage.movable
        if positions[body, 2] > -0.05 and np.linalg.norm(positions[body]) < 1.5
    ]
    if len(on_table) < max(1, 0.6 * len(stage.movable)):
        raise _Rejected("most things fell off the table")
    radius = [
        float(np.ptp(stage.things[body - 1].outline(), axis=0).max()) / 2 for body in on_table
    ]
    return frame(
        rng, stage.renderer, stage.data, view, np.array(on_table), np.array(radius)
    )


def _picture(stage: _Stage, camera: Camera) -> WorldScene:
    """Render the first frame and refuse it if there is little to see."""
    size = stage.options.size
    restore_state(stage.model, stage.data, stage.state0)
    ids, depth = stage.renderer.ids_and_depth(stage.data, camera, size)
    counts = np.bincount(ids.ravel(), minlength=SKY + 1)
    enough = counts[stage.movable] >= 0.0037 * size * size
    if enough.sum() < min(2, len(stage.movable)):
        raise _Rejected("too few things in view")
    if counts[stage.movable].max() > 0.55 * size * size:
        raise _Rejected("one thing fills the view")
    rgb = stage.renderer.colour(stage.data, camera, size)
    luminance = rgb.mean() / 255
    if not 0.15 <= luminance <= 0.85 or np.mean(rgb.max(-1) >= 254) > 0.4:
        raise _Rejected(f"badly exposed (mean {luminance:.2f})")
    first = poses(stage.data)
    names = ["world", *(thing.label for thing in stage.things)]
    return WorldScene(
        rgb=rgb,
        ids=ids,
        depth=depth,
        K=camera.intrinsics(size, size),
        R=camera.R,
        p=camera.p,
        body_pos=first[:, :3],
        body_quat=first[:, 3:],
        body_mass=stage.model.body_mass.copy(),
        body_movable=np.array([False, *(thing.movable for thing in stage.things)]),
        body_shape=tuple(names),
        body_family=("world", *(thing.family for thing in stage.things)),
        body_notes=("", *(",".join(thing.notes) for thing in stage.things)),
        support=support(stage.model, stage.data),
        pokes=_no_pokes(len(names)),
        family="",
        split=stage.options.split,
        seed=0,
        attempt=0,
        camera_moves=False,
        versions={"mujoco": load_mujoco().__version__, "numpy": np.__version__},
        state0=stage.state0,
    )


def _no_pokes(bodies: int) -> Pokes:
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
        flow_at_pixel=np.zeros((0, 2), np.float32),
    )


# -- pokes -----------------------------------------------------------------------------------------


def _poke(
    stage: _Stage, rng: np.random.Generator, scene: WorldScene, cameras: list[Camera]
) -> Pokes:
    """Roll every poke and its twin from the same state, and project what they did."""
    places = {
        int(body): pixels
        for body in stage.movable
        if len(pixels := _inner_pixels(scene.ids == body)) > 0
    }
    if not places:
        raise _Rejected("no thing has an inner pixel to poke")
    order = rng.permutation(sorted(places))
    mass = carried_mass(stage.model, stage.data)
    pixels, pushes = [], []
    for number in range(stage.options.pokes):
        body = int(order[number % len(order)])
        x, y = places[body][rng.integers(len(places[body]))]
        pixels.append((x, y))
        pushes.append(_draw_push(rng, stage, scene, body, int(x), int(y)))
    steps = [push_steps(stage.model, push) for push in pushes]
    stops = sorted(set(steps))
    twin = roll(stage.model, stage.data, stage.state0, None, stops[-1], record=stops)
    end = [
        roll(stage.model, stage.data, stage.state0, push, count, mass=mass)[0]
        for push, count in zip(pushes, steps, strict=True)
    ]
    if not np.isfinite(end).all():
        raise _Rejected("a roll-out became unstable")
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
        flow_at_pixel=np.zeros((len(pushes), 2), np.float32),
    )
    pokes = dataclasses.replace(pokes, flow_at_pixel=_flow_at_pixels(scene, pokes))
    if stage.options.after_frames:
        pokes = _after_frames(stage, scene, pokes, pushes, steps, cameras, mass)
    return pokes


def _inner_pixels(mask: np.ndarray) -> np.ndarray:
    """(n, 2) pixels (x, y) of a mask at least two pixels from its edge; (0, 2) if it is too thin."""
    padded = np.pad(mask.astype(np.uint8), 1)
    inner = cv2.erode(padded, np.ones((5, 5), np.uint8))[1:-1, 1:-1]
    if mask.sum() < 40:
        inner = np.zeros_like(inner)
    return np.argwhere(inner)[:, ::-1]


def _draw_push(
    rng: np.random.Generator, stage: _Stage, scene: WorldScene, body: int, x: int, y: int
) -> Push:
    """A push whose image motion would be 1 to 12 % of the image side, if nothing is in the way."""
    kind = str(rng.choice(list(_KIND_SHARES), p=list(_KIND_SHARES.values())))
    point = scene.point_at(x, y)
    turn = rng.uniform(0, 2 * np.pi)
    lifted = rng.random() < {"held": 0.3, "drag": 0.12, "flick": 0.0}[kind]
    rise = rng.uniform(0.2, 1.3) if lifted else 0.0
    along = np.array([np.cos(turn) * np.cos(rise), np.sin(turn) * np.cos(rise), np.sin(rise)])
    wanted = np.exp(rng.uniform(np.log(0.012), np.log(0.13))) * stage.options.size
    depth = float(scene.depth[y, x])
    step = 0.01 * depth
    ahead = _project(scene, point + step * along) - _project(scene, point)
    rate = max(float(np.linalg.norm(ahead)) / step, 0.35 * scene.K[0, 0] / depth)
    if kind == "flick":
        wanted *= 0.4  # what is flicked may also roll
    distance = float(np.clip(wanted / rate, 0.004, 0.4))
    geom = stage.model.body_geomadr[body]
    friction = float(stage.model.geom_friction[geom, 0])
    duration = gentle_duration(distance, friction)
    if kind == "flick":
        duration = float(np.clip(np.sqrt(2 * distance / (9.81 * friction)) + 0.05, 0.15, 0.6))
    return Push(kind, body, point, distance * along, duration)


def _project(scene: WorldScene, point: np.ndarray) -> np.ndarray:
    x, y, z = scene.R.T @ (point - scene.p)
    return np.array([scene.K[0, 0] * x / -z, -scene.K[1, 1] * y / -z])


def _flow_at_pixels(scene: WorldScene, pokes: Pokes) -> np.ndarray:
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
    stage: _Stage,
    scene: WorldScene,
    pokes: Pokes,
    pushes: list[Push],
    steps: list[int],
    cameras: list[Camera],
    mass: np.ndarray,
) -> Pokes:
    """Render what each poke led to, and mark which points of the first frame are still seen."""
    size = stage.options.size
    frames: dict[str, list[np.ndarray]] = {"rgb": [], "ids": [], "depth": [], "visible": []}
    u, v = pixel_grid(size, size)
    for number, (push, count, camera) in enumerate(zip(pushes, steps, cameras, strict=True)):
        roll(stage.model, stage.data, stage.state0, push, count, mass=mass)
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
