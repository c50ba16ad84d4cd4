"""Several pictures on one page: all that was found in one image, or a contact sheet of many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from spelke.errors import InvalidInput
from spelke.types import Poke, Segment
from spelke.viz.arrows import draw_displacement
from spelke.viz.canvas import INK, Canvas, Picture, measure, to_pixels
from spelke.viz.heat import draw_heat
from spelke.viz.overlay import draw_pokes, draw_segment, draw_segments

_GREY = (112, 116, 126)
_MAX_LINES = 3
"""Lines that a note may take."""


class Panel(NamedTuple):
    """A picture with what is written above and below it."""

    picture: UInt8[np.ndarray, "height width 3"]
    title: str = ""
    note: str = ""


def draw_sheet(
    image: Picture,
    *,
    affordance: Float[np.ndarray, "rows columns"] | None = None,
    displacement: Float[np.ndarray, "2 height width"] | None = None,
    pokes: Sequence[Poke] = (),
    segments: Sequence[Segment] = (),
    title: str = "",
    columns: int | None = None,
) -> UInt8[np.ndarray, "page_height page_width 3"]:
    """Draw the picture and whatever was found in it side by side.

    Args:
        image: the picture.
        affordance: motion affordance in [0, 1], at any resolution.
        displacement: flow in pixels of the picture that `pokes` cause.
        pokes: drawn over the picture and the displacement.
        segments: one is drawn alone with its pokes and confidence; several are numbered.
        title: above everything.
        columns: pictures per row; four make two rows, fewer one, if it is not given.
    """
    points = [segment.point for segment in segments]
    start = draw_pokes(image, pokes) if pokes else Canvas.of(image).pixels
    panels = [Panel(start, "Image", _asked(pokes, points))]
    if affordance is not None:
        panels.append(
            Panel(draw_heat(image, affordance, high=1.0), "Motion affordance", "probability")
        )
    if displacement is not None:
        note = "what follows from the pokes" if pokes else ""
        panels.append(Panel(draw_displacement(image, displacement), "Expected displacement", note))
    if len(segments) == 1:
        note = segments[0].remark or f"confidence {segments[0].confidence:.2f}"
        panels.append(Panel(draw_segment(image, segments[0]), "Segment", note))
    elif segments:
        picture = draw_segments(image, segments, numbered=True)
        panels.append(Panel(picture, "Segments", f"{len(segments)} found"))
    height = min(640, max(panel.picture.shape[0] for panel in panels))
    columns = columns or (2 if len(panels) == 4 else len(panels))
    return arrange(panels, columns=columns, cell_height=height, title=title)


def draw_contact_sheet(
    pictures: Sequence[tuple[str, Picture]],
    *,
    columns: int | None = None,
    cell_height: int = 240,
    title: str = "",
) -> UInt8[np.ndarray, "page_height page_width 3"]:
    """Draw many pictures with their captions in rows of equal height.

    Args:
        pictures: caption and picture of each.
        columns: pictures per row; about as many as rows, half as many again, if it is not given.
        cell_height: height of each picture in pixels.
        title: above everything.

    Raises:
        InvalidInput: there are no pictures.
    """
    panels = [Panel(to_pixels(picture), note=caption) for caption, picture in pictures]
    columns = columns or max(1, round((1.5 * len(panels)) ** 0.5))
    return arrange(panels, columns=columns, cell_height=cell_height, title=title)


def arrange(
    panels: Sequence[Panel], *, columns: int, cell_height: int, title: str = ""
) -> UInt8[np.ndarray, "page_height page_width 3"]:
    """Set panels in rows on a white page; every picture gets the same height.

    Raises:
        InvalidInput: there are no panels, or a size is below 1.
    """
    if not panels:
        raise InvalidInput("a sheet needs at least one picture, got none")
    if columns < 1 or cell_height < 1:
        raise InvalidInput(
            f"columns and cell height are at least 1, got {columns} and {cell_height}"
        )
    size = max(11.0, cell_height / 26)
    gap = round(1.2 * size)
    scaled = [panel._replace(picture=_fit(panel.picture, cell_height)) for panel in panels]
    rows = [scaled[start : start + columns] for start in range(0, len(scaled), columns)]
    widths = [
        max(_width(row[column], size) for row in rows if column < len(row))
        for column in range(min(columns, len(panels)))
    ]
    notes = [
        [_wrap(panel.note, size, width) for panel, width in zip(row, widths, strict=False)]
        for row in rows
    ]
    above = round(2.0 * size) if any(panel.title for panel in panels) else 0
    below = [round(1.4 * size * max(len(lines) for lines in row)) for row in notes]
    head = round(3.2 * size) if title else 0
    height = head + gap + len(rows) * (above + cell_height + gap) + sum(below)
    page = Canvas(np.full((height, sum(widths) + gap * (len(widths) + 1), 3), 255, np.uint8), 1)
    if title:
        page.text(title, (gap, gap), 1.7 * size)
    top = head + gap
    for row, row_notes, row_below in zip(rows, notes, below, strict=True):
        left = gap
        for panel, lines, width in zip(row, row_notes, widths, strict=False):
            _set(page, panel, lines, (left, top + above), size)
            left += width + gap
        top += above + cell_height + row_below + gap
    return page.pixels


def _set(
    page: Canvas, panel: Panel, lines: Sequence[str], corner: tuple[int, int], size: float
) -> None:
    """Put one panel on the page; `corner` is the left top of its picture."""
    left, top = corner
    height, width = panel.picture.shape[:2]
    page.pixels[top : top + height, left : left + width] = panel.picture
    page.text(panel.title, (left, top - 0.45 * size), 1.25 * size, INK, "ls")
    for number, line in enumerate(lines):
        page.text(line, (left, top + height + (0.45 + 1.35 * number) * size), size, _GREY, "la")


def _width(panel: Panel, size: float) -> int:
    """Width of a panel: that of its picture, or of its title where that is longer."""
    return max(panel.picture.shape[1], math.ceil(measure(panel.title, 1.25 * size)[0]))


def _fit(picture: np.ndarray, height: int) -> np.ndarray:
    """A picture resized to a height."""
    width = max(1, round(picture.shape[1] * height / picture.shape[0]))
    shrinks = height < picture.shape[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(picture, (width, height), interpolation=method)


def _wrap(text: str, size: float, width: float) -> list[str]:
    """A text in lines that fit a width, three at most; what does not fit ends in an ellipsis."""
    lines: list[str] = []
    for word in text.split():
        if lines and measure(f"{lines[-1]} {word}", size)[0] <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if len(lines) > _MAX_LINES:
        lines = [*lines[: _MAX_LINES - 1], " ".join(lines[_MAX_LINES - 1 :])]
    return [_shorten(line, size, width) for line in lines]


def _shorten(text: str, size: float, width: float) -> str:
    """A text cut to fit a width, with an ellipsis where something is left out."""
    if measure(text, size)[0] <= width:
        return text
    while text and measure(text + "…", size)[0] > width:
        text = text[:-1]
    return text.rstrip() + "…"


def _asked(pokes: Sequence[Poke], points: Sequence[tuple[float, float]]) -> str:
    """What was asked about the picture, in a few words."""
    if pokes:
        return f"{len(pokes)} poke{'s' if len(pokes) > 1 else ''}"
    if len(points) == 1:
        return f"asked about ({points[0][0]:.0f}, {points[0][1]:.0f})"
    return ""
