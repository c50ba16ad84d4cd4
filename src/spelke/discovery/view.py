"""A square picture cut from the photo for the model to look at, and the way back.

Two kinds: `CropView` cuts every crop from the photo itself (ours), `ChainView` cuts each from the
8-bit crop before it (as released). Both answer the same questions, so that the probing does not
know which it holds.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from spelke.discovery.settings import DiscoverySettings
from spelke.discovery.zoom import (
    Box,
    absolute_boxes,
    crop_to,
    paste_nearest,
    point_in_crop,
    zoom_box,
)
from spelke.geometry.crop import Crop
from spelke.types import Point, Poke

LOOKS = ((0, 0, 0), (1, 1, 1), (1, 0, 0), (0, 1, 1), (1, 1, 0), (0, 0, 1), (0, 1, 0), (1, 0, 1))
"""Half-patch shift right, half-patch shift down, mirrored: in the order in which they are added."""


@runtime_checkable
class View(Protocol):
    """What the pipeline asks of either kind."""

    @property
    def key(self) -> Hashable:
        """Equal for views that show the same pixels of one photo."""
        ...

    @property
    def size(self) -> int:
        """Side in pixels."""
        ...

    def picture(self) -> Float[Tensor, "3 size size"]:
        """What the model looks at."""
        ...

    def poke_out(self, poke: Poke) -> Poke:
        """A poke of the view in pixels of the photo."""
        ...

    def zoomed(
        self, region: Bool[np.ndarray, "size size"], point: Point, settings: DiscoverySettings
    ) -> tuple[View, Point]:
        """A closer view around a region that is not empty, and the point in it."""
        ...

    def paste(self, region: Bool[np.ndarray, "size size"]) -> Bool[np.ndarray, "height width"]:
        """A region of the view as a region of the photo."""
        ...

    def paste_map(
        self, values: Float[np.ndarray, "size size"]
    ) -> Float[np.ndarray, "height width"]:
        """A map over the view, linearly resized to the photo; NaN outside."""
        ...

    def looks(self, count: int, patch_size: int) -> list[Look]:
        """The view itself and `count` - 1 slightly different ones."""
        ...


@dataclass(frozen=True, eq=False)
class Look:
    """A variant of a view: cut half a patch aside, or mirrored left to right."""

    view: View
    shift: tuple[float, float] = (0.0, 0.0)
    """Where its origin lies in the base view, pixels of the view."""
    mirrored: bool = False

    @property
    def key(self) -> Hashable:
        """Equal for looks that show the same."""
        return (self.view.key, self.mirrored)

    def picture(self) -> Float[Tensor, "3 size size"]:
        """What the model looks at."""
        picture = self.view.picture()
        return picture.flip(-1) if self.mirrored else picture

    def poke_in(self, poke: Poke) -> Poke:
        """A poke of the base view in pixels of this look, kept on the picture."""
        last = self.view.size - 1
        x, y = (min(max(poke.point[axis] - self.shift[axis], 0.0), last) for axis in (0, 1))
        dx, dy = poke.displacement
        return Poke((last - x, y), (-dx, dy)) if self.mirrored else Poke((x, y), (dx, dy))

    def maps_out(
        self, maps: Float[np.ndarray, "map size size"]
    ) -> Float[np.ndarray, "map size size"]:
        """Maps over this look as maps over the base view; borders repeat."""
        if self.mirrored:
            maps = maps[:, :, ::-1]
        if self.shift == (0.0, 0.0):
            return np.ascontiguousarray(maps)
        matrix = np.array([[1, 0, self.shift[0]], [0, 1, self.shift[1]]], np.float32)
        return np.stack(
            [
                cv2.warpAffine(
                    np.ascontiguousarray(one, np.float32),
                    matrix,
                    (one.shape[1], one.shape[0]),
                    borderMode=cv2.BORDER_REPLICATE,
                )
                for one in maps
            ]
        )


@dataclass(frozen=True, eq=False)
class CropView:
    """A crop of the photo at its own resolution."""

    photo: Float[Tensor, "3 height width"]
    crop: Crop

    @classmethod
    def whole(cls, photo: Float[Tensor, "3 height width"], size: int) -> CropView:
        """The smallest square that holds the photo."""
        height, width = photo.shape[-2:]
        return cls(photo, Crop.whole((height, width), size))

    @property
    def key(self) -> Hashable:
        """See `View`."""
        return self.crop

    @property
    def size(self) -> int:
        """See `View`."""
        return self.crop.size

    def picture(self) -> Float[Tensor, "3 size size"]:
        """See `View`."""
        return self.crop.crop(self.photo)

    def poke_out(self, poke: Poke) -> Poke:
        """See `View`."""
        return self.crop.poke_out(poke)

    def zoomed(
        self, region: Bool[np.ndarray, "size size"], point: Point, settings: DiscoverySettings
    ) -> tuple[CropView, Point]:
        """See `View`. The box holds the region and the point, with room around them."""
        rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
        left, right = min(columns[0], point[0]), max(columns[-1] + 1, point[0] + 1)
        top, bottom = min(rows[0], point[1]), max(rows[-1] + 1, point[1] + 1)
        pixel = 1 / self.crop.scale
        box = (
            self.crop.left + float(left) * pixel,
            self.crop.top + float(top) * pixel,
            float(right - left) * pixel,
            float(bottom - top) * pixel,
        )
        finest = 1
        if settings.max_magnification is not None:
            finest = round(self.size / settings.max_magnification)
        crop = Crop.around(
            box,
            self.crop.image_size,
            self.size,
            margin=settings.zoom_padding * self.crop.side,
            min_side=finest,
        )
        return CropView(self.photo, crop), crop.point_in(self.crop.point_out(point))

    def paste(self, region: Bool[np.ndarray, "size size"]) -> Bool[np.ndarray, "height width"]:
        """See `View`."""
        return self.crop.paste(region)

    def paste_map(
        self, values: Float[np.ndarray, "size size"]
    ) -> Float[np.ndarray, "height width"]:
        """See `View`."""
        values = np.ascontiguousarray(values, np.float32)
        return self.crop.paste_map(torch.from_numpy(values)[None], fill=float("nan"))[0].numpy()

    def looks(self, count: int, patch_size: int) -> list[Look]:
        """See `View`."""
        step = max(1, round(patch_size / 2 / self.crop.scale))  # whole pixels of the photo
        result = []
        for right, down, mirrored in LOOKS[:count]:
            crop = replace(
                self.crop, left=self.crop.left + right * step, top=self.crop.top + down * step
            )
            shift = (right * step * self.crop.scale, down * step * self.crop.scale)
            result.append(Look(CropView(self.photo, crop), shift, bool(mirrored)))
        return result


@dataclass(frozen=True, eq=False)
class ChainView:
    """A crop of a crop of ... the whole photo, in 8 bits."""

    whole: Crop
    pixels: np.ndarray
    """(size, size, 3) uint8."""
    boxes: tuple[Box, ...] = field(default=())
    ratios: tuple[float, ...] = field(default=())

    @classmethod
    def of(cls, photo: Float[Tensor, "3 height width"], size: int) -> ChainView:
        """The smallest square that holds the photo, reduced to `size`."""
        height, width = photo.shape[-2:]
        whole = Crop.whole((height, width), size)
        levels = (whole.crop(photo) * 255).round().clamp(0, 255).to(torch.uint8)
        return cls(whole, levels.permute(1, 2, 0).cpu().numpy())

    @property
    def key(self) -> Hashable:
        """See `View`."""
        return (self.whole, self.boxes)

    @property
    def size(self) -> int:
        """See `View`."""
        return self.whole.size

    def picture(self) -> Float[Tensor, "3 size size"]:
        """See `View`."""
        return torch.from_numpy(self.pixels).permute(2, 0, 1).float() / 255

    @property
    def box(self) -> Box:
        """Where the view lies in the whole picture."""
        if not self.boxes:
            return Box(0, 0, self.size, self.size)
        return absolute_boxes(list(self.boxes), list(self.ratios))[-1]

    def poke_out(self, poke: Poke) -> Poke:
        """See `View`."""
        scale = float(np.prod(self.ratios))
        (x, y), (dx, dy) = poke.point, poke.displacement
        inner = Poke(
            (self.box.left + x / scale, self.box.top + y / scale), (dx / scale, dy / scale)
        )
        return self.whole.poke_out(inner)

    def zoomed(
        self, region: Bool[np.ndarray, "size size"], point: Point, settings: DiscoverySettings
    ) -> tuple[ChainView, Point]:
        """See `View`; as released."""
        box = zoom_box(region, round(settings.zoom_padding * self.size))
        pixels, ratio = crop_to(self.pixels, box, self.size)
        closer = ChainView(self.whole, pixels, (*self.boxes, box), (*self.ratios, ratio))
        return closer, point_in_crop(point, box, ratio)

    def paste(self, region: Bool[np.ndarray, "size size"]) -> Bool[np.ndarray, "height width"]:
        """See `View`; nearest neighbour into the box, as released."""
        return self.whole.paste(paste_nearest(region, self.box, (self.size, self.size)))

    def paste_map(
        self, values: Float[np.ndarray, "size size"]
    ) -> Float[np.ndarray, "height width"]:
        """See `View`."""
        box = self.box
        inner = cv2.resize(
            np.ascontiguousarray(values, np.float32), (box.right - box.left, box.bottom - box.top)
        )
        pasted = np.full((1, self.size, self.size), np.nan, np.float32)
        rows, columns = slice(box.top, box.bottom), slice(box.left, box.right)
        target = pasted[0, rows, columns]
        target[:] = inner[: target.shape[0], : target.shape[1]]
        return self.whole.paste_map(torch.from_numpy(pasted), fill=float("nan"))[0].numpy()

    def looks(self, count: int, patch_size: int) -> list[Look]:
        """See `View`; a chain has no variants."""
        return [Look(self)]
