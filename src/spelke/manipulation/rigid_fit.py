"""The rigid motion between two sets of corresponding positions."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from spelke.errors import InvalidInput
from spelke.geometry.camera import Pose

_FLAT = 1e-9
"""Second singular value, as a share of the first, below which positions lie on one line."""


def fit_rigid(
    before: Float[np.ndarray, "position 3"], after: Float[np.ndarray, "position 3"]
) -> Pose:
    """The motion that takes positions to where they are afterwards, with the least squared error.

    Never mirrors. Source: Kabsch 1976.

    Raises:
        InvalidInput: unequal numbers of positions, or positions that leave a turn undecided.
    """
    if before.shape != after.shape:
        raise InvalidInput(
            f"each position needs its counterpart, got {len(before)} before and {len(after)} after"
        )
    for positions in (before, after):
        if not _spans_a_plane(positions):
            raise InvalidInput(
                f"{len(positions)} positions on one line do not decide a rotation; give at least "
                "three that do not lie on a line"
            )
    centre, end = before.mean(0), after.mean(0)
    turn = Rotation.align_vectors(after - end, before - centre)[0].as_matrix()
    return Pose(turn, end - turn @ centre)


def _spans_a_plane(positions: Float[np.ndarray, "position 3"]) -> bool:
    if len(positions) < 3:
        return False
    strengths = np.linalg.svd(positions - positions.mean(0), compute_uv=False)
    return bool(strengths[1] > _FLAT * strengths[0])
