"""How a scene looks: textures, materials, lights and surroundings, as pieces of MJCF.

Only the appearance stream is drawn from, so the same physics can be dressed again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from spelke.worlds.shapes import Thing
from spelke.worlds.textures import draw_colour, draw_texture, paint_decoys

_MAX_TEXTURES = 9
_THING_SIDE = 96
_FLOOR_SIDE = 256


@dataclass
class Look:
    """Everything visible but geometry.

    Attributes:
        assets: MJCF of textures and materials; textures are flat placeholders there.
        pixels: texture name -> (side, side, 3) uint8, written into the compiled model.
        materials: name of the material of (thing index, slot).
        lights, surroundings: MJCF for the world body.
        headlight: attributes of the ambient light.
        notes: labels for the record, e.g. "decoys".
    """

    assets: list[str] = field(default_factory=list)
    pixels: dict[str, np.ndarray] = field(default_factory=dict)
    materials: dict[tuple[int, int], str] = field(default_factory=dict)
    lights: str = ""
    surroundings: str = ""
    headlight: str = ""
    notes: tuple[str, ...] = ()


def draw_look(
    rng: np.random.Generator, things: list[Thing], split: str, away: tuple[float, float]
) -> Look:
    """Dress a scene.

    Args:
        rng: the appearance stream.
        things: what stands in it.
        split: "train" or "test".
        away: horizontal unit vector from the camera into the scene; back walls stand on that side.
    """
    look = Look()
    floor = _floor(rng, look, split)
    _things(rng, look, things, split, floor)
    _surroundings(rng, look, split, np.array(away))
    _lights(rng, look)
    return look


def _numbers(values) -> str:
    return " ".join(f"{value:.5g}" for value in np.atleast_1d(values))


def _texture(look: Look, name: str, kind: str, pixels: np.ndarray) -> None:
    side = pixels.shape[0]
    look.assets.append(
        f'<texture name="{name}" type="{kind}" builtin="flat" width="{side}" height="{side}"/>'
    )
    look.pixels[name] = (np.clip(pixels, 0, 1) * 255).astype(np.uint8)


def _material(
    rng, look: Look, name: str, texture: str = "", colour=(1, 1, 1), repeat: float | None = None
) -> str:
    glossy = rng.random() < 0.4
    specular = rng.uniform(0.3, 1.0) if glossy else rng.uniform(0, 0.25)
    shininess = rng.uniform(0.3, 0.95) if glossy else rng.uniform(0.05, 0.5)
    extra = f' texture="{texture}"' if texture else ""
    if repeat is not None:
        extra += f' texrepeat="{repeat:.4g} {repeat:.4g}" texuniform="true"'
        if rng.random() < 0.06:
            extra += f' reflectance="{rng.uniform(0.05, 0.3):.3g}"'
    elif texture and rng.random() < 0.25:
        extra += ' texuniform="true"'
    look.assets.append(
        f'<material name="{name}" rgba="{_numbers(colour)} 1" specular="{specular:.3g}" '
        f'shininess="{shininess:.3g}"{extra}/>'
    )
    return name


def _mirrored(texture: np.ndarray) -> np.ndarray:
    """A tile that repeats without seams, from one that does not."""
    half = texture[::2, ::2]
    row = np.concatenate([half, half[:, ::-1]], 1)
    return np.concatenate([row, row[::-1]], 0)


def _floor(rng, look: Look, split: str) -> str:
    kind, pixels = draw_texture(rng, split, _FLOOR_SIDE, plain=0.4, photo=0.1)
    span = float(np.exp(rng.uniform(np.log(0.3), np.log(1.6))))
    if kind in ("photo", "gradient", "polygons", "text", "rings"):
        pixels = _mirrored(pixels)
    if rng.random() < 0.15:
        fine = cv2.resize(np.ascontiguousarray(pixels), (2 * _FLOOR_SIDE, 2 * _FLOOR_SIDE))
        pixels = paint_decoys(rng, fine, split, int(rng.integers(3, 12)))
        span = rng.uniform(0.8, 1.6)
        look.notes += ("decoys",)
    _texture(look, "floor", "2d", pixels)
    return _material(rng, look, "floor", "floor", repeat=1 / span)


def _things(rng, look: Look, things: list[Thing], split: str, floor: str) -> None:
    shared: dict[tuple[str, int], str] = {}
    count = 0
    for index, thing in enumerate(things):
        for slot in sorted({part.slot for part in thing.parts}):
            key = (thing.look or f"thing{index}", 0 if thing.look else slot)
            if key not in shared:
                if thing.look == "floor":
                    shared[key] = _floor_look(rng, look)
                else:
                    count += 1
                    shared[key] = _thing_material(rng, look, split, count)
            look.materials[index, slot] = shared[key]


def _thing_material(rng, look: Look, split: str, number: int) -> str:
    name = f"m{number}"
    textured = sum(key.startswith("m") for key in look.pixels)
    if rng.random() < 0.38 or textured >= _MAX_TEXTURES:
        return _material(rng, look, name, colour=draw_colour(rng, split))
    _, pixels = draw_texture(rng, split, _THING_SIDE, plain=0.1, photo=0.15)
    _texture(look, name, "cube", pixels)
    return _material(rng, look, name, name)


def _floor_look(rng, look: Look) -> str:
    """A cube texture cut from the floor's: camouflage."""
    _texture(look, "camouflage", "cube", look.pixels["floor"][:128, :128] / 255)
    return _material(rng, look, "camouflage", "camouflage")


