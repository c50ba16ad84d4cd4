"""Flat cards with a texture and a matte, drawn by casting a ray for each pixel.

A card is a rigid body whose frame's x and y lie in it, so that its flow is that of any other body.
"""

# ruff: noqa: N806 - R is what the field calls it.
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from spelke.worlds.flow import rotation_matrices
from spelke.worlds.render import Camera

_OVERSAMPLE = 2
MATTE_SIDE = 160


@dataclass(frozen=True, slots=True, eq=False)
class Card:
    """One layer.

    Attributes:
        half: half of its side, metres.
        matte: (side, side) float32, where it is there. texture: (side, side, 3) float32 in [0, 1].
    """

    half: float
    matte: np.ndarray
    texture: np.ndarray


def draw_cards(
    cards: Sequence[Card], poses: np.ndarray, camera: Camera, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Picture, ids and depth of cards in front of the first one, which fills the view.

    Args:
        cards: from the farthest to the nearest; the first is the background.
        poses: (N, 7) position and quaternion of each.
        camera: a pinhole.
        size: side of the picture, pixels.

    Returns:
        (size, size, 3) uint8; (size, size) uint8 index of the card; (size, size) float32 depth.
    """
    fine = _OVERSAMPLE * size
    picture = np.zeros((fine, fine, 3), np.float32)
    ids, depth = np.zeros((size, size), np.uint8), np.full((size, size), np.inf, np.float32)
    for index, (card, pose) in enumerate(zip(cards, poses, strict=True)):
        rows, columns = _window(card, pose, camera, size) if index else (slice(0, size),) * 2
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        u, v, _ = _on_card(card, pose, camera, fine, _finer(rows), _finer(columns))
        area = picture[_finer(rows), _finer(columns)]
        area += _matte(card, u, v, index)[..., None] * (_texture(card, u, v) - area)
        u, v, z = _on_card(card, pose, camera, size, rows, columns)
        here = _matte(card, u, v, index) > 0.5
        ids[rows, columns][here] = index
        depth[rows, columns][here] = z[here]
    small = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    return (np.clip(small, 0, 1) * 255).round().astype(np.uint8), ids, depth


def _finer(span: slice) -> slice:
    return slice(_OVERSAMPLE * span.start, _OVERSAMPLE * span.stop)


def _window(card: Card, pose: np.ndarray, camera: Camera, size: int) -> tuple[slice, slice]:
    """Rows and columns that the card may touch."""
    x, y, z = camera.R.T @ (pose[:3] - camera.p)
    focal = camera.intrinsics(size, size)[0, 0]
    reach = 1.5 * card.half * focal / max(-z - card.half, 0.05) + 2
    column, row = size / 2 + focal * x / -z, size / 2 - focal * y / -z
    return (
        slice(max(0, int(row - reach)), min(size, max(0, int(row + reach) + 1))),
        slice(max(0, int(column - reach)), min(size, max(0, int(column + reach) + 1))),
    )


def _on_card(
    card: Card, pose: np.ndarray, camera: Camera, size: int, rows: slice, columns: slice
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Place on the card (texture pixels) and depth that each pixel's ray meets."""
    K = camera.intrinsics(size, size)
    x = (np.arange(columns.start, columns.stop) + 0.5 - K[0, 2]) / K[0, 0]
    y = -(np.arange(rows.start, rows.stop) + 0.5 - K[1, 2]) / K[1, 1]
    to_card = rotation_matrices(pose[3:]).T
    eye = to_card @ (camera.p - pose[:3])
    turn = to_card @ camera.R
    ray = [turn[i, 0] * x[None] + turn[i, 1] * y[:, None] - turn[i, 2] for i in range(3)]
    z = -eye[2] / ray[2]
    side = card.matte.shape[0]
    scale = side / 2 / card.half
    u = (eye[0] + z * ray[0]) * scale + side / 2 - 0.5
    v = -(eye[1] + z * ray[1]) * scale + side / 2 - 0.5
    return u.astype(np.float32), v.astype(np.float32), z.astype(np.float32)


def _matte(card: Card, u: np.ndarray, v: np.ndarray, index: int) -> np.ndarray:
    if index == 0:
        return np.ones(u.shape, np.float32)
    return cv2.remap(card.matte, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def _texture(card: Card, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return cv2.remap(card.texture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


# -- mattes ----------------------------------------------------------------------------------------


def _from_outline(points: np.ndarray) -> np.ndarray:
    """Fill an outline given in [-1, 1], with a soft edge."""
    canvas = np.zeros((MATTE_SIDE, MATTE_SIDE), np.uint8)
    reach = np.abs(points).max()
    pixels = (points / reach * 0.95 + 1) * MATTE_SIDE / 2
    cv2.fillPoly(canvas, [np.round(pixels * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return canvas.astype(np.float32) / 255


def _turns(count: int) -> np.ndarray:
    return np.arange(count) * 2 * np.pi / count


def _around(radius: np.ndarray, squeeze: float) -> np.ndarray:
    turns = _turns(len(radius))
    return np.stack([radius * np.cos(turns), squeeze * radius * np.sin(turns)], -1)


def blob(rng: np.random.Generator) -> np.ndarray:
    """A rounded outline of a few waves."""
    turns, radius = _turns(120), np.ones(120)
    for wave in range(2, 6):
        radius += rng.normal(0, 0.25 / wave) * np.cos(wave * turns + rng.uniform(0, 2 * np.pi))
    return _from_outline(_around(radius, rng.uniform(0.4, 1.0)))


def polygon(rng: np.random.Generator) -> np.ndarray:
    """A polygon of three to eight corners."""
    radius = rng.uniform(0.6, 1.0, int(rng.integers(3, 9)))
    return _from_outline(_around(radius, rng.uniform(0.5, 1.0)))


def disc(rng: np.random.Generator) -> np.ndarray:
    """An ellipse."""
    return _from_outline(_around(np.ones(90), rng.uniform(0.35, 1.0)))


def rectangle(rng: np.random.Generator) -> np.ndarray:
    """A rectangle with round corners."""
    turns, power = _turns(160), rng.uniform(4, 12)
    radius = (np.abs(np.cos(turns)) ** power + np.abs(np.sin(turns)) ** power) ** (-1 / power)
    return _from_outline(_around(radius, rng.uniform(0.25, 1.0)))


def spikes(rng: np.random.Generator) -> np.ndarray:
    """A star."""
    count = int(rng.integers(4, 9))
    radius = np.tile([1.0, rng.uniform(0.4, 0.75)], count)
    return _from_outline(_around(radius, rng.uniform(0.6, 1.0)))


def crescent(rng: np.random.Generator) -> np.ndarray:
    """A moon."""
    rise = np.linspace(-1.3, 1.3, 50)
    inner = rng.uniform(0.2, 0.7)
    outside = np.stack([np.cos(rise), np.sin(rise)], -1)
    inside = np.stack([inner * np.cos(rise[::-1]), np.sin(rise[::-1])], -1)
    return _from_outline(np.concatenate([outside, inside]) - (0.6, 0))


def pebble(rng: np.random.Generator) -> np.ndarray:
    """A smooth convex outline."""
    corners = rng.normal(0, 1, (7, 2))
    hull = cv2.convexHull(corners.astype(np.float32))[:, 0]
    smooth = np.stack([np.roll(hull, k, 0) for k in range(2)]).mean(0)
    return _from_outline(np.asarray(smooth - smooth.mean(0), float))


MATTES: dict[str, dict[str, Callable[[np.random.Generator], np.ndarray]]] = {
    "train": {"blob": blob, "polygon": polygon, "disc": disc, "rectangle": rectangle},
    "test": {"spikes": spikes, "crescent": crescent, "pebble": pebble},
}
