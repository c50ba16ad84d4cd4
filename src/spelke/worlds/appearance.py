"""How a scene looks: textures, materials, lights and surroundings, as pieces of MJCF.

Only the appearance stream is drawn from, so the same physics can be dressed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from spelke.worlds.photos import Photos
from spelke.worlds.shapes import Thing
from spelke.worlds.textures import draw_colour, draw_texture, paint_decoys, print_label

_MAX_TEXTURES = 9
_THING_SIDE = 96
_FLOOR_SIDE = 256


@dataclass
class Look:
    """Everything visible but geometry.

    Attributes:
        assets: MJCF of textures and materials; textures are flat placeholders there.
        pixels: texture name -> (side, side, 3) uint8, written into the compiled model; of a cube
            also (6 side, side, 3), its faces one below the other.
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
    rng: np.random.Generator,
    things: list[Thing],
    split: str,
    away: tuple[float, float],
    photos: Sequence[str] = ("wheels",),
) -> Look:
    """Dress a scene.

    Args:
        rng: the appearance stream.
        things: what stands in it.
        split: "train" or "test".
        away: horizontal unit vector from the camera into the scene; back walls stand on that side.
        photos: where photographs come from, see `photos.SOURCES`; which of them were used stands
            in the look's notes.
    """
    look, dresser = Look(), _Dresser(rng, split, Photos(split, photos))
    _floor(dresser, look)
    _things(dresser, look, things)
    _surroundings(dresser, look, np.array(away))
    _lights(rng, look)
    look.notes += dresser.photos.notes
    return look


@dataclass(frozen=True)
class _Dresser:
    """What textures are drawn from."""

    rng: np.random.Generator
    split: str
    photos: Photos

    def texture(self, side: int, plain: float, photo: float) -> tuple[str, np.ndarray]:
        return draw_texture(self.rng, self.split, side, plain, photo, self.photos)

    def decoys(self, texture: np.ndarray, count: int) -> np.ndarray:
        return paint_decoys(self.rng, texture, self.split, count, self.photos)

    def label(self, texture: np.ndarray) -> np.ndarray:
        return print_label(self.rng, texture, self.split, self.photos)

    def colour(self) -> np.ndarray:
        return draw_colour(self.rng, self.split)


def _numbers(values) -> str:
    return " ".join(f"{value:.5g}" for value in np.atleast_1d(values))


def _texture(look: Look, name: str, kind: str, pixels: np.ndarray) -> None:
    side = pixels.shape[1]
    look.assets.append(
        f'<texture name="{name}" type="{kind}" builtin="flat" width="{side}" height="{side}"/>'
    )
    look.pixels[name] = (np.clip(pixels, 0, 1) * 255).astype(np.uint8)


def _material(
    rng, look: Look, name: str, texture: str = "", colour=(1, 1, 1), repeat: float | None = None
) -> str:
    finish = rng.random()
    if finish < 0.55:  # matte to satin
        specular, shininess = rng.uniform(0, 0.25), rng.uniform(0.05, 0.5)
    elif finish < 0.9:
        specular, shininess = rng.uniform(0.3, 1.0), rng.uniform(0.3, 0.95)
    else:  # lacquer, polished metal
        specular, shininess = rng.uniform(0.8, 1.0), rng.uniform(0.85, 1.0)
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


def mirrored(texture: np.ndarray) -> np.ndarray:
    """A tile that repeats without seams, from one that does not."""
    half = texture[::2, ::2]
    row = np.concatenate([half, half[:, ::-1]], 1)
    return np.concatenate([row, row[::-1]], 0)


def _floor(dresser: _Dresser, look: Look) -> None:
    rng = dresser.rng
    kind, pixels = dresser.texture(_FLOOR_SIDE, plain=0.35, photo=0.17)
    span = float(np.exp(rng.uniform(np.log(0.3), np.log(1.6))))
    if kind in ("photo", "gradient", "polygons", "text", "rings", "scratches"):
        pixels = mirrored(pixels)
    if rng.random() < 0.15:
        fine = cv2.resize(np.ascontiguousarray(pixels), (2 * _FLOOR_SIDE, 2 * _FLOOR_SIDE))
        pixels = dresser.decoys(fine, int(rng.integers(3, 12)))
        span = rng.uniform(0.8, 1.6)
        look.notes += ("decoys",)
    _texture(look, "floor", "2d", pixels)
    _material(rng, look, "floor", "floor", repeat=1 / span)


def _things(dresser: _Dresser, look: Look, things: list[Thing]) -> None:
    shared: dict[tuple[str, int], str] = {}
    count = 0
    for index, thing in enumerate(things):
        for slot in sorted({part.slot for part in thing.parts}):
            key = (thing.look or f"thing{index}", 0 if thing.look else slot)
            if key not in shared:
                if thing.look == "floor":
                    shared[key] = _floor_look(dresser.rng, look)
                else:
                    count += 1
                    shared[key] = _thing_material(dresser, look, count)
            look.materials[index, slot] = shared[key]


