"""Which patch holds a point, and which pixels a patch holds.

Patches are numbered row by row: patch `p = column + columns * row`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from spelke.errors import InvalidInput
from spelke.geometry.points import check_inside
from spelke.types import Point


@dataclass(frozen=True, slots=True)
class PatchGrid:
    """The division of an image into equal square patches.

    Attributes:
        image_size: (height, width) of the image in pixels, both multiples of `patch_size`.
        patch_size: side of a patch in pixels.
    """

    image_size: tuple[int, int]
    patch_size: int

    def __post_init__(self) -> None:
        height, width = self.image_size
        if self.patch_size < 1 or height < 1 or width < 1:
            raise InvalidInput(
                f"a patch grid needs a positive size, got an image of {height} x {width} pixels "
                f"(height x width) and patches of {self.patch_size}"
            )
        if height % self.patch_size or width % self.patch_size:
            raise InvalidInput(
                f"an image of {height} x {width} pixels (height x width) does not divide into "
                f"patches of {self.patch_size}; crop or resize it to multiples of "
                f"{self.patch_size} first"
            )

    @property
    def rows(self) -> int:
        """Number of patches from top to bottom."""
        return self.image_size[0] // self.patch_size

    @property
    def columns(self) -> int:
        """Number of patches from left to right."""
        return self.image_size[1] // self.patch_size

    @property
    def num_patches(self) -> int:
        """Number of patches."""
        return self.rows * self.columns

    def index_of(self, point: Point) -> int:
        """Number of the patch that holds `point`.

        The rule is that of the published code, `int(x // patch_size)`, which a point in the outer
        half of a border pixel (x between -0.5 and 0) meets by counting as 0.

        Raises:
            InvalidInput: the point is outside the image.
        """
        check_inside(point, self.image_size)
        column, row = (int(max(value, 0.0) // self.patch_size) for value in point)
        return column + self.columns * row

    def box_of(self, index: int) -> tuple[int, int, int, int]:
        """Pixels of a patch, `(left, top, width, height)`.

        Raises:
            InvalidInput: there is no such patch.
        """
        row, column = self._place_of(index)
        return (column * self.patch_size, row * self.patch_size, self.patch_size, self.patch_size)

    def centre_of(self, index: int) -> Point:
        """Middle of a patch; between two pixel centres where `patch_size` is even.

        Raises:
            InvalidInput: there is no such patch.
        """
        left, top, width, height = self.box_of(index)
        return (left + (width - 1) / 2, top + (height - 1) / 2)

    def centres(self) -> Float[np.ndarray, "patch 2"]:
        """Middles of all patches in their order, `(x, y)`."""
        rows, columns = np.divmod(np.arange(self.num_patches), self.columns)
        return np.stack([columns, rows], 1) * self.patch_size + (self.patch_size - 1) / 2.0

    def _place_of(self, index: int) -> tuple[int, int]:
        """Row and column of a patch."""
        if not 0 <= index < self.num_patches:
            raise InvalidInput(
                f"there is no patch {index}: this grid of {self.rows} x {self.columns} counts its "
                f"patches from 0 to {self.num_patches - 1}"
            )
        return divmod(int(index), self.columns)
