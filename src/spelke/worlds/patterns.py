"""Patterns for textures: `(rng, side) -> (side, side) float32 in [0, 1]`."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Pattern = Callable[[np.random.Generator, int], np.ndarray]


def unit_axes(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates x and y in [0, 1) of every pixel of a square."""
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
    """Cloudy to grainy noise."""
    return spectral_noise(rng, side, rng.uniform(0.6, 2.0))


def marble(rng: np.random.Generator, side: int) -> np.ndarray:
    """Bent waves."""
    x, y = unit_axes(side)
    bent = 6 * rng.uniform(0.3, 1.2) * spectral_noise(rng, side, 1.6)
    waves = rng.integers(1, 6, 2)
    return 0.5 + 0.5 * np.sin(2 * np.pi * (waves[0] * x + waves[1] * y) + bent)


def wood(rng: np.random.Generator, side: int) -> np.ndarray:
    """Growth rings with grain."""
    x, y = unit_axes(side)
    drift = spectral_noise(rng, side, 1.8)
    rings = np.hypot((x - rng.uniform(-1, 2)) * rng.uniform(1, 3), (y - rng.uniform(-1, 2)) * 0.25)
    grain = np.repeat(rng.random((1, side), np.float32), side, 0)
    return _stretch(np.sin(rng.uniform(25, 90) * (rings + 0.2 * drift)) + 0.7 * grain)


