"""Flow at the resolution of codes: of each block the vector that is longest.

Pooling by length keeps an object's motion at its border, where an average would mix it with the
resting background. Source: Venkatesh et al. 2025, object manipulation.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from spelke.errors import InvalidInput

_STEP = 4
"""Side of the blocks of one step of pooling."""


def pool_longest(
    flow: Float[Tensor, "2 height width"], side: int
) -> tuple[Float[Tensor, "2 rows columns"], Int[Tensor, "rows columns"]]:
    """The longest vector of each `side` x `side` block, and the pixel (row by row) it comes from.

    Of vectors of one length the first, row by row, is taken. Lengths are not scaled.
    """
    _, source = F.max_pool2d(flow.square().sum(0, keepdim=True), side, return_indices=True)
    return flow.flatten(1)[:, source.flatten()].unflatten(1, source.shape[1:]), source[0]


def reduce_flow(
    flow: Float[Tensor, "2 height width"],
    size: tuple[int, int],
    image_size: tuple[int, int],
    limit: float = 256.0,
) -> Float[Tensor, "2 rows columns"]:
    """Flow on a coarse grid, in pixels of another image size.

    Args:
        flow: in pixels of its own size.
        size: (rows, columns) of the grid, here the grid of codes.
        image_size: (height, width) in whose pixels the result is given; the network's picture.
        limit: components are cut to within plus and minus this.

    Raises:
        InvalidInput: the flow is not larger than the grid by one power of two in both axes.
    """
    height, width = flow.shape[-2:]
    ratio = height // size[0]
    if (height, width) != (ratio * size[0], ratio * size[1]) or ratio < 1 or ratio & (ratio - 1):
        raise InvalidInput(
            f"flow of {height} x {width} (height x width) does not halve to {size[0]} x {size[1]};"
            " resize the picture to a power of two times that first"
        )
    while ratio > 1:
        side = math.gcd(ratio, _STEP)
        flow, _ = pool_longest(flow, side)
        ratio //= side
    scale = flow.new_tensor([image_size[1] / width, image_size[0] / height])
    return (flow * scale[:, None, None]).clamp(-limit, limit)


def moving_cells(flow: Float[Tensor, "2 rows columns"]) -> Bool[np.ndarray, "rows columns"]:
    """Where a flow is not zero."""
    return (flow != 0).any(0).numpy(force=True)