def _thing_material(dresser: _Dresser, look: Look, number: int) -> str:
    name, rng = f"m{number}", dresser.rng
    textured = sum(key.startswith("m") for key in look.pixels)
    if rng.random() < 0.35 or textured >= _MAX_TEXTURES:
        return _material(rng, look, name, colour=dresser.colour())
    _, pixels = dresser.texture(_THING_SIDE, plain=0.12, photo=0.2)
    if rng.random() < 0.25:  # a print on some sides, as on packages
        sides = [pixels] * 6
        for side in rng.permutation(6)[: rng.integers(1, 5)]:
            sides[side] = dresser.label(pixels)
        pixels = np.concatenate(sides)
    _texture(look, name, "cube", pixels)
    return _material(rng, look, name, name)


def _floor_look(rng, look: Look) -> str:
    """A cube texture cut from the floor's: camouflage."""
    _texture(look, "camouflage", "cube", look.pixels["floor"][:128, :128] / 255)
    return _material(rng, look, "camouflage", "camouflage")


def _surroundings(dresser: _Dresser, look: Look, away: np.ndarray) -> None:
    rng = dresser.rng
    sky = rng.random()
    if sky < 0.4:
        _, pixels = dresser.texture(64, plain=0.3, photo=0.2)
        _texture(look, "sky", "skybox", pixels)
    else:
        top, bottom = dresser.colour(), dresser.colour()
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
        _, pixels = dresser.texture(128, plain=0.5, photo=0.12)
        _texture(look, "ground", "2d", mirrored(pixels))
        _material(rng, look, "ground", "ground", repeat=rng.uniform(0.5, 2))
        deep = rng.uniform(0.3, 0.9)
        pieces.append(
            f'<geom type="plane" size="0 0 1" pos="0 0 {-deep:.4g}" material="ground" '
            'contype="0" conaffinity="0"/>'
        )
    else:
        pieces.append('<geom name="floor" type="plane" size="0 0 1" material="floor"/>')
    if rng.random() < 0.5:
        pieces += _walls(dresser, look, away)
    look.surroundings = "\n".join(pieces)


def _walls(dresser: _Dresser, look: Look, away: np.ndarray) -> list[str]:
    """One or two back walls, seen from inside, perhaps with pictures; they touch nothing."""
    rng = dresser.rng
    _, pixels = dresser.texture(128, plain=0.5, photo=0.2)
    pixels = mirrored(pixels)
    if rng.random() < 0.15:
        pixels = dresser.label(pixels)
        look.notes += ("pictures",)
    _texture(look, "wall", "2d", pixels)
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


_MOODS = {
    # share, ambient, light from the camera, main light, colour
    "room": (0.45, (0.2, 0.4), (0.0, 0.25), (0.5, 0.85), 0.15),
    "overcast": (0.2, (0.4, 0.6), (0.05, 0.3), (0.2, 0.4), 0.08),
    "sun": (0.2, (0.12, 0.3), (0.0, 0.1), (0.8, 1.1), 0.2),
    "coloured": (0.15, (0.15, 0.35), (0.0, 0.2), (0.6, 1.0), 0.5),
}


def _lights(rng, look: Look) -> None:
    """One main light and up to three others, of a mood."""
    names = sorted(_MOODS)
    shares = [_MOODS[name][0] for name in names]
    mood = _MOODS[names[rng.choice(len(names), p=shares)]]
    _, around, ahead, main, colour = mood
    ambient = rng.uniform(*around) * (1 - 0.5 * colour * rng.random(3))
    front = rng.uniform(*ahead)
    look.headlight = (
        f'ambient="{_numbers(ambient)}" diffuse="{_numbers([front] * 3)}" specular="0 0 0"'
    )
    pieces = []
    budget = rng.uniform(*main)
    for number in range(int(rng.integers(1, 5))):
        turn, rise = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(28, 85))
        towards = np.array([np.cos(turn) * np.cos(rise), np.sin(turn) * np.cos(rise), np.sin(rise)])
        strength = budget if number == 0 else budget * rng.uniform(0.1, 0.45)
        tint = 1 - colour * rng.random(3)
        kind = "directional" if number == 0 or rng.random() < 0.5 else "spot"
        place = towards * rng.uniform(1.2, 2.5)
        shadow = "true" if number == 0 and rng.random() < 0.9 else "false"
        pieces.append(
            f'<light type="{kind}" pos="{_numbers(place)}" dir="{_numbers(-towards)}" '
            f'diffuse="{_numbers(strength * tint)}" specular="{_numbers(0.6 * tint)}" '
            f'cutoff="40" exponent="{rng.uniform(0, 6):.3g}" castshadow="{shadow}"/>'
        )
    look.lights = "\n".join(pieces)
