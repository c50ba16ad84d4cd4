"""A square window on an image, resized for a network, and the exact way back.

One rule for every window: it is a square of whole pixels. Where an image is too small to hold it
(a photograph that is not square, seen whole), the window reaches beyond the border and what is
missing is filled by repeating the border pixels; nothing is ever stretched.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from spelke.errors import InvalidInput
from spelke.geometry.points import rescale_coordinate
from spelke.types import Point, Poke


@dataclass(frozen=True, slots=True)
class Crop:
    """A square window of an image, resized to `size` x `size` pixels.

    Attributes:
        left: first column of the window, in pixels of the image; may be negative.
        top: first row of the window; may be negative.
        side: side of the window in pixels of the image.
        image_size: (height, width) of the image.
        size: side of the resized picture in pixels.
    """

    left: int
    top: int
    side: int
    image_size: tuple[int, int]
    size: int

    def __post_init__(self) -> None:
        height, width = self.image_size
        if min(self.side, self.size, height, width) < 1:
            raise InvalidInput(
                f"a crop needs positive sizes, got side {self.side}, size {self.size} and an "
                f"image of {height} x {width} pixels (height x width)"
            )
        right, bottom = self.left + self.side, self.top + self.side
        if self.left >= width or self.top >= height or right <= 0 or bottom <= 0:
            raise InvalidInput(
                f"the window of {self.side} pixels at ({self.left}, {self.top}) does not touch "
                f"the image of {width} x {height} pixels (width x height)"
            )

    @classmethod
    def whole(cls, image_size: tuple[int, int], size: int) -> Crop:
        """The smallest square that holds the whole image, centred on it.

        Args:
            image_size: (height, width).
            size: side of the resized picture.
        """
        height, width = image_size
        side = max(height, width)
        return cls((width - side) // 2, (height - side) // 2, side, image_size, size)

    @classmethod
    def around(
        cls,
        box: tuple[float, float, float, float],
        image_size: tuple[int, int],
        size: int,
        *,
        margin: float = 0.0,
        min_side: int = 1,
    ) -> Crop:
        """The square around a box, shifted so that it stays inside the image and keeps its side.

        Along an axis where the image is shorter than the square, the image is centred in it.

        Args:
            box: `(left, top, width, height)` in pixels of the image.
            image_size: (height, width).
            size: side of the resized picture.
            margin: pixels of the image to add on every side of the box.
            min_side: smallest side of the window.
        """
        left, top, width, height = box
        if width < 0 or height < 0 or margin < 0:
            raise InvalidInput(
                f"a box has a width and a height of at least 0, and so has its margin; got "
                f"(left, top, width, height) = {box} and margin {margin}"
            )
        wanted = int(np.ceil(max(width, height) + 2 * margin))
        side = min(max(wanted, min_side, 1), max(image_size))
        start_x = _start(left + width / 2, side, image_size[1])
        start_y = _start(top + height / 2, side, image_size[0])
        return cls(start_x, start_y, side, image_size, size)

    @property
    def scale(self) -> float:
        """Pixels of the resized picture per pixel of the image."""
        return self.size / self.side

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The part of the window that lies on the image, `(left, top, width, height)`."""
        rows, columns = self._rows, self._columns
        return (columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)

    @property
    def _rows(self) -> slice:
        return slice(max(self.top, 0), min(self.top + self.side, self.image_size[0]))

    @property
    def _columns(self) -> slice:
        return slice(max(self.left, 0), min(self.left + self.side, self.image_size[1]))

    @property
    def _inner(self) -> tuple[slice, slice]:
        """Rows and columns of the unresized window that lie on the image."""
        rows, columns = self._rows, self._columns
        return (
            slice(rows.start - self.top, rows.stop - self.top),
            slice(columns.start - self.left, columns.stop - self.left),
        )

    def crop(
        self, image: Float[Tensor, "channels height width"]
    ) -> Float[Tensor, "channels size size"]:
        """What the window shows: area average when it shrinks, bilinear when it grows.

        Raises:
            InvalidInput: the image has another size than the crop was made for.
        """
        self._check(image.shape[-2:], self.image_size, "image")
        rows, columns = self._inner
        window = image[:, self._rows, self._columns].detach().cpu().float().numpy()
        beyond = [(part.start, self.side - part.stop) for part in (rows, columns)]
        padded = np.pad(window, [(0, 0), *beyond], mode="edge")
        resized = resize(padded, (self.size, self.size))
        return torch.from_numpy(resized).to(image.device, image.dtype)

    def point_in(self, point: Point) -> Point:
        """A point of the image in pixels of the resized picture (perhaps outside of it)."""
        x, y = point
        return (
            rescale_coordinate(x - self.left, self.scale),
            rescale_coordinate(y - self.top, self.scale),
        )

    def point_out(self, point: Point) -> Point:
        """A point of the resized picture in pixels of the image; undoes `point_in`."""
        x, y = (rescale_coordinate(value, 1 / self.scale) for value in point)
        return (x + self.left, y + self.top)

    def poke_in(self, poke: Poke) -> Poke:
        """A poke of the image in pixels of the resized picture."""
        dx, dy = poke.displacement
        return Poke(self.point_in(poke.point), (dx * self.scale, dy * self.scale))

    def poke_out(self, poke: Poke) -> Poke:
        """A poke of the resized picture in pixels of the image; undoes `poke_in`."""
        dx, dy = poke.displacement
        return Poke(self.point_out(poke.point), (dx / self.scale, dy / self.scale))

    def paste(self, mask: Bool[np.ndarray, "size size"]) -> Bool[np.ndarray, "height width"]:
        """A mask of the resized picture as a mask of the image, false outside the window.

        A pixel of the image is true where at least half of what it shows was. A side of the mask
        other than `size` is accepted: maps may be coarser than the picture they describe.
        """
        values = self._uncrop(np.asarray(mask, np.float32)[None])[0]
        pasted = np.zeros(self.image_size, np.bool_)
        pasted[self._rows, self._columns] = values >= 0.5
        return pasted

    def paste_map(
        self, values: Float[Tensor, "channels size size"], fill: float = 0.0
    ) -> Float[Tensor, "channels height width"]:
        """A map over the resized picture as a map over the image, `fill` outside the window.

        The values are not rescaled (see `paste_flow`). Any square side is accepted.
        """
        inner = self._uncrop(values.detach().cpu().float().numpy())
        pasted = np.full((values.shape[0], *self.image_size), fill, np.float32)
        pasted[:, self._rows, self._columns] = inner
        return torch.from_numpy(pasted).to(values.device, values.dtype)

    def paste_flow(self, flow: Float[Tensor, "2 size size"]) -> Float[Tensor, "2 height width"]:
        """A flow in pixels of the resized picture as one in pixels of the image, 0 outside."""
        return self.paste_map(flow) / self.scale

    def _uncrop(self, values: np.ndarray) -> np.ndarray:
        """Maps (channels, any, any) resized to the window and cut to what lies on the image."""
        if values.ndim != 3 or values.shape[-1] != values.shape[-2]:
            raise InvalidInput(
                f"what is pasted must be square like the crop, got shape {values.shape[1:]}"
            )
        rows, columns = self._inner
        return resize(values, (self.side, self.side))[:, rows, columns]

    @staticmethod
    def _check(came: tuple[int, ...], accepted: tuple[int, int], what: str) -> None:
        if tuple(came) != tuple(accepted):
            raise InvalidInput(
                f"this crop was made for an {what} of {accepted[0]} x {accepted[1]} pixels "
                f"(height x width), got {came[0]} x {came[1]}; make a new crop for it"
            )


def resize(
    maps: Float[np.ndarray, "channels height width"], size: tuple[int, int]
) -> Float[np.ndarray, "channels new_height new_width"]:
    """Resize float32 maps to `size` (height, width).

    Area average (exact for fractional ratios) where both axes shrink, bilinear otherwise. Pixel
    centres map as `(x + 0.5) * s - 0.5`.
    """
    height, width = size
    if maps.shape[-2:] == (height, width):
        return np.array(maps, np.float32)
    shrinks = height <= maps.shape[-2] and width <= maps.shape[-1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = [
        cv2.resize(np.ascontiguousarray(plane, np.float32), (width, height), interpolation=method)
        for plane in maps
    ]
    return np.stack(resized)


def _start(centre: float, side: int, length: int) -> int:
    """First pixel of a window of `side` around `centre`, kept inside an axis of `length`."""
    if side > length:
        return (length - side) // 2
    return min(max(round(centre - side / 2), 0), length - side)
