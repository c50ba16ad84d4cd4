"""Virtual pokes as a flow image: the patch under a poke moves as a whole, all else rests.

Source: Venkatesh et al. 2025, section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from spelke.tokens.layout import Layout
from spelke.types import Poke


def poke_patches(pokes: Sequence[Poke], layout: Layout) -> list[int]:
    """Patch under each poke, in order; a patch that is poked twice is listed twice.

    Raises:
        InvalidInput: a poke lies outside the picture.
    """
    return [layout.grid.index_of(poke.point) for poke in pokes]


def flow_of_pokes(
    pokes: Sequence[Poke], layout: Layout, flow: Float[Tensor, "2 height width"] | None = None
) -> Float[Tensor, "2 height width"]:
    """Flow in pixels that is zero but for the poked patches; the later of two pokes wins.

    Args:
        pokes: in pixels of the layout's picture.
        layout: the grid of patches.
        flow: starts from this field instead of zero; it is not changed.
    """
    flow = torch.zeros(2, *layout.image_size) if flow is None else flow.clone()
    size = layout.patch_size
    for poke, patch in zip(pokes, poke_patches(pokes, layout), strict=True):
        left, top, _, _ = layout.grid.box_of(patch)
        block = flow[:, top : top + size, left : left + size]
        block[:] = torch.tensor(poke.displacement, dtype=flow.dtype)[:, None, None]
    return flow


def corner_pokes(layout: Layout) -> tuple[Poke, ...]:
    """Four pokes of zero length in the corners: the camera stands still.

    In the published order: top right, top left, bottom left, bottom right.
    """
    height, width = layout.image_size
    right, bottom = width - layout.patch_size, height - layout.patch_size
    points = ((right, 0), (0, 0), (0, bottom), (right, bottom))
    return tuple(Poke.still((float(x), float(y))) for x, y in points)
