"""Looking closer, as released: crop the last crop around a segment, and the way back.

All of Venkatesh et al.'s rounding is kept: integer centres, an odd box, truncated points, boxes
accumulated in single precision and rounded once, nearest paste. Our own zoom, which cuts each
crop from the photo itself and keeps fractions, is in `view.py`.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Shaped

from spelke.errors import InvalidInput
from spelke.types import Point


class Box(NamedTuple):
    """Pixels `left <= x < right`, `top <= y < bottom`; may reach beyond the picture."""

    left: int
    top: int
    right: int
    bottom: int


def zoom_box(region: Bool[np.ndarray, "height width"], padding: int) -> Box:
    """The square around a region with `padding` pixels on each side, moved inside the picture.

    A square longer than the picture starts at 0 and ends beyond it.

    Raises:
        InvalidInput: the region is empty.
    """
    rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    if rows.size == 0:
        raise InvalidInput("cannot zoom into an empty region; keep the present view instead")
    top, bottom, left, right = (int(i) for i in (rows[0], rows[-1], columns[0], columns[-1]))
    half = max(right - left, bottom - top) // 2 + padding
    height, width = region.shape
    x_start, x_end = _moved_inside((left + right) // 2, half, width)
    y_start, y_end = _moved_inside((top + bottom) // 2, half, height)
    return Box(x_start, y_start, x_end, y_end)


def crop_to(
    pixels: Shaped[np.ndarray, "height width 3"], box: Box, size: int
) -> tuple[Shaped[np.ndarray, "size size 3"], float]:
    """What of the box lies on the picture, resized to a square, and the enlargement in y."""
    cut = pixels[box.top : box.bottom, box.left : box.right]
    resized = cv2.resize(np.ascontiguousarray(cut), (size, size), interpolation=cv2.INTER_AREA)
    return resized, size / cut.shape[0]


def point_in_crop(point: Point, box: Box, ratio: float) -> Point:
    """The point in pixels of the crop, truncated to whole ones."""
    return (float(int((point[0] - box.left) * ratio)), float(int((point[1] - box.top) * ratio)))


def absolute_boxes(boxes: list[Box], ratios: list[float]) -> list[Box]:
    """Boxes of nested crops in pixels of the first picture.

    Args:
        boxes: each in pixels of the crop before it; the first in pixels of the picture.
        ratios: enlargement of each crop.
    """
    corner = np.zeros(2, np.float32)
    scale, result = 1.0, []
    for box, ratio in zip(boxes, ratios, strict=True):
        ends = np.asarray(box, np.float32).reshape(2, 2) * scale + corner
        corner = ends[0]
        scale /= ratio
        result.append(Box(*(int(value) for value in np.round(ends).ravel())))
    return result


def paste_nearest(
    region: Bool[np.ndarray, "size size"], box: Box, picture_size: tuple[int, int]
) -> Bool[np.ndarray, "height width"]:
    """The region of a crop, enlarged or reduced by nearest neighbour, in an empty picture."""
    height, width = picture_size
    bottom, right = min(box.bottom, height), min(box.right, width)
    resized = cv2.resize(
        region.astype(np.uint8),
        (right - box.left, bottom - box.top),
        interpolation=cv2.INTER_NEAREST,
    )
    pasted = np.zeros(picture_size, np.bool_)
    pasted[box.top : bottom, box.left : right] = resized > 0
    return pasted


def _moved_inside(centre: int, half: int, length: int) -> tuple[int, int]:
    start, end = centre - half, centre + half + 1
    if end - start > length:
        return 0, end - start
    shift = max(0, -start) - max(0, end - length)
    return start + shift, end + shift