def _surroundings(rng, look: Look, split: str, away: np.ndarray) -> None:
    sky = rng.random()
    if sky < 0.4:
        _, pixels = draw_texture(rng, split, 64, plain=0.3, photo=0.2)
        _texture(look, "sky", "skybox", pixels)
    else:
        top, bottom = draw_colour(rng, split), draw_colour(rng, split)
        blend = np.linspace(0, 1, 64)[:, None, None] * np.ones((1, 64, 1))
        _texture(look, "sky", "skybox", top * (1 - blend) + bottom * blend)
    pieces = []
    if rng.random() < 0.35:  # a table top above a lower floor
        half = rng.uniform(0.45, 1.2, 2)
        yaw = rng.uniform(0, 180)
        pieces.append(
            f'<geom name="floor" type="box" size="{_numbers(half)} 0.02" pos="0 0 -0.02" '
            f'euler="0 0 {yaw:.4g}" material="floor"/>'
        )
        _, pixels = draw_texture(rng, split, 128, plain=0.5)
        _texture(look, "ground", "2d", _mirrored(pixels))
        _material(rng, look, "ground", "ground", repeat=rng.uniform(0.5, 2))
        deep = rng.uniform(0.3, 0.9)
        pieces.append(
            f'<geom type="plane" size="0 0 1" pos="0 0 {-deep:.4g}" material="ground" '
            'contype="0" conaffinity="0"/>'
        )
    else:
        pieces.append('<geom name="floor" type="plane" size="0 0 1" material="floor"/>')
    if rng.random() < 0.5:
        pieces += _walls(rng, look, split, away)
    look.surroundings = "\n".join(pieces)


def _walls(rng, look: Look, split: str, away: np.ndarray) -> list[str]:
    """One or two back walls, seen from inside; they touch nothing."""
    _, pixels = draw_texture(rng, split, 128, plain=0.5, photo=0.2)
    _texture(look, "wall", "2d", _mirrored(pixels))
    _material(rng, look, "wall", "wall", repeat=rng.uniform(0.4, 2))
    turns = [rng.uniform(-0.5, 0.5)]
    if rng.random() < 0.4:
        turns.append(turns[0] + np.pi / 2 * rng.choice([-1, 1]))
    pieces = []
    for turn in turns:
        outward = np.array(
            [
                np.cos(turn) * away[0] - np.sin(turn) * away[1],
                np.sin(turn) * away[0] + np.cos(turn) * away[1],
            ]
        )
        place = outward * rng.uniform(0.6, 1.8)
        pieces.append(
            f'<geom type="plane" size="0 0 1" pos="{_numbers(place)} 0" '
            f'zaxis="{_numbers(-outward)} 0" material="wall" contype="0" conaffinity="0"/>'
        )
    return pieces


def _lights(rng, look: Look) -> None:
    ambient = rng.uniform(0.12, 0.4)
    front = rng.uniform(0.0, 0.25)
    look.headlight = (
        f'ambient="{_numbers([ambient] * 3)}" diffuse="{_numbers([front] * 3)}" specular="0 0 0"'
    )
    pieces = []
    budget = rng.uniform(0.55, 0.95)
    for number in range(int(rng.integers(1, 4))):
        turn, rise = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(38, 85))
        towards = np.array([np.cos(turn) * np.cos(rise), np.sin(turn) * np.cos(rise), np.sin(rise)])
        strength = budget if number == 0 else budget * rng.uniform(0.1, 0.4)
        tint = 1 - rng.uniform(0, 0.18, 3)
        kind = "directional" if number == 0 or rng.random() < 0.5 else "spot"
        place = towards * rng.uniform(1.2, 2.5)
        shadow = "true" if number == 0 and rng.random() < 0.93 else "false"
        pieces.append(
            f'<light type="{kind}" pos="{_numbers(place)}" dir="{_numbers(-towards)}" '
            f'diffuse="{_numbers(strength * tint)}" specular="{_numbers(0.6 * tint)}" '
            f'cutoff="40" exponent="{rng.uniform(0, 6):.3g}" castshadow="{shadow}"/>'
        )
    look.lights = "\n".join(pieces)
