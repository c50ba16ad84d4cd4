"""How far to believe a segment: a number in [0, 1] and, where it is low, the reason in words.

Four questions, each answered in [0, 1]; the confidence is the lowest answer, because a "no" to any
of them cannot be outvoted:

* moves: does what lies around the poked point follow the pokes?
* movable: would it move by itself (motion affordance, without a poke)?
* apart: does the segment follow the pokes more than the rest does?
* stable: do two halves of the pokes find the same segment?
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from spelke.types import Point

UNSURE = 0.25
"""Below this, a segment carries a remark."""


@dataclass(frozen=True, slots=True)
class Confidence:
    """The parts of a confidence, each in [0, 1]."""

    moves: float
    movable: float
    apart: float
    stable: float

    @property
    def value(self) -> float:
        """The lowest part."""
        return min(self.moves, self.movable, self.apart, self.stable)

    @property
    def remark(self) -> str:
        """One sentence about the weakest part; empty for a segment to believe."""
        if self.value >= UNSURE:
            return ""
        reasons = {
            "moves": "nothing follows a push at this point, as far as the model can see",
            "movable": "nothing would move here: the point seems to lie on something fixed",
            "apart": "what follows a push here does not stand out from its surroundings",
            "stable": "different pushes of this point find different segments",
        }
        return reasons[min(reasons, key=lambda name: getattr(self, name))]


NOTHING = Confidence(moves=0.0, movable=1.0, apart=0.0, stable=0.0)
"""Of an empty segment."""


def assess(
    gain: Float[np.ndarray, "size size"],
    region: Bool[np.ndarray, "size size"],
    half_regions: Bool[np.ndarray, "half size size"],
    around_point: float,
    affordance: float | None,
    affordance_sure: float | None,
) -> Confidence:
    """Judge a region of a view.

    Args:
        gain: share of each poke that each pixel follows.
        region: the segment in the view.
        half_regions: the segments that parts of the pokes find alone.
        around_point: gain around the poked point (see `level_around`).
        affordance: probability that something moves at the point, if it was asked.
        affordance_sure: from which affordance on a point is surely movable.
    """
    if not region.any():
        return NOTHING
    inside = float(gain[region].mean())
    outside = float(gain[~region].mean()) if not region.all() else inside
    apart = (inside - max(outside, 0.0)) / inside if inside > 0 else 0.0
    movable = 1.0
    if affordance is not None and affordance_sure is not None:
        movable = affordance / affordance_sure
    return Confidence(
        moves=_clip(around_point),
        movable=_clip(movable),
        apart=_clip(apart),
        stable=_overlap(half_regions),
    )


def level_around(values: Float[np.ndarray, "size size"], point: Point, patch_size: int) -> float:
    """Upper quartile of a map within one patch of a point: the object's, not its surroundings'."""
    rows, columns = (
        slice(max(0, round(point[axis]) - patch_size), round(point[axis]) + patch_size + 1)
        for axis in (1, 0)
    )
    return float(np.quantile(values[rows, columns], 0.75))


def _overlap(regions: Bool[np.ndarray, "half size size"]) -> float:
    union = regions.any(0).sum()
    return float(regions.all(0).sum() / union) if union else 0.0


def _clip(value: float) -> float:
    return float(min(max(value, 0.0), 1.0))
