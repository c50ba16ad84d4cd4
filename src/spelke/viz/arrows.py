"""A displacement field as arrows on a grid, coloured by direction."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from spelke.errors import InvalidInput
from spelke.flow.colors import flow_to_image
from spelke.viz.canvas import INK, WHITE, Canvas, Color, Picture, measure

_ARROWS_ALONG = 26
"""Number of grid cells along the longer side."""
_REACH = 1.7
"""Length of the longest arrow in cells."""
_STILL = 0.08
"""Share of the longest displacement below which a cell counts as still."""


def draw_displacement(
    image: Picture,
    flow: Float[np.ndarray, "2 height width"],
    *,
    longest: float | None = None,
    zoom: int | None = None,
) -> UInt8[np.ndarray, "drawn_height drawn_width 3"]:
    """Draw how far each place moves: one arrow per grid cell, the mean of the cell.

    The arrows are drawn longer or shorter than they are, so that the longest reaches over not
    quite two cells; the key in the corner gives the true length. What does not move stays bare.

    Args:
        image: the picture; it is shown pale under the arrows.
        flow: in pixels of the picture, dx then dy.
        longest: length in pixels of the longest arrow, for pictures to be compared; that of this
            flow if it is not given.
        zoom: whole factor of enlargement; small pictures are enlarged unless it is given.

    Raises:
        InvalidInput: the flow has another size than the picture.
    """
    canvas = Canvas.of(image, zoom)
    _pale(canvas)
    height, width = (side // canvas.zoom for side in canvas.pixels.shape[:2])
    if flow.shape != (2, height, width):
        raise InvalidInput(
            f"a flow of {flow.shape} does not belong to a picture of {(height, width)} (height, "
            f"width); expected (2, {height}, {width})"
        )
    cells, starts, step = _mean_of_cells(np.asarray(flow, np.float32))
    lengths = np.hypot(*cells)
    longest = float(lengths.max(initial=0.0)) if longest is None else longest
    if longest <= 0:
        return canvas.pixels
    _paint_arrows(canvas, cells, starts, longest, _REACH * step)
    _key(canvas, longest, _REACH * step * canvas.zoom)
    return canvas.pixels


def _paint_arrows(
    canvas: Canvas, cells: np.ndarray, starts: np.ndarray, longest: float, reach: float
) -> None:
    """One arrow per cell that moves; the longest displacement is `reach` picture pixels long."""
    colors = flow_to_image(_unit(cells), 1.0)
    lengths = np.hypot(*cells)
    # Short arrows first: the long ones lie on top.
    for row, column in zip(
        *np.unravel_index(np.argsort(lengths, None), lengths.shape), strict=True
    ):
        if lengths[row, column] < _STILL * longest:
            continue
        x, y = starts[:, row, column]
        dx, dy = cells[:, row, column] * reach / longest
        color: Color = tuple(int(level) for level in colors[row, column])  # type: ignore[assignment]
        share = min(float(lengths[row, column]) / longest, 1.0)
        canvas.arrow(
            canvas.place((x, y)),
            canvas.place((x + dx, y + dy)),
            color,
            canvas.stroke * (1.2 + 1.2 * share),
        )


def _pale(canvas: Canvas) -> None:
    """Take most of the colour and some of the contrast out of the picture."""
    grey = cv2.cvtColor(canvas.pixels, cv2.COLOR_RGB2GRAY)
    canvas.pixels[:] = np.rint(52 + 0.50 * grey)[..., None]


def _mean_of_cells(flow: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean displacement of each cell (2, rows, columns), the cells' middles, and their side."""
    height, width = flow.shape[1:]
    step = max(height, width) / min(_ARROWS_ALONG, max(height, width))
    rows, columns = max(1, round(height / step)), max(1, round(width / step))
    means = np.stack(
        [
            cv2.resize(np.ascontiguousarray(plane), (columns, rows), interpolation=cv2.INTER_AREA)
            for plane in np.nan_to_num(flow)
        ]
    )
    x = (np.arange(columns) + 0.5) * width / columns - 0.5
    y = (np.arange(rows) + 0.5) * height / rows - 0.5
    return means, np.stack(np.meshgrid(x, y)), step


def _unit(cells: np.ndarray) -> np.ndarray:
    """Directions: the displacements, each of length (just below) 1."""
    return 0.999 * cells / np.maximum(np.hypot(*cells), 1e-9)


def _key(canvas: Canvas, longest: float, length: float) -> None:
    """An arrow of the longest displacement with its true length, on a dark plate."""
    size = 15 * canvas.stroke
    text = f"{longest:.0f} px" if longest >= 10 else f"{longest:.1f} px"
    text_width = measure(text, size)[0]
    pad = 0.7 * size
    plate = (length + text_width + 3.2 * pad, 2.0 * size)
    left, top = pad, canvas.pixels.shape[0] - pad - plate[1]
    alpha = np.zeros(canvas.pixels.shape[:2], np.float32)
    alpha[int(top) : int(top + plate[1]), int(left) : int(left + plate[0])] = 0.82
    canvas.paint(INK, alpha)
    middle = top + plate[1] / 2
    canvas.arrow((left + pad, middle), (left + pad + length, middle), WHITE, canvas.stroke * 2.4)
    canvas.text(text, (left + length + 2.2 * pad, middle), size, WHITE, "lm")
