"""What is seen in one frame but hidden in the other, from the flows there and back."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from spelke.flow.warp import warp_backward


def round_trip_error(
    forward: Float[Tensor, "*batch 2 height width"],
    backward: Float[Tensor, "*batch 2 height width"],
) -> Float[Tensor, "*batch height width"]:
    """Distance in pixels between a pixel and where the flows there and back bring it.

    Infinite where the forward flow leaves the image.
    """
    back = warp_backward(backward, forward)
    error = torch.linalg.vector_norm(forward + back.frame, dim=-3)
    return torch.where(back.valid, error, torch.inf)


def find_visible(
    forward: Float[Tensor, "*batch 2 height width"],
    backward: Float[Tensor, "*batch 2 height width"],
    *,
    relative: float = 0.01,
    absolute: float = 0.5,
) -> Bool[Tensor, "*batch height width"]:
    """The pixels of the first frame that are also seen in the second.

    A pixel is taken as hidden where the squared round-trip error exceeds `relative` times the sum
    of both squared flow lengths plus `absolute` (pixels squared), or where the flow leaves the
    image.

    Source: Sundaram, Brox & Keutzer 2010, eq. 5.
    """
    back = warp_backward(backward, forward)
    error = (forward + back.frame).square().sum(-3)
    allowed = relative * (forward.square().sum(-3) + back.frame.square().sum(-3)) + absolute
    return back.valid & (error <= allowed)
