"""What moves together with the poke: from predicted flow fields to one map, and to a region.

`dot` and `otsu` are the published pair (Venkatesh et al. 2025, released code). The others put
the map in units of the poke, so that 1 means "moves as pushed", whatever the poke's length:

* gain: the least-squares factor a of f = a d over all pokes d. For an expected displacement it is
  the probability of moving along, so 0.5 is the natural cut.
* correlation: the same divided by the size of the pixel's own motion; ignores how strong it is.
* sensitivity: the norm of the 2x2 matrix A of f = A d. Parts that swing sideways or backwards
  when the object turns count as moving along, which a dot product denies.

From three pokes on, these three leave out the motion that all pokes share: what moves whatever
is pushed does not move with the poke. (In `dot` it stays, because random lengths do not cancel.)
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from spelke.discovery.settings import Evidence
from spelke.errors import BadCheckpoint

NOISE_FLOOR = 0.05
"""Motion, as a fraction of the poke, below which `correlation` fades out."""
MIN_CENTRED = 3
"""Pokes that tell a shared motion from a following one."""


def motion_correlation(
    flows: Float[np.ndarray, "poke 2 height width"],
    displacements: Float[np.ndarray, "poke 2"],
    kind: Evidence = "dot",
) -> Float[np.ndarray, "height width"]:
    """Measure at each pixel how its predicted motion follows the pokes.

    Args:
        flows: predicted flow of each poke, pixels.
        displacements: what the poked point was moved by, pixels.
        kind: see the head of this file.

    Raises:
        BadCheckpoint: if the predicted flow is not finite.
    """
    if not np.isfinite(flows).all():
        raise BadCheckpoint(
            "the world model predicted a displacement that is not finite; its weights are damaged "
            "or its precision is too low: load it again, or use float32"
        )
    if kind == "dot":
        return _along(flows, displacements).mean(axis=0)
    if len(displacements) >= MIN_CENTRED:
        flows = flows - flows.mean(axis=0)
        displacements = displacements - displacements.mean(axis=0)
    if kind == "sensitivity":
        return sensitivity(flows, displacements)
    along = _along(flows, displacements)
    power = float((displacements**2).sum())
    if kind == "gain":
        return along.sum(axis=0) / power
    own = (flows**2).sum(axis=(0, 1)) + NOISE_FLOOR**2 * power
    return along.sum(axis=0) / np.sqrt(own * power)


def _along(
    flows: Float[np.ndarray, "poke 2 height width"], displacements: Float[np.ndarray, "poke 2"]
) -> Float[np.ndarray, "poke height width"]:
    """Dot product of each flow with its poke, square pixels."""
    across, down = displacements[:, 0, None, None], displacements[:, 1, None, None]
    return flows[:, 0] * across + flows[:, 1] * down


def sensitivity(
    flows: Float[np.ndarray, "poke 2 height width"], displacements: Float[np.ndarray, "poke 2"]
) -> Float[np.ndarray, "height width"]:
    """Root mean square singular value of the least-squares A in flow = A displacement.

    It is 1 for a pixel that is carried along in every direction probed.
    """
    inverse = np.linalg.pinv(displacements).astype(flows.dtype)  # (2, poke)
    rank = np.linalg.matrix_rank(displacements)
    matrices = np.einsum("pchw,ip->cihw", flows, inverse)
    return np.sqrt((matrices**2).sum(axis=(0, 1)) / rank)


def otsu_levels(
    values: Float[np.ndarray, "height width"],
) -> tuple[UInt8[np.ndarray, "height width"], int]:
    """The map in 256 levels and Otsu's threshold among them; levels above it are the region.

    The levels are truncated, not rounded, and OpenCV decides: scikit-image's threshold differs
    on some maps of few levels (seen on 4 of 2000 random ones).
    """
    low = values.min()
    levels = ((values - low) / (values.max() - low + 1e-8) * 255).astype(np.uint8)
    threshold, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return levels, int(threshold)


def otsu_region(values: Float[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """The published region of a map. A constant map gives an empty one."""
    levels, threshold = otsu_levels(values)
    return levels > threshold


def otsu_cut(values: Float[np.ndarray, "height width"]) -> float:
    """The value from which `otsu_region` begins; infinite for a constant map."""
    levels, threshold = otsu_levels(values)
    if not (levels > threshold).any():
        return float("inf")
    return float(values[levels > threshold].min())
