"""A map of numbers over a picture, with the bar that says what the colours mean."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from spelke.errors import InvalidInput
from spelke.viz.canvas import INK, Canvas, Picture, measure

_OPACITY = 0.66


def draw_heat(
    image: Picture,
    values: Float[np.ndarray, "rows columns"],
    *,
    low: float = 0.0,
    high: float | None = None,
    bar: bool = True,
    zoom: int | None = None,
) -> UInt8[np.ndarray, "drawn_height drawn_width 3"]:
    """Draw a map (motion affordance, an error, a length) as heat over the picture in grey.

    Args:
        image: the picture.
        values: the map; coarser maps are interpolated to the picture's size.
        low: value of the darkest colour.
        high: value of the brightest colour; the greatest of the map if it is not given.
        bar: whether a bar of colours with its numbers is set at the right; the result is then
            wider than the picture.
        zoom: whole factor of enlargement; small pictures are enlarged unless it is given.

    Raises:
        InvalidInput: `values` is not a 2-D array of finite numbers, or `high` is below `low`.
    """
    values = np.asarray(values, np.float32)
    if values.ndim != 2 or values.size == 0 or not np.isfinite(values).all():
        raise InvalidInput(
            f"expected a (rows, columns) map of finite numbers, got shape {values.shape}; "
            "replace NaN before drawing"
        )
    high = float(values.max()) if high is None else high
    if high < low:
        raise InvalidInput(f"the brightest value {high:g} is below the darkest, {low:g}")
    canvas = Canvas.of(image, zoom)
    height, width = canvas.pixels.shape[:2]
    share = (values - low) / max(high - low, 1e-12)
    share = cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR)
    heat = _colour(np.clip(share, 0, 1)).astype(np.float32)
    grey = cv2.cvtColor(canvas.pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)[..., None]
    mixed = np.rint(_OPACITY * heat + (1 - _OPACITY) * grey).astype(np.uint8)
    if not bar:
        return mixed
    return np.concatenate([mixed, _bar(height, canvas.stroke, low, high)], 1)


def _colour(share: np.ndarray) -> np.ndarray:
    """RGB of shares in [0, 1] in the perceptually even scale inferno."""
    levels = np.rint(share * 255).astype(np.uint8)
    return cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1]


def _bar(
    height: int, stroke: float, low: float, high: float
) -> UInt8[np.ndarray, "drawn_height drawn_width 3"]:
    """The bar and its three numbers on white."""
    size = min(15 * stroke, height / 6)
    texts = [_number(value) for value in (high, (low + high) / 2, low)]
    gap, thick = round(0.8 * size), round(1.1 * size)
    width = round(gap * 1.6 + thick + max(measure(text, size)[0] for text in texts) + gap)
    canvas = Canvas(np.full((height, width, 3), 255, np.uint8), 1)
    top, bottom = round(size * 0.7), height - round(size * 0.7)
    ramp = np.linspace(1, 0, bottom - top, dtype=np.float32)[:, None]
    heat = _colour(np.repeat(ramp, thick, 1))
    canvas.pixels[top:bottom, gap : gap + thick] = heat
    for text, y in zip(texts, (top, (top + bottom) / 2, bottom - 1), strict=True):
        canvas.line((gap + thick, y), (gap * 1.4 + thick, y), INK, stroke)
        canvas.text(text, (gap * 1.6 + thick, y), size, INK, "lm")
    return canvas.pixels


def _number(value: float) -> str:
    """Two significant digits, without the zeros that say nothing."""
    return f"{value:.2g}"
