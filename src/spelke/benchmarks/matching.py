"""Which prediction answers which true segment: overlaps and the best assignment.

Entry points: `iou_matrix`, `match`.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from spelke.errors import InvalidInput

EXACT_IN_FLOAT32 = 2**24
"""Pixel counts up to here are exact in float32 sums."""


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
    true = _as_rows(truths, "truths")
    predicted = _as_rows(predictions, "predictions")
    if truths.shape[1:] != predictions.shape[1:]:
        raise InvalidInput(
            f"truths of size {truths.shape[1:]} (height, width) and predictions of size "
            f"{predictions.shape[1:]} cannot be compared: resize the predictions"
        )
    counted = np.ones_like(true)
    if ignore is not None:
        if ignore.shape != truths.shape:
            raise InvalidInput(
                f"ignore must have the shape of the truths {truths.shape}, got {ignore.shape}"
            )
        counted = 1 - _as_rows(ignore, "ignore")
        true = true * counted
    intersection = (true @ predicted.T).astype(np.float64)
    predicted_area = (counted @ predicted.T).astype(np.float64)
    union = true.sum(1, dtype=np.float64)[:, None] + predicted_area - intersection
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


def _as_rows(masks: np.ndarray, name: str) -> np.ndarray:
    if masks.ndim != 3:
        raise InvalidInput(f"{name} must be a (count, height, width) array, got {masks.shape}")
    if masks.dtype != np.bool_ and not np.isin(masks, (0, 1)).all():
        raise InvalidInput(
            f"{name} must be bool or hold only 0 and 1, got {masks.dtype} up to {masks.max()}: "
            "compare with a threshold first"
        )
    pixels = masks.shape[1] * masks.shape[2]
    exact = np.float32 if pixels <= EXACT_IN_FLOAT32 else np.float64
    return masks.reshape(len(masks), pixels).astype(exact)
