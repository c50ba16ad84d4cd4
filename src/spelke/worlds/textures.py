"""Procedural textures: patterns through palettes, photographs, and plain colour.

Every pattern is a function `(rng, side) -> (side, side) float32 in [0, 1]`; a palette turns the value into
colour. Patterns, palettes and photographs of the `train` and `test` splits are disjoint, so that a score
on `test` is a score on surfaces never seen.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from spelke.worlds.photos import crop_photo

Pattern = Callable[[np.random.Generator, int], np.ndarray]


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


def _axes(side: int) -> tuple[np.ndarray, np.ndarray]:
    line = np.arange(side, dtype=np.float32) / side
    return np.meshgrid(line, line)


def _stretch(field: np.ndarray) -> np.ndarray:
    low, high = field.min(), field.max()
    return ((field - low) / max(high - low, 1e-6)).astype(np.float32)


def spectral_noise(rng: np.random.Generator, side: int, slope: float) -> np.ndarray:
    """Periodic noise whose amplitude falls as `frequency ** -slope`, stretched to [0, 1]."""
    rows = np.fft.fftfreq(side)[:, None]
    columns = np.fft.rfftfreq(side)[None]
    frequency = np.hypot(rows, columns)
    frequency[0, 0] = np.inf
    white = rng.standard_normal((2, *frequency.shape))
    field = np.fft.irfft2((white[0] + 1j * white[1]) * frequency**-slope, s=(side, side))
    return _stretch(np.clip(field, *np.percentile(field, (1, 99))))


def noise(rng: np.random.Generator, side: int) -> np.ndarray:
    return spectral_noise(rng, side, rng.uniform(0.6, 2.0))


def marble(rng: np.random.Generator, side: int) -> np.ndarray:
    x, y = _axes(side)
    bent = 6 * rng.uniform(0.3, 1.2) * spectral_noise(rng, side, 1.6)
    waves = rng.integers(1, 6, 2)
    return 0.5 + 0.5 * np.sin(2 * np.pi * (waves[0] * x + waves[1] * y) + bent)


def wood(rng: np.random.Generator, side: int) -> np.ndarray:
    x, y = _axes(side)
    drift = spectral_noise(rng, side, 1.8)
    rings = np.hypot((x - rng.uniform(-1, 2)) * rng.uniform(1, 3), (y - rng.uniform(-1, 2)) * 0.25)
    grain = np.repeat(rng.random((1, side), np.float32), side, 0)
    return _stretch(np.sin(rng.uniform(25, 90) * (rings + 0.2 * drift)) + 0.7 * grain)


def _cells(rng: np.random.Generator, side: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances to the nearest and second nearest of `count` points on the torus, and the nearest's index."""
    points = rng.random((count, 2), np.float32)
    line = np.arange(side, dtype=np.float32)[:, None] / side
    dx, dy = np.abs(line - points[:, 0]), np.abs(line - points[:, 1])
    dx, dy = np.minimum(dx, 1 - dx) ** 2, np.minimum(dy, 1 - dy) ** 2
    best = np.full((side, side), np.inf, np.float32)
    second, index = best.copy(), np.zeros((side, side), np.uint8)
    for number in range(count):
        squared = dy[:, number, None] + dx[None, :, number]
        nearer = squared < best
        second = np.where(nearer, best, np.minimum(second, squared))
        best = np.where(nearer, squared, best)
        index[nearer] = number
    return np.sqrt(np.stack([best, second], -1)), index


def worley(rng: np.random.Generator, side: int) -> np.ndarray:
    two, index = _cells(rng, side, int(rng.integers(8, 40)))
    if rng.random() < 0.5:
        return rng.random(256, np.float32)[index]
    return _stretch(two[..., 0])


def bricks(rng: np.random.Generator, side: int) -> np.ndarray:
    x, y = _axes(side)
    rows = int(rng.integers(2, 7)) * 2
    columns = int(rng.integers(2, 6))
    row = np.floor(y * rows)
    across = x * columns + 0.5 * (row % 2)
    gap = rng.uniform(0.03, 0.12)
    joint = (y * rows % 1 < gap * 1.5) | (across % 1 < gap)
    shade = 0.4 + 0.6 * rng.random((rows, columns), np.float32)
    value = shade[row.astype(int), np.floor(across).astype(int) % columns]
    return np.where(joint, 0.0, value).astype(np.float32)


def checks(rng: np.random.Generator, side: int) -> np.ndarray:
    x, y = _axes(side)
    count = int(rng.integers(1, 7)) * 2
    return ((np.floor(x * count) + np.floor(y * count)) % 2).astype(np.float32)


def stripes(rng: np.random.Generator, side: int) -> np.ndarray:
    x, y = _axes(side)
    waves = rng.integers(0, 9, 2)
    waves[0] += waves.sum() == 0
    phase = (waves[0] * x + waves[1] * y) % 1
    return (phase < rng.uniform(0.2, 0.8)).astype(np.float32)


def dots(rng: np.random.Generator, side: int) -> np.ndarray:
    x, y = _axes(side)
    count = int(rng.integers(2, 10))
    away = np.hypot(x * count % 1 - 0.5, y * count % 1 - 0.5)
    return (away < rng.uniform(0.15, 0.42)).astype(np.float32)


def gradient(rng: np.random.Generator, side: int) -> np.ndarray:
    x, y = _axes(side)
    angle = rng.uniform(0, 2 * np.pi)
    return _stretch(np.cos(angle) * x + np.sin(angle) * y)


def polygons(rng: np.random.Generator, side: int) -> np.ndarray:
    canvas = np.full((side, side), rng.random(), np.float32)
    for _ in range(rng.integers(3, 14)):
        corners = rng.uniform(0, side, 2) + rng.normal(0, side / 6, (rng.integers(3, 7), 2))
        cv2.fillConvexPoly(canvas, cv2.convexHull(corners.astype(np.int32)), float(rng.random()))
    return canvas


