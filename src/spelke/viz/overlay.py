"""Segments, points and pokes drawn over the picture they belong to."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from spelke.types import Point, Poke, Segment
from spelke.viz.canvas import INK, WHITE, Canvas, Color, Picture

PALETTE: tuple[Color, ...] = (
    (40, 140, 255),
    (255, 92, 57),
    (255, 196, 30),
    (25, 190, 160),
    (190, 96, 255),
    (150, 214, 60),
    (255, 112, 184),
    (90, 214, 255),
    (200, 144, 92),
    (130, 140, 255),
)
"""Colours of the first, second … segment; after the last they begin again."""

_FILL = 0.42
_DIM = 0.38


def draw_segment(
    image: Picture,
    segment: Segment,
    *,
    color: Color = PALETTE[0],
    show_pokes: bool = True,
    zoom: int | None = None,
) -> UInt8[np.ndarray, "drawn_height drawn_width 3"]:
    """Draw one segment: tinted and outlined, the rest dimmed, the point and the pokes on top.

    Args:
        image: the picture.
        segment: what to draw; its mask has the picture's size.
        color: of the tint.
        show_pokes: whether the virtual pokes that decided the segment are drawn.
        zoom: whole factor of enlargement; small pictures are enlarged unless it is given.

    Raises:
        InvalidInput: the mask has another size than the picture.
    """
    canvas = Canvas.of(image, zoom)
    mask = canvas.enlarge_mask(segment.mask)
    if mask.any():
        canvas.dim(_DIM, mask)
    _paint_segment(canvas, mask, color)
    if show_pokes:
        _paint_pokes(canvas, segment.pokes, WHITE)
    _paint_point(canvas, segment.point, color)
    return canvas.pixels


def draw_segments(
    image: Picture,
    segments: Sequence[Segment],
    *,
    numbered: bool = False,
    show_points: bool = True,
    zoom: int | None = None,
) -> UInt8[np.ndarray, "drawn_height drawn_width 3"]:
    """Draw many segments, each in its colour; smaller ones lie over larger ones.

    Args:
        image: the picture.
        segments: what to draw.
        numbered: whether each carries its place in the list, counted from 1.
        show_points: whether the points asked about are drawn.
        zoom: whole factor of enlargement; small pictures are enlarged unless it is given.

    Raises:
        InvalidInput: a mask has another size than the picture.
    """
    canvas = Canvas.of(image, zoom)
    masks = [canvas.enlarge_mask(segment.mask) for segment in segments]
    if masks:
        canvas.dim(_DIM, np.logical_or.reduce(masks))
    for index in sorted(range(len(masks)), key=lambda index: -masks[index].sum()):
        _paint_segment(canvas, masks[index], PALETTE[index % len(PALETTE)])
    for index, segment in enumerate(segments):
        color = PALETTE[index % len(PALETTE)]
        if numbered:
            canvas.label(str(index + 1), canvas.place(segment.point), 15 * canvas.stroke, color)
        elif show_points:
            _paint_point(canvas, segment.point, color)
    return canvas.pixels


def draw_pokes(
    image: Picture, pokes: Sequence[Poke], *, color: Color = PALETTE[2], zoom: int | None = None
) -> UInt8[np.ndarray, "drawn_height drawn_width 3"]:
    """Draw pokes as arrows; one of zero length (nothing moves here) is a dot."""
    canvas = Canvas.of(image, zoom)
    _paint_pokes(canvas, pokes, color)
    return canvas.pixels


def draw_point(
    image: Picture, point: Point, *, color: Color = PALETTE[0], zoom: int | None = None
) -> UInt8[np.ndarray, "drawn_height drawn_width 3"]:
    """Mark one point."""
    canvas = Canvas.of(image, zoom)
    _paint_point(canvas, point, color)
    return canvas.pixels


def _paint_segment(canvas: Canvas, mask: Bool[np.ndarray, "height width"], color: Color) -> None:
    """A tint and an outline: white on a dark rim, so that it shows on any ground."""
    if not mask.any():
        return
    rows, columns = (_reach(np.any(mask, axis), 4 * canvas.stroke) for axis in (1, 0))
    part = Canvas(canvas.pixels[rows, columns], canvas.zoom)
    distance = _distance_to_border(mask[rows, columns])
    part.paint(color, np.clip(distance + 0.5, 0, 1) * _FILL)
    for tone, width, alpha in ((INK, 4.2, 0.55), (WHITE, 2.0, 1.0)):
        half = width * canvas.stroke / 2
        part.paint(tone, np.clip(half + 0.5 - np.abs(distance), 0, 1) * alpha)


def _reach(present: np.ndarray, margin: float) -> slice:
    """From the first to the last true place, and `margin` further."""
    places, margin = np.flatnonzero(present), int(margin) + 1
    return slice(max(0, places[0] - margin), places[-1] + margin + 1)


def _distance_to_border(mask: Bool[np.ndarray, "height width"]) -> np.ndarray:
    """Distance of each pixel centre to the mask's border in pixels, positive inside."""
    # A frame of its own value: a mask that touches the image's border has no outline there.
    framed = np.pad(mask.astype(np.uint8), 1, mode="edge")
    inside = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    outside = cv2.distanceTransform(1 - framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Where all is inside (or outside) the distance is meaningless and very large, which is right.
    return np.where(framed, inside - 0.5, 0.5 - outside)[1:-1, 1:-1]


def _paint_point(canvas: Canvas, point: Point, color: Color) -> None:
    """A dot with a white ring and a dark rim."""
    centre = canvas.place(point)
    for radius, tone in ((8.4, INK), (7.2, WHITE), (4.6, color)):
        canvas.disc(centre, radius * canvas.stroke * 0.85, tone)


def _paint_pokes(canvas: Canvas, pokes: Sequence[Poke], color: Color) -> None:
    """Arrows in the picture's own measure; dots where nothing is moved."""
    for poke in pokes:
        start = canvas.place(poke.point)
        if poke.length == 0:
            for radius, tone in ((4.4, INK), (3.2, color)):
                canvas.disc(start, radius * canvas.stroke, tone)
        else:
            canvas.arrow(start, canvas.place(poke.end), color, 2.0 * canvas.stroke)
