"""A picture to draw on: sub-pixel, anti-aliased strokes whose width follows the picture's size.

A small picture is enlarged by a whole factor first, so that strokes and text stay legible; points
are always given in pixels of the picture that came. Entry point: `Canvas.of`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from spelke.errors import InvalidInput
from spelke.types import Point

Color: TypeAlias = tuple[int, int, int]
"""RGB, 0 to 255."""

Picture: TypeAlias = Any
"""`(height, width, 3)` uint8 array, or `(3, height, width)` float tensor in [0, 1]."""

WHITE: Color = (255, 255, 255)
INK: Color = (24, 26, 31)

LEGIBLE_SIDE = 640
"""Pictures whose longer side is below this are enlarged before they are drawn on."""

_TEXT_SCALE = 4
"""Text is drawn this much larger, then averaged."""

_BITS = 4
"""OpenCV takes fractions of a pixel as integers with this many binary places."""


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """Pixels to draw on, and how they relate to the picture that came.

    Attributes:
        pixels: the drawing, changed in place.
        zoom: canvas pixels per pixel of the picture.
    """

    pixels: UInt8[np.ndarray, "height width 3"]
    zoom: int

    @classmethod
    def of(cls, picture: Picture, zoom: int | None = None) -> Canvas:
        """A copy of a picture, enlarged by `zoom`, or so that its longer side is legible.

        Raises:
            InvalidInput: the picture is of another kind, or `zoom` is below 1.
        """
        pixels = to_pixels(picture)
        longer = max(pixels.shape[:2])
        if zoom is None:
            zoom = max(1, -(-LEGIBLE_SIDE // longer))
        if zoom < 1:
            raise InvalidInput(f"`zoom` is a whole number of at least 1, got {zoom}")
        size = (pixels.shape[1] * zoom, pixels.shape[0] * zoom)
        if zoom == 1:
            return cls(pixels.copy(), 1)
        return cls(cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC), zoom)

    @property
    def stroke(self) -> float:
        """Width of a thin line in canvas pixels."""
        return max(1.0, max(self.pixels.shape[:2]) / LEGIBLE_SIDE)

    def place(self, point: Point) -> Point:
        """A point of the picture in canvas pixels."""
        x, y = ((value + 0.5) * self.zoom - 0.5 for value in point)
        return (x, y)

    def enlarge_mask(self, mask: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "h w"]:
        """A mask of the picture at the size of the canvas, with smooth borders."""
        height, width = (side // self.zoom for side in self.pixels.shape[:2])
        if mask.shape != (height, width):
            raise InvalidInput(
                f"a mask of {mask.shape} does not belong to a picture of {(height, width)} "
                "(height, width)"
            )
        if self.zoom == 1:
            return mask
        size = (self.pixels.shape[1], self.pixels.shape[0])
        return cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_CUBIC) >= 0.5

    def paint(self, color: Color, alpha: Float[np.ndarray, "height width"] | float) -> None:
        """Lay a colour over the canvas with an opacity in [0, 1], one number or one per pixel."""
        if isinstance(alpha, np.ndarray):
            rows, columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
            if rows.size == 0:
                return
            box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
            alpha = alpha[box][..., None].astype(np.float32)
        else:
            box = (slice(None), slice(None))
        under = self.pixels[box].astype(np.float32)
        mixed = under + (np.array(color, np.float32) - under) * alpha
        self.pixels[box] = np.rint(mixed).astype(np.uint8)

    def line(self, start: Point, end: Point, color: Color, width: float) -> None:
        """A line between two points of the canvas, `width` canvas pixels wide."""
        thickness = max(1, round(width))
        cv2.line(
            self.pixels, _fixed(start), _fixed(end), color, thickness, cv2.LINE_AA, shift=_BITS
        )

    def polygon(self, corners: list[Point], color: Color) -> None:
        """A filled convex polygon with corners on the canvas."""
        fixed = np.array([_fixed(corner) for corner in corners], np.int32)
        cv2.fillConvexPoly(self.pixels, fixed, color, cv2.LINE_AA, shift=_BITS)

    def disc(self, centre: Point, radius: float, color: Color) -> None:
        """A filled circle around a point of the canvas."""
        cv2.circle(
            self.pixels,
            _fixed(centre),
            round(radius * 2**_BITS),
            color,
            cv2.FILLED,
            cv2.LINE_AA,
            shift=_BITS,
        )

    def arrow(self, start: Point, end: Point, color: Color, width: float) -> None:
        """An arrow between two points of the canvas, with a dark rim that shows on any ground."""
        rim = max(1.0, width * 0.6)
        self._arrow(start, end, INK, width, rim)
        self._arrow(start, end, color, width, 0.0)

    def _arrow(self, start: Point, end: Point, color: Color, width: float, rim: float) -> None:
        """An arrow whose every border lies `rim` pixels further out."""
        tail, tip = np.array(start, float), np.array(end, float)
        length = float(np.hypot(*(tip - tail)))
        if length < 1e-6:
            self.disc(start, width + rim, color)
            return
        along = (tip - tail) / length
        across = np.array([-along[1], along[0]])
        head = min(3.2 * width + 2, 0.6 * length)
        half = 0.62 * head
        # The border of a triangle moved outwards by `rim`: its tip goes further than its base.
        lean = np.hypot(head, half)
        base = tip - along * (head + rim)
        side = across * (half + rim * (lean + half) / head)
        peak = tip + along * rim * lean / half
        neck = tip - along * head * 0.7
        self.line(tuple(tail), tuple(neck), color, width + 2 * rim)
        self.polygon([tuple(peak), tuple(base + side), tuple(base - side)], color)

    def text(
        self, text: str, corner: Point, size: float, color: Color = INK, anchor: str = "la"
    ) -> None:
        """Write one line of text; `corner` is where Pillow's `anchor` of the text lies.

        The letters are drawn larger and averaged: at small sizes Pillow's font rounds the width of
        every letter and space to whole pixels, which tears words apart or glues them together.
        """
        large = font(size * _TEXT_SCALE)
        left, top, right, bottom = large.getbbox(text, anchor=anchor)
        x, y = (
            np.floor([corner[0] + left / _TEXT_SCALE, corner[1] + top / _TEXT_SCALE]) - 1
        ).astype(int)
        width, height = (
            int(np.ceil(side / _TEXT_SCALE)) + 3 for side in (right - left, bottom - top)
        )
        ink = Image.new("L", (width * _TEXT_SCALE, height * _TEXT_SCALE))
        place = ((corner[0] - x) * _TEXT_SCALE, (corner[1] - y) * _TEXT_SCALE)
        ImageDraw.Draw(ink).text(place, text, fill=255, font=large, anchor=anchor)
        small = cv2.resize(np.asarray(ink), (width, height), interpolation=cv2.INTER_AREA)
        page_height, page_width = self.pixels.shape[:2]
        rows = slice(max(0, y), min(page_height, y + height))
        columns = slice(max(0, x), min(page_width, x + width))
        if rows.start < rows.stop and columns.start < columns.stop:
            inner = small[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x]
            Canvas(self.pixels[rows, columns], 1).paint(color, inner / np.float32(255))

    def label(self, text: str, centre: Point, size: float, color: Color) -> None:
        """Write a short text on a coloured pill, moved inside the canvas if it would stick out."""
        width, height = max(measure(text, size)[0] + size * 0.9, size * 1.5), size * 1.5
        x, y = (
            float(np.clip(value, side / 2 + 1, max(side / 2 + 1, limit - side / 2 - 2)))
            for value, side, limit in zip(
                centre, (width, height), self.pixels.shape[1::-1], strict=True
            )
        )
        reach = (width - height) / 2
        for rim, tone in ((1.5 * self.stroke, WHITE), (0.0, color)):
            radius = height / 2 + rim
            self.disc((x - reach, y), radius, tone)
            self.disc((x + reach, y), radius, tone)
            if reach > 0:
                left, right = x - reach, x + reach
                top, bottom = y - radius, y + radius
                self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], tone)
        ink = INK if np.dot(color, (0.299, 0.587, 0.114)) > 140 else WHITE
        self.text(text, (x, y), size, ink, "mm")

    def dim(self, strength: float, keep: Bool[np.ndarray, "height width"]) -> None:
        """Darken everything outside `keep` towards ink by `strength` in [0, 1]."""
        levels = np.arange(256)[:, None]
        table = np.rint(levels + (np.array(INK) - levels) * strength).astype(np.uint8)
        darker = cv2.LUT(self.pixels, table[None])
        np.copyto(self.pixels, darker, where=~keep[..., None])


def to_pixels(picture: Picture) -> UInt8[np.ndarray, "height width 3"]:
    """A picture as a (height, width, 3) uint8 array (not always a copy).

    Raises:
        InvalidInput: it is neither such an array nor a float tensor of (3, height, width).
    """
    if isinstance(picture, np.ndarray):
        if picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3:
            return picture
        kind = f"a {picture.dtype} array"
    elif hasattr(picture, "detach"):
        if picture.ndim == 3 and picture.shape[0] == 3 and picture.is_floating_point():
            values = picture.detach().float().cpu().numpy().transpose(1, 2, 0)
            return np.rint(values.clip(0, 1) * 255).astype(np.uint8)
        kind = f"a {picture.dtype} tensor"
    else:
        raise InvalidInput(f"cannot draw on {type(picture).__name__}; read it with `read_image`")
    raise InvalidInput(
        "expected a (height, width, 3) uint8 array or a (3, height, width) float tensor in "
        f"[0, 1], got {kind} of shape {tuple(picture.shape)}"
    )


@lru_cache(maxsize=32)
def font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font of all pictures (Aileron, which Pillow brings along)."""
    return ImageFont.load_default(size)


def measure(text: str, size: float) -> tuple[float, float]:
    """Width and height in pixels that a line of text takes."""
    left, top, right, bottom = font(size * _TEXT_SCALE).getbbox(text)
    return ((right - left) / _TEXT_SCALE, (bottom - top) / _TEXT_SCALE)


def _fixed(point: Point) -> tuple[int, int]:
    """A point as OpenCV's integers with fractional bits."""
    return (round(point[0] * 2**_BITS), round(point[1] * 2**_BITS))
