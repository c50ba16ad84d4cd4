"""Move the pixels of one frame to where a flow says they were seen before."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from spelke.errors import InvalidInput


class Warped(NamedTuple):
    """A warped frame, and where it may be trusted."""

    frame: Float[Tensor, "*batch channels height width"]
    """What the second frame shows at the places that the flow points to."""
    valid: Bool[Tensor, "*batch height width"]
    """False where the flow leaves the second frame or is not a number."""


def warp_backward(
    frame: Float[Tensor, "*batch channels height width"],
    flow: Float[Tensor, "*batch 2 height width"],
) -> Warped:
    """Sample the second frame where the flow of the first points to.

    `warped[y, x] = frame[y + dy, x + dx]`, bilinear. With a true flow the result looks like the
    first frame wherever what is seen there is also seen in the second.

    Args:
        frame: the second frame; any maps, not only colours.
        flow: from the first to the second frame, in pixels, defined on the first.

    Raises:
        InvalidInput: frame and flow differ in size.
    """
    if frame.shape[-2:] != flow.shape[-2:] or flow.shape[-3] != 2:
        raise InvalidInput(
            "a frame of (channels, height, width) is warped by a flow of (2, height, width) of the "
            f"same size, got {tuple(frame.shape)} and {tuple(flow.shape)}"
        )
    height, width = frame.shape[-2:]
    x, y = _landing(flow).unbind(-3)
    valid = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    # grid_sample with align_corners=False counts from the left edge of the first pixel, in units
    # of half the image.
    places = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1).nan_to_num(0.0)
    sampled = functional.grid_sample(
        frame.reshape(-1, *frame.shape[-3:]),
        places.reshape(-1, height, width, 2).to(frame.dtype),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    return Warped(sampled.reshape(frame.shape), valid)


def _landing(flow: Float[Tensor, "*batch 2 height width"]) -> Tensor:
    """Where each pixel goes, `(x, y)` in pixels of the other frame, same shape as the flow."""
    rows = torch.arange(flow.shape[-2], device=flow.device, dtype=flow.dtype)
    columns = torch.arange(flow.shape[-1], device=flow.device, dtype=flow.dtype)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return flow + torch.stack([x, y])
