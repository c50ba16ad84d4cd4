"""How well does an outline follow the true one? The boundary F-measure of DAVIS.

Overlap hardly sees a ragged outline of a large segment; this measure sees nothing else.
Entry point: `boundary_f`.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from jaxtyping import Bool

from spelke.benchmarks.matching import box_of
from spelke.errors import InvalidInput

TOLERANCE = 0.008
"""Distance at which boundary pixels still agree, as a share of the picture's diagonal."""


def boundary_f(
    truth: Bool[np.ndarray, "height width"],
    prediction: Bool[np.ndarray, "height width"],
    tolerance: float = TOLERANCE,
) -> float:
    """Harmonic mean of precision and recall of boundary pixels; symmetric in its masks.

    A boundary pixel is right if the other boundary comes within `tolerance` of it: the boundaries
    are compared through dilation by a disc, as DAVIS does it, not by a bipartite matching of pixels
    as the older Berkeley benchmark does.

    Args:
        truth: the true segment.
        prediction: of the same size.
        tolerance: share of the picture's diagonal, rounded up to whole pixels.

    Returns:
        0 to 1. Two masks without a boundary agree (1); the border of the picture is no boundary, so
        a mask of everything has none. One boundary alone scores 0.

    Raises:
        InvalidInput: the masks differ in size.

    Source: Perazzi et al. 2016, A Benchmark Dataset and Evaluation Methodology for Video Object
    Segmentation, section 4.2 (contour accuracy F), with the constants of its published code.
    """
    if truth.shape != prediction.shape:
        raise InvalidInput(
            f"a truth of size {truth.shape} (height, width) and a prediction of size "
            f"{prediction.shape} cannot be compared: resize the prediction"
        )
    reach = math.ceil(tolerance * math.hypot(*truth.shape))
    window = _window(truth, prediction)
    true, found = boundary_of(truth[window]), boundary_of(prediction[window])
    if not true.any() or not found.any():
        return float(true.any() == found.any())
    precision, recall = _share_near(found, true, reach), _share_near(true, found, reach)
    total = precision + recall
    return 2 * precision * recall / total if total else 0.0


def boundary_of(mask: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """Pixels that differ from their right, lower or lower right neighbour."""
    edge = np.zeros_like(mask)
    edge[:, :-1] |= mask[:, 1:] != mask[:, :-1]
    edge[:-1] |= mask[1:] != mask[:-1]
    edge[:-1, :-1] |= mask[1:, 1:] != mask[:-1, :-1]
    return edge


def _window(*masks: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns that hold the boundaries of all masks."""
    boxes = [box for box in map(box_of, masks) if box[0] < box[1]] or [(0, 0, 0, 0)]
    tops, bottoms, lefts, rights = zip(*boxes, strict=True)
    rows = slice(max(min(tops) - 1, 0), max(bottoms) + 1)
    return rows, slice(max(min(lefts) - 1, 0), max(rights) + 1)


def _share_near(some: np.ndarray, others: np.ndarray, reach: int) -> float:
    """Share of the pixels of `some` with a pixel of `others` within `reach`."""
    distance = cv2.distanceTransform((~others).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # The next longer distance between pixels is farther away than float32 is wrong.
    return float((distance[some] <= reach + 1e-3).mean())
