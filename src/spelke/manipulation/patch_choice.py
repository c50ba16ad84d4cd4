"""Which patches of the flow are told to the network, which of the second picture, in what order.

Where a draw is needed, it takes numpy's new or legacy generator; the legacy one, seeded as the
published code seeds it, makes the published choice.
Source: Venkatesh et al. 2025, object manipulation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int

from spelke.manipulation.regions import touched_patches, whole_patches
from spelke.tokens.edit_sequence import EditOrders

Draw = np.random.Generator | np.random.RandomState
Patches = Int[np.ndarray, " patch"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FlowChoice:
    """How many patches of the flow are told.

    Attributes:
        moving: at most this many patches of the object.
        still: at most this many patches of what rests; a patch that the object touches is none.
        whole: a patch is one of the object where all of it moves, else where any of it does.
    """

    moving: int
    still: int
    whole: bool


OBJECT_FLOW = FlowChoice(moving=140, still=60, whole=True)
"""The published choice for the motion of one object."""
OBJECT_FLOW_OLD = FlowChoice(moving=80, still=20, whole=False)
"""The choice of the published code's older rule."""
NOVEL_VIEW_FLOW = FlowChoice(moving=200, still=0, whole=True)
"""The published choice for a picture that moves as a whole."""


def choose_flow_patches(
    moving: Bool[np.ndarray, "height width"],
    rows: int,
    columns: int,
    draw: Draw,
    choice: FlowChoice = OBJECT_FLOW,
) -> Patches:
    """Patches of the object, then patches of what rests, each drawn without repetition.

    Args:
        moving: where the flow is not zero, on any multiple of the grid (as published, of codes).
        rows: patches from top to bottom.
        columns: patches from left to right.
        draw: moving patches are shuffled first, then the others.
        choice: how many of which.
    """
    touched = touched_patches(moving, rows, columns)
    of_object = whole_patches(moving, rows, columns) if choice.whole else touched
    drawn = _shuffled(of_object, draw)[: choice.moving], _shuffled(~touched, draw)[: choice.still]
    return np.concatenate(drawn)


def patches_outside(
    mask: Bool[np.ndarray, "height width"],
    rows: int,
    columns: int,
    draw: Draw,
    *,
    partly: bool = False,
) -> Patches:
    """All patches outside a mask, shuffled: candidates for being revealed.

    Args:
        mask: the moved object, or the box around its way.
        rows: patches from top to bottom.
        columns: patches from left to right.
        draw: shuffles.
        partly: count patches that lie partly outside as well, as the published code does; they
            show some of the object.
    """
    inside = (whole_patches if partly else touched_patches)(mask, rows, columns)
    return _shuffled(~inside, draw)


def published_edit_orders(seed: int, num_patches: int) -> EditOrders:
    """The three orders that the published code has at `seed`."""
    random = np.random.RandomState(seed)
    first, flow, second = (torch.from_numpy(random.permutation(num_patches)) for _ in range(3))
    return EditOrders(first=first, flow=flow, second=second)


def _shuffled(patches: Bool[np.ndarray, "rows columns"], draw: Draw) -> Patches:
    chosen = np.flatnonzero(patches)
    draw.shuffle(chosen)
    return chosen
