"""Pictures of things that are no things: prints and cut-outs on the floor, prints on other things.

They lie half a millimetre above what carries them, are no bodies, and move with their carrier.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from spelke.worlds.appearance import Look
from spelke.worlds.shapes import Part, Thing, quat_about, rotate
from spelke.worlds.textures import draw_colour, draw_texture

_SIDE = 96
_THICK = 0.0005
_SLOT = 90
"""Material slot of a print on a thing; shapes use small numbers."""


def add_decoys(
    rng: np.random.Generator, look: Look, things: list[Thing], split: str
) -> list[Thing]:
    """Put three to eight prints and cut-outs on the floor, and prints on boxes.

    Args:
        rng: the appearance stream.
        look: gets the materials and the geoms of the floor.
        things: what stands in the scene.
        split: "train" or "test".

    Returns:
        The things, some with a print.
    """
    count = 0
    for _ in range(int(rng.integers(3, 9))):
        half = float(rng.uniform(0.03, 0.09))
        spot = _free_spot(rng, things, half)
        if spot is None:
            continue
        count += 1
        if rng.random() < 0.5:
            name = _material(look, count, _ball(rng, split, _SIDE))
            shape = f'type="cylinder" size="{half:.4g} {_THICK:.4g}"'
        else:
            name = _material(look, count, _print(rng, split))
            shape = f'type="box" size="{half:.4g} {half * rng.uniform(0.6, 1):.4g} {_THICK:.4g}"'
        look.surroundings += (
            f'\n<geom {shape} pos="{spot[0]:.4g} {spot[1]:.4g} {_THICK:.4g}" '
            f'euler="0 0 {rng.uniform(0, 360):.4g}" material="{name}" contype="0" conaffinity="0"/>'
        )
    look.notes += ("prints",)
    return [_printed(rng, look, thing, index, split) for index, thing in enumerate(things)]


def _free_spot(rng: np.random.Generator, things: list[Thing], half: float) -> np.ndarray | None:
    """A place on the floor beside the things, (2,); None if there seems to be none."""
    hulls = [thing.outline()[:, :2] for thing in things]
    reach = max(float(np.abs(hull).max()) for hull in hulls) + 0.1
    for _ in range(12):
        spot = rng.uniform(-reach, reach, 2)
        if all(np.linalg.norm(hull - spot, axis=1).min() > 1.2 * half for hull in hulls):
            return spot
    return None


def _material(look: Look, number: int, picture: np.ndarray) -> str:
    name = f"decoy{number}"
    look.assets.append(
        f'<texture name="{name}" type="2d" builtin="flat" width="{_SIDE}" height="{_SIDE}"/>'
        f'<material name="{name}" texture="{name}" specular="0.1" shininess="0.1"/>'
    )
    look.pixels[name] = (np.clip(picture, 0, 1) * 255).astype(np.uint8)
    return name


def _printed(rng: np.random.Generator, look: Look, thing: Thing, index: int, split: str) -> Thing:
    """A box with a print on its upper face, more often than not; other things as they are."""
    if len(thing.parts) != 1 or thing.parts[0].kind != "box" or rng.random() < 0.3:
        return thing
    size = np.array(thing.parts[0].size)
    upward = np.array([rotate(thing.quat, axis)[2] for axis in np.eye(3)])
    face = int(np.argmax(np.abs(upward)))
    normal = np.eye(3)[face] * np.sign(upward[face])
    across = [axis for axis in range(3) if axis != face]
    turns = {
        0: quat_about((0, 1, 0), np.pi / 2),
        1: quat_about((1, 0, 0), np.pi / 2),
        2: np.array([1.0, 0, 0, 0]),
    }
    half = size[across] * rng.uniform(0.5, 0.85)
    half = half[::-1] if face == 0 else half  # that turn takes x to z
    place = normal * (size[face] + 0.5 * _THICK)
    sticker = Part(
        "box", (*half.tolist(), _THICK), tuple(place), tuple(turns[face]), slot=_SLOT, solid=False
    )
    look.materials[index, _SLOT] = _material(look, 100 + index, _print(rng, split))
    return replace(thing, parts=(*thing.parts, sticker), notes=(*thing.notes, "print"))


def _print(rng: np.random.Generator, split: str) -> np.ndarray:
    """A picture of one to three things on a ground, (side, side, 3) float32."""
    _, canvas = draw_texture(rng, split, _SIDE, plain=0.7)
    canvas = np.array(canvas, np.float32)
    for _ in range(int(rng.integers(1, 4))):
        side = int(rng.integers(_SIDE // 3, int(0.7 * _SIDE)))
        top, left = rng.integers(0, _SIDE - side, 2)
        area = canvas[top : top + side, left : left + side]
        make = _ball if rng.random() < 0.4 else _crate
        picture, disc = make(rng, split, side), _disc(side)[..., None]
        there = disc if make is _ball else picture[..., :1] >= 0
        shaded = area * np.where(disc, np.float32(0.7), np.float32(1))
        area[:] = np.where(there, picture, shaded)
    return np.clip(canvas, 0, 1)


def _grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    line = (np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1
    return np.meshgrid(line, line)


def _disc(side: int) -> np.ndarray:
    x, y = _grid(side)
    return x**2 + y**2 < 0.94


def _ball(rng: np.random.Generator, split: str, side: int) -> np.ndarray:
    """A shaded ball with a highlight that fills the square."""
    x, y = _grid(side)
    z = np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))
    turn = rng.uniform(0, 2 * np.pi)
    light = np.array([0.6 * np.cos(turn), 0.6 * np.sin(turn), 0.8])
    shade = np.clip(light[0] * x + light[1] * y + light[2] * z, 0, 1)
    _, texture = draw_texture(rng, split, 2 * (side // 2 + 1), plain=0.5)
    surface = cv2.resize(np.asarray(texture, np.float32), (side, side))
    return 0.25 * surface + 0.85 * surface * shade[..., None] + 0.5 * shade[..., None] ** 30


def _crate(rng: np.random.Generator, split: str, side: int) -> np.ndarray:
    """A box seen from a corner, three faces of different brightness; -1 where it is not."""
    wide, deep, tall = rng.uniform(0.45, 0.8), rng.uniform(0.2, 0.4), rng.uniform(0.3, 0.9)
    front = np.array([[-0.9, 0.9], [-0.9, 0.9 - tall], [-0.9 + 1.6 * wide, 0.9 - tall]])
    front = np.concatenate([front, [[-0.9 + 1.6 * wide, 0.9]]])
    back = np.array([deep, -deep * 1.2])
    roof = np.array([front[1], front[1] + back, front[2] + back, front[2]])
    flank = np.array([front[3], front[2], front[2] + back, front[3] + back])
    colour = draw_colour(rng, split)
    picture = np.full((side, side, 3), -1, np.float32)
    for face, shade in zip((front, roof, flank), rng.permutation([0.45, 0.75, 1.1]), strict=True):
        corners = np.round((face + 1) / 2 * side * 16).astype(np.int32)
        cv2.fillConvexPoly(picture, corners, (colour * shade).tolist(), cv2.LINE_8, 4)
    return picture