def _cells(rng: np.random.Generator, side: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances to the nearest two of `count` points on the torus, and the nearest's index."""
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
    """Cells: plates of random shade, or bumps."""
    two, index = _cells(rng, side, int(rng.integers(8, 40)))
    if rng.random() < 0.5:
        return rng.random(256, np.float32)[index]
    return _stretch(two[..., 0])


def bricks(rng: np.random.Generator, side: int) -> np.ndarray:
    """A brick wall."""
    x, y = unit_axes(side)
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
    """A chess board."""
    x, y = unit_axes(side)
    count = int(rng.integers(1, 7)) * 2
    return ((np.floor(x * count) + np.floor(y * count)) % 2).astype(np.float32)


def stripes(rng: np.random.Generator, side: int) -> np.ndarray:
    """Stripes in any direction."""
    x, y = unit_axes(side)
    waves = rng.integers(0, 9, 2)
    waves[0] += waves.sum() == 0
    phase = (waves[0] * x + waves[1] * y) % 1
    return (phase < rng.uniform(0.2, 0.8)).astype(np.float32)


def dots(rng: np.random.Generator, side: int) -> np.ndarray:
    """A lattice of dots."""
    x, y = unit_axes(side)
    count = int(rng.integers(2, 10))
    away = np.hypot(x * count % 1 - 0.5, y * count % 1 - 0.5)
    return (away < rng.uniform(0.15, 0.42)).astype(np.float32)


def gradient(rng: np.random.Generator, side: int) -> np.ndarray:
    """A slope in any direction."""
    x, y = unit_axes(side)
    angle = rng.uniform(0, 2 * np.pi)
    return _stretch(np.cos(angle) * x + np.sin(angle) * y)


def polygons(rng: np.random.Generator, side: int) -> np.ndarray:
    """Overlapping random polygons."""
    canvas = np.full((side, side), rng.random(), np.float32)
    for _ in range(rng.integers(3, 14)):
        corners = rng.uniform(0, side, 2) + rng.normal(0, side / 6, (rng.integers(3, 7), 2))
        cv2.fillConvexPoly(canvas, cv2.convexHull(corners.astype(np.int32)), float(rng.random()))
    return canvas


_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789&%?!"


def text(rng: np.random.Generator, side: int) -> np.ndarray:
    """Rows of random letters."""
    canvas = np.zeros((side, side), np.uint8)
    scale = rng.uniform(0.4, 2.2) * side / 128
    font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_TRIPLEX]))
    step = int(34 * scale)
    for bottom in range(step // 2, side + step, step):
        word = "".join(_LETTERS[i] for i in rng.integers(len(_LETTERS), size=12))
        place = (int(rng.integers(-step, step)), bottom)
        cv2.putText(canvas, word, place, font, scale, 255, max(1, int(2 * scale)), cv2.LINE_AA)
    return canvas.astype(np.float32) / 255


def plaid(rng: np.random.Generator, side: int) -> np.ndarray:
    """Woven bands in two directions."""
    x, y = unit_axes(side)
    bands = rng.random((2, int(rng.integers(5, 14))), np.float32)
    repeat = int(rng.integers(1, 4))
    lines = [(axis * repeat % 1 * bands.shape[1]).astype(int) for axis in (x, y)]
    return 0.5 * (bands[0][lines[0]] + bands[1][lines[1]])


def terrazzo(rng: np.random.Generator, side: int) -> np.ndarray:
    """Chips of stone in a plain ground."""
    two, index = _cells(rng, side, int(rng.integers(15, 60)))
    chip = two[..., 1] - two[..., 0] > rng.uniform(0.02, 0.06)
    shade = rng.random(256, np.float32)
    return np.where(chip & (shade > rng.uniform(0, 0.6))[index], shade[index], 0.5)


def swirl(rng: np.random.Generator, side: int) -> np.ndarray:
    """Noise bent by noise: rust, agate, spilt paint."""
    base = spectral_noise(rng, side, rng.uniform(1.2, 1.8))
    shift = rng.uniform(0.1, 0.5) * side
    rows, columns = (shift * (spectral_noise(rng, side, 1.7) - 0.5) for _ in range(2))
    line = np.arange(side)
    return base[
        (line[:, None] + rows).astype(int) % side, (line[None] + columns).astype(int) % side
    ]


def scratches(rng: np.random.Generator, side: int) -> np.ndarray:
    """Worn metal or leather: strokes in about one direction."""
    canvas = np.full((side, side), 0.5, np.float32)
    lean, spread = rng.uniform(0, np.pi), rng.uniform(0.02, 0.6)
    for _ in range(int(rng.integers(20, 90))):
        angle = lean + rng.normal(0, spread)
        half = rng.uniform(0.05, 0.5) * side * np.array([np.cos(angle), np.sin(angle)])
        middle = rng.uniform(0, side, 2)
        (x0, y0), (x1, y1) = (middle - half).astype(int), (middle + half).astype(int)
        ends = (int(x0), int(y0)), (int(x1), int(y1))
        cv2.line(canvas, ends[0], ends[1], float(rng.random()), 1, cv2.LINE_AA)
    return canvas


def ridges(rng: np.random.Generator, side: int) -> np.ndarray:
    """Noise folded into ridges."""
    return 1 - np.abs(2 * spectral_noise(rng, side, rng.uniform(1.2, 2.0)) - 1)


def cracks(rng: np.random.Generator, side: int) -> np.ndarray:
    """Dark borders of cells."""
    two, _ = _cells(rng, side, int(rng.integers(10, 40)))
    return np.clip((two[..., 1] - two[..., 0]) / rng.uniform(0.02, 0.08), 0, 1)


def planks(rng: np.random.Generator, side: int) -> np.ndarray:
    """Boards side by side."""
    x, _ = unit_axes(side)
    count = int(rng.integers(3, 9))
    shade = rng.random(count, np.float32)[np.floor(x * count).astype(int)]
    streaks = cv2.resize(spectral_noise(rng, side, 0.6)[: side // 8], (side, side))
    return np.where(x * count % 1 < 0.04, 0, 0.2 + 0.5 * shade + 0.3 * streaks).astype(np.float32)


def weave(rng: np.random.Generator, side: int) -> np.ndarray:
    """A basket weave."""
    x, y = unit_axes(side)
    count = 2 * int(rng.integers(2, 8))
    over = (np.floor(x * count) + np.floor(y * count)) % 2 == 0
    profile = np.where(over, np.sin(np.pi * (x * count % 1)), np.sin(np.pi * (y * count % 1)))
    return (0.3 * over + 0.7 * profile).astype(np.float32)


def zigzag(rng: np.random.Generator, side: int) -> np.ndarray:
    """Zigzag bands."""
    x, y = unit_axes(side)
    teeth, rows = int(rng.integers(2, 8)), int(rng.integers(2, 9))
    phase = (y * rows + np.abs(x * teeth % 1 - 0.5) * rng.uniform(0.6, 2)) % 1
    return (phase < rng.uniform(0.3, 0.7)).astype(np.float32)


def rings(rng: np.random.Generator, side: int) -> np.ndarray:
    """Rings about a point."""
    x, y = unit_axes(side)
    away = np.hypot(x - rng.uniform(0.2, 0.8), y - rng.uniform(0.2, 0.8))
    return (away * rng.uniform(4, 14) % 1 < rng.uniform(0.3, 0.7)).astype(np.float32)


def scales(rng: np.random.Generator, side: int) -> np.ndarray:
    """Rows of overlapping round tiles."""
    x, y = unit_axes(side)
    count = 2 * int(rng.integers(2, 7))
    row = np.floor(y * count)
    across = (x * count / 2 + 0.5 * (row % 2)) % 1 - 0.5
    away = np.hypot(across, (y * count % 1) * 0.5) * 1.8
    return np.clip(np.where(away > 1, 0.1, away), 0, 1).astype(np.float32)


def splashes(rng: np.random.Generator, side: int) -> np.ndarray:
    """Blots with soft or hard borders."""
    field = spectral_noise(rng, side, rng.uniform(1.4, 2.2))
    level = rng.uniform(0.35, 0.65)
    return np.clip((field - level) * rng.uniform(6, 60) + 0.5, 0, 1).astype(np.float32)


def crosses(rng: np.random.Generator, side: int) -> np.ndarray:
    """A lattice of crosses."""
    x, y = unit_axes(side)
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
        "plaid": plaid,
        "terrazzo": terrazzo,
        "swirl": swirl,
        "scratches": scratches,
    },
    "test": {
        "ridges": ridges,
        "cracks": cracks,
        "planks": planks,
        "weave": weave,
        "zigzag": zigzag,
        "rings": rings,
        "crosses": crosses,
        "scales": scales,
        "splashes": splashes,
    },
}

SMOOTH = {"noise", "marble", "wood", "worley", "gradient", "plaid", "terrazzo", "swirl"}
SMOOTH |= {"scratches", "ridges", "planks", "cracks", "scales"}
"""Patterns with many values, which take more than two colours."""
