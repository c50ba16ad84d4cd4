"""Which prediction answers which true segment: overlaps and the best assignment.

Pixels are counted on booleans, a pair of masks at a time and only where their boxes meet: most
pairs of a crowded picture do not, and nothing is converted to numbers.
Entry points: `iou_matrix`, `match`.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from spelke.errors import InvalidInput


def iou_matrix(
    truths: np.ndarray, predictions: np.ndarray, ignore: np.ndarray | None = None
) -> Float[np.ndarray, "truth prediction"]:
    """Compute intersection over union of every true segment with every prediction.

    Pixel counts are exact integers, so the quotients equal those of a pixel-by-pixel count.

    Args:
        truths: (truth, height, width) bool, or numbers that are all 0 or 1.
        predictions: (prediction, height, width) likewise, of the same height and width.
        ignore: (truth, height, width), pixels that count for nothing, one map for each truth.

    Returns:
        float64. Two empty masks agree: their value is 1 (the published code divides 0 by 0 there).

    Raises:
        InvalidInput: shapes that do not agree, or values other than 0 and 1.

    Source: Venkatesh et al. 2025, SpelkeBench; the `ignore` maps are ours.
    """
    true = _as_booleans(truths, "truths")
    predicted = _as_booleans(predictions, "predictions")
    if truths.shape[1:] != predictions.shape[1:]:
        raise InvalidInput(
            f"truths of size {truths.shape[1:]} (height, width) and predictions of size "
            f"{predictions.shape[1:]} cannot be compared: resize the predictions"
        )
    predicted_area = _areas(predicted)[None]
    if ignore is not None:
        if ignore.shape != truths.shape:
            raise InvalidInput(
                f"ignore must have the shape of the truths {truths.shape}, got {ignore.shape}"
            )
        ignored = _as_booleans(ignore, "ignore")
        true = true & ~ignored
        predicted_area = predicted_area - _intersections(ignored, predicted)
    intersection = _intersections(true, predicted)
    union = _areas(true)[:, None] + predicted_area - intersection
    return np.where(union > 0, intersection / np.maximum(union, 1), 1.0)


def match(
    overlaps: Float[np.ndarray, "truth prediction"],
) -> tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]:
    """Assign predictions to truths one to one so that the sum of their overlaps is greatest.

    Returns:
        Indices of the truths (ascending) and of the prediction that each was given. There are
        as many pairs as the smaller side has members.
    """
    return linear_sum_assignment(overlaps, maximize=True)


def box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Rows and columns that hold all of a (height, width) mask: `(top, bottom, left, right)`.

    Ends are exclusive; an empty mask has a box of no pixels.
    """
    rows = np.flatnonzero(mask.any(1))
    if not rows.size:
        return 0, 0, 0, 0
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:bottom].any(0))
    return top, bottom, int(columns[0]), int(columns[-1]) + 1


def _as_booleans(masks: np.ndarray, name: str) -> np.ndarray:
    """Return (count, height, width) masks as bool; 255 of a file is no mask here, but a mistake.

    Raises:
        InvalidInput: another number of axes, or values (NaN as well) other than 0 and 1.
    """
    if masks.ndim != 3:
        raise InvalidInput(f"{name} must be a (count, height, width) array, got {masks.shape}")
    if masks.dtype == np.bool_:
        return masks
    truthy = masks.astype(bool)
    if not (truthy == masks).all():
        raise InvalidInput(
            f"{name} must be bool or hold only 0 and 1, got {masks.dtype} from {masks.min()} to "
            f"{masks.max()}: compare with a threshold first"
        )
    return truthy


def _areas(masks: np.ndarray) -> np.ndarray:
    return np.array([np.count_nonzero(mask) for mask in masks], np.int64)


def _intersections(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Number of common pixels of every mask of `some` with every mask of `others`."""
    boxes, other_boxes = [box_of(mask) for mask in some], [box_of(mask) for mask in others]
    counts = np.zeros((len(some), len(others)), np.int64)
    for row, (mask, box) in enumerate(zip(some, boxes, strict=True)):
        for column, (other, other_box) in enumerate(zip(others, other_boxes, strict=True)):
            top, bottom = max(box[0], other_box[0]), min(box[1], other_box[1])
            left, right = max(box[2], other_box[2]), min(box[3], other_box[3])
            if top < bottom and left < right:
                part = (slice(top, bottom), slice(left, right))
                counts[row, column] = np.count_nonzero(mask[part] & other[part])
    return counts
