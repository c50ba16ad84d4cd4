"""Where something would move by itself: the motion affordance, and where to poke by it.

Source: Venkatesh et al. 2025, motion affordance map; the choice of a point is that of the
released discovery notebook (minimum filter, then one draw from the normalised map).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from spelke.discovery.pokes import still_corners
from spelke.rollout.base import Ask, Glance, Query, WorldModel


def motion_affordances(
    model: WorldModel, glances: Sequence[Glance], seed: int = 0
) -> Float[np.ndarray, "picture rows columns"]:
    """Probability that something moves in each patch of each picture, under a still camera."""
    query = Query(still_corners(model.size, model.patch_size), seed)
    values = model.motion_affordance([Ask(glance, query) for glance in glances])
    return values.detach().float().cpu().numpy()


def firm_affordance(
    affordance: Float[np.ndarray, "rows columns"],
) -> Float[np.ndarray, "rows columns"]:
    """The smallest value among each patch and its left, upper and upper left neighbours.

    It keeps draws away from single patches and from the upper left borders of things.
    """
    return ndimage.minimum_filter(affordance, size=2)


def choose_patch(weights: Float[np.ndarray, "rows columns"], uniform: float) -> tuple[int, int]:
    """The (row, column) that a uniform number in [0, 1) selects, in proportion to the weights.

    Patches are counted row by row, as numpy's `choice` counts them.
    """
    shares = (weights / (weights.sum() + 1e-8)).ravel()
    cumulative = shares.astype(np.float64).cumsum()
    cumulative /= cumulative[-1]
    index = int(cumulative.searchsorted(uniform, side="right"))
    return divmod(min(index, shares.size - 1), weights.shape[1])
