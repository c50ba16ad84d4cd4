"""2.5-D scenes: textured cut-outs that slide over a background, without gravity or contacts.

A cheap source of surfaces and outlines. Some layers ride on another one: pushing that takes them
along, not the other way round. Records are like those of simulated scenes; they hold no MJCF.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from spelke.worlds.camera import draw_shake
from spelke.worlds.cards import MATTE_SIDE, MATTES, Card, draw_cards
from spelke.worlds.finger import KINDS
from spelke.worlds.flow import move_pixels, pixel_grid, visibility
from spelke.worlds.groups import group_masks
from spelke.worlds.photos import Photos
from spelke.worlds.poking import Rejected, camera_motion, flow_at_pixels, inner_pixels, no_pokes
from spelke.worlds.render import Camera
from spelke.worlds.scene import Pokes, WorldScene
from spelke.worlds.shapes import quat_about, quat_multiply, rotate
from spelke.worlds.textures import draw_texture

_FOVY = 40.0
_FAR = 3.0
"""Depth of the background, metres."""
_RIDES = 0.3
"""Share of layers that ride on an earlier one."""
_CROWDS = 0.35
"""Share of scenes with many small layers instead of a few large ones."""


@dataclass(frozen=True, slots=True)
class SpriteStreams:
    """Generators of one attempt."""

    physics: np.random.Generator
    appearance: np.random.Generator
    camera: np.random.Generator
    poke: np.random.Generator


@dataclass(frozen=True, slots=True)
class SpriteOptions:
    """See `generate.SceneOptions`."""

    split: str
    size: int
    pokes: int
    after_frames: bool
    groups: bool
    camera_moves: float
    photos: tuple[str, ...]


def draw_sprites(streams: SpriteStreams, options: SpriteOptions) -> WorldScene:
    """Draw one scene; `family`, `seed` and `attempt` are still to be set.

    Raises:
        Rejected: too little is in view.
    """
    photos = Photos(options.split, options.photos)
    cards, poses, rides = _arrange(streams, photos)
    camera = Camera(np.eye(3), np.zeros(3), _FOVY)
    rgb, ids, depth = draw_cards(cards, poses, camera, options.size)
    shown = np.bincount(ids.ravel(), minlength=len(cards))[1:]
    if (shown >= 0.0037 * ids.size).sum() < min(2, len(shown)):
        raise Rejected("too few layers in view")
    if not 0.15 <= rgb.mean() / 255 <= 0.85:
        raise Rejected(f"badly exposed (mean {rgb.mean() / 255:.2f})")
    scene = _record(rgb, ids, depth, camera, poses, rides, options)
    moves = streams.camera.random() < options.camera_moves
    cameras = [draw_shake(streams.camera, camera) if moves else camera] * options.pokes
    pokes = _poke(streams.poke, scene, rides, cameras)
    if options.after_frames:
        pokes = _after_frames(cards, scene, pokes, cameras)
    scene = dataclasses.replace(scene, pokes=pokes, camera_moves=moves, notes=photos.notes)
    if not options.groups:
        return scene
    carry = rides.astype(np.float32)
    masks, unsure = group_masks(ids, carry)
    return dataclasses.replace(scene, carry=carry, group_masks=masks, ignore_masks=unsure)


def _arrange(streams: SpriteStreams, photos: Photos) -> tuple[list[Card], np.ndarray, np.ndarray]:
    """Cards, poses (N, 7) and who takes whom along, (N, N) bool, with itself."""
    rng, split = streams.physics, photos.split
    crowd = rng.random() < _CROWDS
    count = int(rng.integers(8, 21) if crowd else rng.integers(2, 9))
    typical = 0.16 if crowd else 0.34
    view = _FAR * np.tan(np.deg2rad(_FOVY) / 2)
    _, texture = draw_texture(streams.appearance, split, 256, 0.2, 0.4, photos)
    cards = [Card(1.1 * view, np.ones((256, 256), np.float32), texture.astype(np.float32))]
    poses = [np.array([0, 0, -_FAR, 1, 0, 0, 0.0])]
    rides = np.zeros((count + 1, count + 1), bool)
    depths = np.sort(rng.uniform(1.7, 2.7, count))[::-1]
    names = sorted(MATTES[split])
    for index, depth in enumerate(depths.tolist(), start=1):
        z = depth
        half = float(np.clip(np.exp(rng.normal(np.log(typical), 0.45)), 0.06, 0.7)) * z / _FAR
        spot = rng.uniform(-0.8, 0.8, 2) * view * z / _FAR
        rides[index, index] = True
        if index > 1 and rng.random() < _RIDES:
            carrier = int(rng.integers(1, index))
            half = min(half, 0.5 * cards[carrier].half)
            spot = poses[carrier][:2] + rng.uniform(-0.4, 0.4, 2) * cards[carrier].half
            rides[rides[:, carrier], index] = True
            z = float(-poses[carrier][2]) - 0.002 * index  # lies on it
        matte = MATTES[split][names[rng.integers(len(names))]](rng)
        _, texture = draw_texture(streams.appearance, split, MATTE_SIDE, 0.3, 0.3, photos)
        cards.append(Card(half, matte, texture.astype(np.float32)))
        turn = quat_about((0, 0, 1), rng.uniform(0, 2 * np.pi))
        poses.append(np.array([*spot, -z, *turn]))
    return _by_depth(cards, np.stack(poses), rides)


def _by_depth(
    cards: list[Card], poses: np.ndarray, rides: np.ndarray
) -> tuple[list[Card], np.ndarray, np.ndarray]:
    """The same, from the farthest to the nearest."""
    order = np.argsort(poses[:, 2], kind="stable")
    return [cards[i] for i in order], poses[order], rides[np.ix_(order, order)]


def _record(
    rgb: np.ndarray,
    ids: np.ndarray,
    depth: np.ndarray,
    camera: Camera,
    poses: np.ndarray,
    rides: np.ndarray,
    options: SpriteOptions,
) -> WorldScene:
    count = len(poses)
    size = options.size
    return WorldScene(
        rgb=rgb,
        ids=ids,
        parts=ids.astype(np.uint16),
        part_body=np.arange(count, dtype=np.int16),
        part_look=np.arange(count, dtype=np.int16),
        depth=depth,
        K=camera.intrinsics(size, size),
        R=camera.R,
        p=camera.p,
        body_pos=poses[:, :3],
        body_quat=poses[:, 3:],
        body_mass=np.zeros(count),
        body_movable=np.arange(count) > 0,
        body_parent=np.zeros(count, np.int16),
        body_joint=("fixed", *["free"] * (count - 1)),
        body_shape=("world", *["layer"] * (count - 1)),
        body_family=("world", *["sprites"] * (count - 1)),
        body_notes=("",) * count,
        support=rides & ~np.eye(count, dtype=bool),
        pokes=no_pokes(count),
        family="",
        split=options.split,
        seed=0,
        attempt=0,
        camera_moves=False,
        versions={"numpy": np.__version__},
    )


def _poke(
    rng: np.random.Generator, scene: WorldScene, rides: np.ndarray, cameras: list[Camera]
) -> Pokes:
    """Move layers, with those that ride on them."""
    places = {
        int(body): pixels
        for body in np.flatnonzero(scene.body_movable)
        if len(pixels := inner_pixels(scene.ids == body))
    }
    if not places:
        raise Rejected("no layer has an inner pixel to poke")
    first = np.concatenate([scene.body_pos, scene.body_quat], axis=1)
    order = rng.permutation(sorted(places))
    bodies = [int(order[number % len(order)]) for number in range(len(cameras))]
    pixels = [places[body][rng.integers(len(places[body]))] for body in bodies]
    points = [scene.point_at(int(x), int(y)) for x, y in pixels]
    kinds, shifts, ends = [], [], []
    for body in bodies:
        kind, shift, turn = _draw_motion(rng, scene, body)
        end = first.copy()
        for rider in np.flatnonzero(rides[body]):
            arm = first[rider, :3] - first[body, :3]
            end[rider, :3] = first[body, :3] + rotate(turn, arm) + shift
            end[rider, 3:] = quat_multiply(turn, first[rider, 3:])
        kinds.append(KINDS.index(kind))
        shifts.append(shift)
        ends.append(end)
    count = len(cameras)
    pokes = Pokes(
        pixel=np.array(pixels, np.int16),
        body=np.array(bodies, np.int16),
        kind=np.array(kinds, np.uint8),
        point=np.array(points),
        displacement=np.array(shifts),
        duration=np.zeros(count),
        end_pose=np.stack(ends),
        twin_pose=np.repeat(first[None], count, 0),
        R=np.stack([camera.R for camera in cameras]),
        p=np.stack([camera.p for camera in cameras]),
        camera=np.stack([camera_motion(scene, camera) for camera in cameras]),
        flow_at_pixel=np.zeros((count, 2), np.float32),
    )
    return dataclasses.replace(pokes, flow_at_pixel=flow_at_pixels(scene, pokes))


def _draw_motion(
    rng: np.random.Generator, scene: WorldScene, body: int
) -> tuple[str, np.ndarray, np.ndarray]:
    """Kind, shift in metres and turn (quaternion) of a layer: 1 to 13 % of the view's side."""
    depth = -scene.body_pos[body, 2]
    length = np.exp(rng.uniform(np.log(0.012), np.log(0.13)))
    length *= 2 * depth * np.tan(np.deg2rad(_FOVY) / 2)
    way = rng.uniform(0, 2 * np.pi)
    shift = length * np.array([np.cos(way), np.sin(way), 0.0])
    if rng.random() < 0.55:
        return "held", shift, np.array([1.0, 0, 0, 0])
    turn = quat_about((0, 0, 1), rng.normal(0, 0.25))
    if rng.random() < 0.3:
        shift[2] = rng.normal(0, 0.06)
        tilt = quat_about((*rng.normal(0, 1, 2), 0), rng.normal(0, 0.15))
        turn = quat_multiply(turn, tilt)
    return "drag", shift, turn


def _after_frames(
    cards: list[Card], scene: WorldScene, pokes: Pokes, cameras: list[Camera]
) -> Pokes:
    """Draw what each poke led to, and mark which points of the first frame are still seen."""
    size = scene.ids.shape[0]
    frames: dict[str, list[np.ndarray]] = {"rgb": [], "ids": [], "depth": [], "visible": []}
    u, v = pixel_grid(size, size)
    for number, camera in enumerate(cameras):
        end = pokes.end_pose[number]
        rgb, ids, depth = draw_cards(cards, end, camera, size)
        flow, after = move_pixels(
            u, v, scene.ids, scene.depth, scene.K, scene.R, scene.p, scene.body_pos,
            scene.body_quat, end[None, :, :3], end[None, :, 3:], camera.R, camera.p,
        )  # fmt: skip
        frames["rgb"].append(rgb)
        frames["ids"].append(ids)
        frames["depth"].append(depth)
        frames["visible"].append(visibility(flow[0], after[0], scene.ids, ids, depth))
    return dataclasses.replace(pokes, **{name: np.stack(item) for name, item in frames.items()})
