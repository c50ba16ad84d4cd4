"""The flow vocabulary of our own world models: a code is a displacement of a 4x4 cell.

A poke moves a cell of 4x4 pixels almost as a whole, so its flow is two numbers, and a vocabulary is
some points of a plane, code 0 for "nothing moves". Written is the mean flow of a cell, as the
nearest of them; read, each cell moves as a whole. The published networks have a learned codec
instead (`models/local_quantizer.py`).
"""

from __future__ import annotations

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int
from torch import Tensor

from spelke.tokens.layout import CODE_SIZE


def cell_displacements(
    flow: Float[Tensor, "batch 2 height width"],
) -> Float[Tensor, "batch rows columns 2"]:
    """Mean flow of each 4x4 cell, in the unit of `flow`."""
    cells = rearrange(flow, "b d (r y) (c x) -> b r c d (y x)", y=CODE_SIZE, x=CODE_SIZE)
    return cells.float().mean(4)


def nearest_codes(
    displacements: Float[Tensor, "code 2"], moved: Float[Tensor, "*grid 2"]
) -> Int[Tensor, "*grid"]:
    """The code whose displacement is nearest to each of `moved`; the first of equals.

    What is found for one displacement does not depend on those beside it.
    """
    with torch.autocast(moved.device.type, enabled=False):
        # Without matrix products, whose rounding differs with the number of rows.
        away = torch.cdist(
            moved.reshape(-1, 2).float(),
            displacements.float(),
            compute_mode="donot_use_mm_for_euclid_dist",
        )
    return away.argmin(1).view(moved.shape[:-1])


def spread_cells(
    moved: Float[Tensor, "*batch rows columns 2"],
) -> Float[Tensor, "*batch 2 height width"]:
    """Flow at full resolution, of cells that move as a whole."""
    return repeat(moved, "... r c d -> ... d (r y) (c x)", y=CODE_SIZE, x=CODE_SIZE)
