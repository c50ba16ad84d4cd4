"""A seed becomes a scene: lay out, settle, dress, frame, render, poke.

Physics, appearance, camera and pokes draw from streams of their own, so that changing one leaves
the others as they were. A scene that turns out bad (nothing to see, too dark, still moving) is
drawn again from the same seed's next attempt.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from spelke.errors import InvalidInput, SpelkeError
from spelke.worlds.appearance import Look, draw_look
from spelke.worlds.camera import View, draw_shake, draw_view
from spelke.worlds.decoys import add_decoys
from spelke.worlds.first_frame import aim, take_picture
from spelke.worlds.gl import load_mujoco
from spelke.worlds.groups import label_groups
from spelke.worlds.layout import FAMILIES, SPRITES, draw_kind, draw_layout
from spelke.worlds.model import compile_model, write_mjcf
from spelke.worlds.motion import launch_things
from spelke.worlds.photos import Photos
from spelke.worlds.physics import save_state, settle, went_wrong
from spelke.worlds.poking import Rejected, Stage, poke_scene
from spelke.worlds.render import Camera
from spelke.worlds.renderers import RENDERERS, open_renderer
from spelke.worlds.scene import WorldScene
from spelke.worlds.shapes import Thing
from spelke.worlds.sprites import SpriteOptions, SpriteStreams, draw_sprites
from spelke.worlds.travel import draw_travel

SPLITS = ("train", "test")
_ATTEMPTS = 40
_IDLE = 0.35
"""Share of pokes that do nothing where the camera travels."""
_DEEPEST = 0.01
"""Metres that things may stick in each other when they are launched."""


@dataclass(frozen=True, slots=True)
class SceneOptions:
    """How scenes are made.

    Attributes:
        families: drawn from uniformly. split: "train" or "test".
        size: side of the image, pixels. pokes: roll-outs for each scene.
        after_frames: render each after-frame (colour, ids, depth, visibility).
        groups: label Spelke groups by simulation, with this many drag directions; 0 for none.
        photos: sources of photographs for textures, see `photos.SOURCES`.
        camera_moves: share of scenes whose after-frames have a slightly moved camera.
        renderer: one of `renderers.RENDERERS`.
    """

    families: tuple[str, ...] = FAMILIES
    split: str = "train"
    size: int = 256
    pokes: int = 8
    after_frames: bool = True
    groups: int = 0
    photos: tuple[str, ...] = ("wheels",)
    camera_moves: float = 0.12
    renderer: str = "gl"

    def __post_init__(self) -> None:
        unknown = sorted(set(self.families) - set(FAMILIES))
        if unknown or not self.families:
            raise InvalidInput(
                f"unknown families {unknown or 'none given'}; choose from {', '.join(FAMILIES)}"
            )
        if self.split not in SPLITS:
            raise InvalidInput(f"split must be 'train' or 'test', got {self.split!r}")
        if not 64 <= self.size <= 1024:
            # Below, too few things are large enough to be poked for a scene to be accepted.
            raise InvalidInput(f"size must lie in 64..1024 pixels, got {self.size}")
        if self.renderer not in RENDERERS:
            raise InvalidInput(
                f"renderer must be one of {', '.join(RENDERERS)}, got {self.renderer!r}"
            )
        if self.pokes < 1 or self.groups < 0:
            raise InvalidInput("pokes must be at least 1 and groups (directions) at least 0")
        Photos(self.split, self.photos)  # refuses here what this machine does not have

    def to_plain(self) -> dict[str, Any]:
        """The options as JSON would give them back; scenes carry them."""
        values = dataclasses.asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


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
        except Rejected as reason:
            reasons.append(str(reason))
    raise SpelkeError(f"seed {seed} gave no usable scene in {_ATTEMPTS} attempts: {set(reasons)}")


def _attempt(seed: int, attempt: int, options: SceneOptions) -> WorldScene:
    entropy = [SPLITS.index(options.split), seed, attempt]
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(entropy).spawn(4)]
    physics, appearance, camera_rng, poke_rng = streams
    family = options.families[physics.integers(len(options.families))]
    kind = draw_kind(physics, family)
    if kind == SPRITES:
        scene = draw_sprites(SpriteStreams(*streams), _sprite_options(options))
        if kind != family:
            scene = dataclasses.replace(scene, notes=(*scene.notes, kind))
        return dataclasses.replace(
            scene, family=family, seed=seed, attempt=attempt, options=options.to_plain()
        )
    things, view, look = draw_scene(physics, appearance, camera_rng, kind, options)
    model, data, mjcf = _settled(things, look, options.size)
    moving = _launched(model, data, things)
    state0 = save_state(model, data)
    with open_renderer(options.renderer, model) as renderer:
        stage = Stage(
            model,
            data,
            renderer,
            things,
            state0,
            size=options.size,
            num_pokes=options.pokes,
            after_frames=options.after_frames,
            moving=moving,
            idle=_IDLE if kind == "camera" else 0.0,
        )
        camera = aim(stage, camera_rng, view)
        scene = take_picture(stage, camera, options.split)
        cameras = _cameras(camera_rng, camera, kind, options)
        moves = any(after is not camera for after in cameras)
        pokes = poke_scene(stage, poke_rng, scene, cameras)
        scene = dataclasses.replace(
            scene,
            pokes=pokes,
            family=family,
            seed=seed,
            attempt=attempt,
            camera_moves=moves,
            moving=moving,
            renderer=options.renderer,
            options=options.to_plain(),
            notes=(*look.notes, kind) if kind != family else look.notes,
            mjcf=mjcf,
        )
    if options.groups:
        scene = label_groups(scene, model, data, directions=options.groups)
    return scene


def draw_scene(
    physics: np.random.Generator,
    appearance: np.random.Generator,
    camera: np.random.Generator,
    kind: str,
    options: SceneOptions,
) -> tuple[list[Thing], View, Look]:
    """What is decided before anything falls: things, the view, and what everything wears."""
    things = draw_layout(physics, kind, options.split)
    view = draw_view(camera)
    look = draw_look(appearance, things, options.split, view.away, options.photos)
    if kind == "decoys":
        things = add_decoys(appearance, look, things, options.split)
    return things, view, look


def _sprite_options(options: SceneOptions) -> SpriteOptions:
    return SpriteOptions(
        split=options.split,
        size=options.size,
        pokes=options.pokes,
        after_frames=options.after_frames,
        groups=options.groups > 0,
        camera_moves=options.camera_moves,
        photos=options.photos,
    )


def _settled(things: list[Thing], look: Look, size: int) -> tuple[Any, Any, str]:
    mjcf = write_mjcf(things, look, size)
    try:
        model = compile_model(mjcf, look.pixels)
    except ValueError as error:  # a degenerate hull
        raise Rejected(f"the model does not compile: {error}") from error
    data = load_mujoco().MjData(model)
    if settle(model, data) > 0.01:
        raise Rejected("still moving after settling")
    return model, data, mjcf


def _launched(model: Any, data: Any, things: list[Thing]) -> bool:
    """Whether things were set in motion."""
    if not launch_things(model, data, things):
        return False
    if went_wrong(data):
        raise Rejected("the launch became unstable")
    if data.ncon and data.contact.dist[: data.ncon].min() < -_DEEPEST:
        raise Rejected("things were launched into each other")
    return True


def _cameras(
    rng: np.random.Generator, camera: Camera, kind: str, options: SceneOptions
) -> list[Camera]:
    """The camera of each after-frame: the same one, a shaken one, or one that travelled."""
    if kind == "camera":
        distance = float(np.linalg.norm(camera.p))
        return [draw_travel(rng, camera, distance) for _ in range(options.pokes)]
    if rng.random() < options.camera_moves:
        return [draw_shake(rng, camera) for _ in range(options.pokes)]
    return [camera] * options.pokes
