"""Flow components as bins of equal width, the flow vocabulary of networks that render.

512 bins over plus and minus 256 pixels: rest lies between two bins and goes to the even one, 256,
which stands for half a pixel to the right and down. Source: the published code of LRAS-3D.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

FLOW_BINS = 512
"""Bins of the published vocabulary."""
FLOW_RANGE = 256.0
"""Pixels of the first and the last bin, negative and positive."""


def flow_to_bins(
    flow: Float[Tensor, "*shape"], bins: int = FLOW_BINS, limit: float = FLOW_RANGE
) -> Int[Tensor, "*shape"]:
    """The nearest bin of each component, halves to the even one; beyond the range the outermost.

    Args:
        flow: in pixels.
        bins: how many there are.
        limit: the first bin stands for minus this, the last for plus this.
    """
    share = ((flow + limit) / (2 * limit)).clamp(0, 1)
    return torch.round(share * (bins - 1)).to(torch.int64)


def bins_to_flow(
    codes: Int[Tensor, "*shape"], bins: int = FLOW_BINS, limit: float = FLOW_RANGE
) -> Float[Tensor, "*shape"]:
    """Components in pixels that bins stand for; off by at most half a bin from what was binned."""
    return codes.to(torch.float32) / (bins - 1) * (2 * limit) - limit