_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789&%?!"


def text(rng: np.random.Generator, side: int) -> np.ndarray:
    canvas = np.zeros((side, side), np.uint8)
    scale = rng.uniform(0.4, 2.2) * side / 128
    font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_TRIPLEX]))
    step = int(34 * scale)
    for bottom in range(step // 2, side + step, step):
        word = "".join(_LETTERS[i] for i in rng.integers(len(_LETTERS), size=12))
        place = (int(rng.integers(-step, step)), bottom)
        cv2.putText(canvas, word, place, font, scale, 255, max(1, int(2 * scale)), cv2.LINE_AA)
    return canvas.astype(np.float32) / 255


def ridges(rng: np.random.Generator, side: int) -> np.ndarray:
    return 1 - np.abs(2 * spectral_noise(rng, side, rng.uniform(1.2, 2.0)) - 1)


def cracks(rng: np.random.Generator, side: int) -> np.ndarray:
    two, _ = _cells(rng, side, int(rng.integers(10, 40)))
    return np.clip((two[..., 1] - two[..., 0]) / rng.uniform(0.02, 0.08), 0, 1)


def planks(rng: np.random.Generator, side: int) -> np.ndarray:
    x, y = _axes(side)
    count = int(rng.integers(3, 9))
    shade = rng.random(count, np.float32)[np.floor(x * count).astype(int)]
    streaks = cv2.resize(spectral_noise(rng, side, 0.6)[: side // 8], (side, side))
    return np.where(x * count % 1 < 0.04, 0, 0.2 + 0.5 * shade + 0.3 * streaks).astype(np.float32)


def weave(rng: np.random.Generator, side: int) -> np.ndarray:
    x, y = _axes(side)
    count = 2 * int(rng.integers(2, 8))
    over = (np.floor(x * count) + np.floor(y * count)) % 2 == 0
    profile = np.where(over, np.sin(np.pi * (x * count % 1)), np.sin(np.pi * (y * count % 1)))
    return (0.3 * over + 0.7 * profile).astype(np.float32)


def zigzag(rng: np.random.Generator, side: int) -> np.ndarray:
    x, y = _axes(side)
    teeth, rows = int(rng.integers(2, 8)), int(rng.integers(2, 9))
    phase = (y * rows + np.abs(x * teeth % 1 - 0.5) * rng.uniform(0.6, 2)) % 1
    return (phase < rng.uniform(0.3, 0.7)).astype(np.float32)


def rings(rng: np.random.Generator, side: int) -> np.ndarray:
    x, y = _axes(side)
    away = np.hypot(x - rng.uniform(0.2, 0.8), y - rng.uniform(0.2, 0.8))
    return (away * rng.uniform(4, 14) % 1 < rng.uniform(0.3, 0.7)).astype(np.float32)


def crosses(rng: np.random.Generator, side: int) -> np.ndarray:
    x, y = _axes(side)
    count = int(rng.integers(2, 8))
    dx, dy = np.abs(x * count % 1 - 0.5), np.abs(y * count % 1 - 0.5)
    arm = rng.uniform(0.06, 0.14)
    return (((dx < arm) & (dy < 0.35)) | ((dy < arm) & (dx < 0.35))).astype(np.float32)


PATTERNS: dict[str, dict[str, Pattern]] = {
    "train": {
        "noise": noise,
        "marble": marble,
        "wood": wood,
        "worley": worley,
        "bricks": bricks,
        "checks": checks,
        "stripes": stripes,
        "dots": dots,
        "gradient": gradient,
        "polygons": polygons,
        "text": text,
    },
    "test": {
        "ridges": ridges,
        "cracks": cracks,
        "planks": planks,
        "weave": weave,
        "zigzag": zigzag,
        "rings": rings,
        "crosses": crosses,
    },
}

_SMOOTH = {"noise", "marble", "wood", "worley", "gradient", "ridges", "planks", "cracks"}


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
    rng: np.random.Generator, split: str, side: int, plain: float = 0.4, photo: float = 0.12
) -> tuple[str, np.ndarray]:
    """Draw one texture.

    Args:
        rng: the appearance stream.
        split: "train" or "test".
        side: side of the square texture, pixels (even).
        plain: chance of a plain colour.
        photo: chance of a crop of a photograph.

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
        return "photo", crop_photo(rng, split, side)
    names = sorted(PATTERNS[split])
    kind = names[rng.integers(len(names))]
    value = np.clip(PATTERNS[split][kind](rng, side), 0, 1)
    texture = _through_palette(rng, value, split, kind in _SMOOTH)
    if rng.random() < 0.3:
        shade = 1 - rng.uniform(0.1, 0.4) * spectral_noise(rng, side, 1.5)
        texture = texture * shade[..., None]
    return kind, texture.astype(np.float32)


def paint_decoys(
    rng: np.random.Generator, texture: np.ndarray, split: str, count: int
) -> np.ndarray:
    """Paint pictures of things (shaded polygons and ellipses) on a surface: flat, so never a segment."""
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
        _, fill = draw_texture(rng, split, 64, plain=0.6, photo=0.1)
        fill = cv2.resize(fill, (width, width))
        angle = rng.uniform(0, 2 * np.pi)
        x, y = _axes(width)
        lean = np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5)
        fill = fill * np.clip(0.8 + 1.2 * lean, 0.3, 1.2)[..., None]
        alpha = mask[..., None] / np.float32(255)
        patch = canvas[top : top + width, left : left + width]
        patch += alpha * (fill - patch)
    return np.clip(canvas, 0, 1)
