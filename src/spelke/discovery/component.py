"""One region out of many: the connected part that holds a point, without its holes."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool
from scipy import ndimage

from spelke.types import Point

Mask = Bool[np.ndarray, "height width"]


def component_at(mask: Mask, point: Point) -> Mask:
    """Keep the connected part (sides and corners) that holds the point, else the nearest part.

    The released code keeps every part; stray ones cost overlap and widen the next crop.
    """
    rows, columns = _extent(mask)
    if rows is None or columns is None:
        return mask.copy()
    count, labels = cv2.connectedComponents(mask[rows, columns].astype(np.uint8), connectivity=8)
    count -= 1  # the background is not a part
    x, y = float(point[0] - columns.start), float(point[1] - rows.start)
    label = _label_at(labels, x, y) if count > 1 else 1
    result = np.zeros_like(mask)
    result[rows, columns] = labels == label
    return result


def without_holes(mask: Mask) -> Mask:
    """Add every hole that the mask encloses."""
    rows, columns = _extent(mask)
    result = mask.copy()
    if rows is not None:
        result[rows, columns] = ndimage.binary_fill_holes(mask[rows, columns])
    return result


def _label_at(labels: np.ndarray, x: float, y: float) -> int:
    column, row = round(x), round(y)
    inside = 0 <= row < labels.shape[0] and 0 <= column < labels.shape[1]
    if inside and labels[row, column]:
        return int(labels[row, column])
    filled_rows, filled_columns = np.nonzero(labels)
    nearest = int(np.argmin((filled_columns - x) ** 2 + (filled_rows - y) ** 2))
    return int(labels[filled_rows[nearest], filled_columns[nearest]])


def _extent(mask: Mask) -> tuple[slice, slice] | tuple[None, None]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if rows.size == 0:
        return None, None
    return (
        slice(int(rows[0]), int(rows[-1]) + 1),
        slice(int(columns[0]), int(columns[-1]) + 1),
    )
