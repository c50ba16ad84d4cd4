"""Which patches and which box an object takes up: a mask on the grid of patches.

Entry points: `whole_patches`, `touched_patches`, `combined_box`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from einops import reduce
from jaxtyping import Bool

from spelke.errors import InvalidInput

Mask = Bool[np.ndarray, "height width"]
PatchMap = Bool[np.ndarray, "rows columns"]

BOX_KERNEL = 40
"""Side in pixels of the square by which the published code widens a box (on 256 pixels)."""


def whole_patches(mask: Mask, rows: int, columns: int) -> PatchMap:
    """The patches that a mask fills.

    Raises:
        InvalidInput: the mask does not divide into the patches.
    """
    return _reduced(mask, rows, columns, "all")


def touched_patches(mask: Mask, rows: int, columns: int) -> PatchMap:
    """The patches that a mask meets in at least one place.

    Raises:
        InvalidInput: the mask does not divide into the patches.
    """
    return _reduced(mask, rows, columns, "any")


def combined_box(before: Mask, after: Mask, kernel: int = BOX_KERNEL) -> Mask:
    """The widened boxes around an object before and after its motion, as one mask.

    Args:
        before: the object; an empty mask has no box.
        after: the object after the motion.
        kernel: side of the square by which the boxes are widened; an even one reaches one pixel
            further right and down than left and up, as OpenCV's dilation does.
    """
    return _widened_box(before, kernel) | _widened_box(after, kernel)


def _widened_box(mask: Mask, kernel: int) -> Mask:
    box = np.zeros_like(mask)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if rows.size:
        less, more = (kernel - 1) // 2, kernel // 2 + 1
        top, left = max(0, rows[0] - less), max(0, columns[0] - less)
        box[top : rows[-1] + more, left : columns[-1] + more] = True
    return box


def _reduced(mask: Mask, rows: int, columns: int, how: Literal["all", "any"]) -> PatchMap:
    height, width = mask.shape
    if height % rows or width % columns:
        raise InvalidInput(
            f"a mask of {height} x {width} (height x width) does not divide into {rows} x "
            f"{columns} patches; resize it to multiples of them"
        )
    return reduce(mask, "(row y) (column x) -> row column", how, row=rows, column=columns)
