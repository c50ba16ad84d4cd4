"""Procedural textures: patterns through palettes, photographs, and plain colour.

A palette turns a pattern into colour. Patterns, palettes and photographs of the `train` and `test`
splits are disjoint, so that a score on `test` is a score on surfaces never seen.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import cv2
import numpy as np

from spelke.worlds.patterns import PATTERNS, SMOOTH, spectral_noise, unit_axes
from spelke.worlds.photos import Photos


@dataclass(frozen=True, slots=True)
class Palette:
    """Ranges from which colours are drawn, in hue, saturation and value, each in [0, 1]."""

    hue: tuple[float, float]
    saturation: tuple[float, float]
    value: tuple[float, float]

    def colour(self, rng: np.random.Generator) -> np.ndarray:
        """One colour, (3,) float32 RGB."""
        hue, saturation, value = (
            rng.uniform(*bounds) for bounds in (self.hue, self.saturation, self.value)
        )
        return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value), np.float32)


PALETTES: dict[str, dict[str, Palette]] = {
    "train": {
        "grey": Palette((0, 1), (0.0, 0.06), (0.1, 0.98)),
        "white": Palette((0, 1), (0.0, 0.1), (0.8, 1.0)),
        "black": Palette((0, 1), (0.0, 0.3), (0.03, 0.2)),
        "wood": Palette((0.04, 0.12), (0.25, 0.7), (0.3, 0.85)),
        "muted": Palette((0, 1), (0.1, 0.4), (0.3, 0.9)),
        "vivid": Palette((0, 1), (0.6, 1.0), (0.5, 1.0)),
        "fire": Palette((-0.05, 0.15), (0.5, 1.0), (0.4, 1.0)),
        "sea": Palette((0.45, 0.65), (0.3, 0.9), (0.3, 0.95)),
        "dark": Palette((0, 1), (0.2, 0.8), (0.1, 0.4)),
    },
    "test": {
        "stone": Palette((0.05, 0.2), (0.05, 0.2), (0.3, 0.85)),
        "moss": Palette((0.18, 0.4), (0.35, 0.9), (0.25, 0.85)),
        "dusk": Palette((0.68, 0.92), (0.2, 0.8), (0.25, 0.9)),
        "candy": Palette((0, 1), (0.4, 0.6), (0.85, 1.0)),
    },
}


def draw_palette(rng: np.random.Generator, split: str) -> Palette:
    """A palette of the split; calm ones are twice as likely as they would be, as in most rooms."""
    names = sorted(PALETTES[split])
    calm = [name for name in names if PALETTES[split][name].saturation[1] <= 0.72]
    names = calm if rng.random() < 0.4 else names
    return PALETTES[split][names[rng.integers(len(names))]]


def draw_colour(rng: np.random.Generator, split: str) -> np.ndarray:
    """One plain colour from a random palette of the split, (3,) float32 RGB in [0, 1]."""
    return draw_palette(rng, split).colour(rng)


def _through_palette(
    rng: np.random.Generator, value: np.ndarray, split: str, smooth: bool
) -> np.ndarray:
    """Colour a pattern: two to four colours, of one palette more often than not."""
    palette = draw_palette(rng, split)
    same = rng.random() < 0.7
    stops = int(rng.integers(2, 5)) if smooth else 2
    colours = np.stack(
        [palette.colour(rng) if same else draw_colour(rng, split) for _ in range(stops)]
    )
    at = np.linspace(0, 1, stops)
    table = np.stack([np.interp(np.linspace(0, 1, 256), at, c) for c in colours.T], -1)
    return table.astype(np.float32)[(value * 255).astype(np.uint8)]


def draw_texture(
    rng: np.random.Generator,
    split: str,
    side: int,
    plain: float = 0.4,
    photo: float = 0.12,
    photos: Photos | None = None,
) -> tuple[str, np.ndarray]:
    """Draw one texture.

    Args:
        rng: the appearance stream.
        split: "train" or "test".
        side: side of the square texture, pixels (even).
        plain: chance of a plain colour.
        photo: chance of a crop of a photograph.
        photos: of this split; those of the wheels if not given.

    Returns:
        The kind's name ("plain", "photo" or a pattern of `PATTERNS[split]`) and the texture,
        (side, side, 3) float32 in [0, 1].
    """
    draw = rng.random()
    if draw < plain:
        texture = np.broadcast_to(draw_colour(rng, split), (side, side, 3)).copy()
        if rng.random() < 0.5:  # few real surfaces are perfectly even
            grain = spectral_noise(rng, side, rng.uniform(0, 1.5)) - 0.5
            texture += rng.uniform(0.02, 0.15) * grain[..., None]
        return "plain", np.clip(texture, 0, 1)
    if draw < plain + photo:
        return "photo", (photos or Photos(split)).crop(rng, side)
    names = sorted(PATTERNS[split])
    kind = names[rng.integers(len(names))]
    value = np.clip(PATTERNS[split][kind](rng, side), 0, 1)
    texture = _through_palette(rng, value, split, kind in SMOOTH)
    if rng.random() < 0.3:
        shade = 1 - rng.uniform(0.1, 0.4) * spectral_noise(rng, side, 1.5)
        texture = texture * shade[..., None]
    return kind, texture.astype(np.float32)


def paint_decoys(
    rng: np.random.Generator,
    texture: np.ndarray,
    split: str,
    count: int,
    photos: Photos | None = None,
) -> np.ndarray:
    """Paint pictures of things (shaded polygons, ellipses) on a surface: flat, never a segment."""
    canvas = np.array(texture, np.float32)
    side = canvas.shape[0]
    for _ in range(count):
        size = int(rng.uniform(0.04, 0.12) * side)
        width = 4 * size
        left, top = (rng.uniform(0, 1, 2) * (side - width)).astype(int)
        mask = np.zeros((width, width), np.uint8)
        if rng.random() < 0.5:
            axes, middle = (size, int(size * rng.uniform(0.4, 1))), (width // 2, width // 2)
            cv2.ellipse(mask, middle, axes, rng.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA)
        else:
            corners = width / 2 + rng.normal(0, size, (rng.integers(4, 8), 2))
            hull = cv2.convexHull(np.clip(corners, 1, width - 2).astype(np.int32))
            cv2.fillConvexPoly(mask, hull, 255, cv2.LINE_AA)
        _, fill = draw_texture(rng, split, 64, plain=0.6, photo=0.1, photos=photos)
        fill = cv2.resize(fill, (width, width))
        angle = rng.uniform(0, 2 * np.pi)
        x, y = unit_axes(width)
        lean = np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5)
        fill = fill * np.clip(0.8 + 1.2 * lean, 0.3, 1.2)[..., None]
        alpha = mask[..., None] / np.float32(255)
        patch = canvas[top : top + width, left : left + width]
        patch += alpha * (fill - patch)
    return np.clip(canvas, 0, 1)


def print_label(
    rng: np.random.Generator, texture: np.ndarray, split: str, photos: Photos | None = None
) -> np.ndarray:
    """Print a rectangle of another texture on a surface: a label, a sticker, a picture."""
    canvas = np.array(texture, np.float32)
    side = canvas.shape[0]
    height, width = (side * rng.uniform(0.25, 0.9, 2)).astype(int)
    top, left = rng.integers(0, side - height + 1), rng.integers(0, side - width + 1)
    _, print_ = draw_texture(rng, split, side, plain=0.25, photo=0.35, photos=photos)
    if rng.random() < 0.4:
        print_ = np.pad(print_[3:-3, 3:-3], ((3, 3), (3, 3), (0, 0)), constant_values=rng.random())
    label = cv2.resize(print_, (int(width), int(height)), interpolation=cv2.INTER_AREA)
    canvas[top : top + height, left : left + width] = label.reshape(height, width, 3)
    return canvas
