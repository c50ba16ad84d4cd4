"""A grid of codes as patches of 2x2 codes, and back. Patch p stands at column p % columns."""

from __future__ import annotations

from einops import rearrange
from jaxtyping import Int
from torch import Tensor


def to_patches(codes: Int[Tensor, "batch height width"]) -> Int[Tensor, "batch patch 4"]:
    """Codes of each patch: top left, top right, bottom left, bottom right.

    >>> import torch
    >>> to_patches(torch.arange(8).view(1, 2, 4)).tolist()
    [[[0, 1, 4, 5], [2, 3, 6, 7]]]
    """
    return rearrange(codes, "b (row y) (column x) -> b (row column) (y x)", y=2, x=2)


def from_patches(
    patches: Int[Tensor, "batch patch 4"], columns: int
) -> Int[Tensor, "batch height width"]:
    """The grid of codes of patches on a grid of `columns` columns."""
    return rearrange(
        patches, "b (row column) (y x) -> b (row y) (column x)", column=columns, y=2, x=2
    )
