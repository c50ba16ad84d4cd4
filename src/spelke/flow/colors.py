"""Flow as colour: the hue tells the direction, the saturation the length.

Source: Baker et al. 2011, "A Database and Evaluation Methodology for Optical Flow", the colour
coding of the Middlebury benchmark.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

from spelke.errors import InvalidInput

_ARCS = (("red", 15), ("yellow", 6), ("green", 4), ("cyan", 11), ("blue", 13), ("magenta", 6))
"""Where each arc of the wheel begins, and its number of columns: more where the eye sees more."""

_TINY = 1e-5
"""Added to the longest displacement, so that a still picture is white and not a division by 0."""


def color_wheel() -> Float[np.ndarray, "55 3"]:
    """The hues of the wheel as RGB from 0 to 255, from red over yellow, green … and back."""
    corners = {
        "red": (255, 0, 0),
        "yellow": (255, 255, 0),
        "green": (0, 255, 0),
        "cyan": (0, 255, 255),
        "blue": (0, 0, 255),
        "magenta": (255, 0, 255),
    }
    names = [name for name, _ in _ARCS]
    columns = []
    for (name, count), following in zip(_ARCS, [*names[1:], names[0]], strict=True):
        start, end = np.array(corners[name], float), np.array(corners[following], float)
        # Whole levels, and rounded towards the level that the arc leaves, as the benchmark does.
        level = np.floor(255 * np.arange(count) / count)[:, None] / 255
        columns.append(start + (end - start) * level)
    return np.concatenate(columns)


def flow_to_image(
    flow: Float[np.ndarray, "2 height width"], longest: float | None = None
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw a flow with the colour wheel; what does not move is white.

    Args:
        flow: in pixels, dx then dy. Unknown places (NaN) are drawn black.
        longest: length in pixels that is drawn in full colour, for pictures to be compared; longer
            displacements are drawn darker. The longest of this flow if it is not given.

    Raises:
        InvalidInput: the shape is not (2, height, width), or `longest` is not positive.
    """
    flow = np.asarray(flow, np.float64)
    if flow.ndim != 3 or flow.shape[0] != 2:
        raise InvalidInput(f"expected a flow of (2, height, width), got {flow.shape}")
    if longest is not None and longest <= 0:
        raise InvalidInput(f"`longest` must be a positive number of pixels, got {longest:g}")
    known = np.isfinite(flow).all(0)
    dx, dy = np.where(known, flow, 0.0)
    length = np.hypot(dx, dy)
    full = length.max(initial=0.0) if longest is None else longest
    scale = full + (_TINY if longest is None else 0.0)
    image = _colour(dx / scale, dy / scale)
    image[~known] = 0
    return image


def _colour(dx: np.ndarray, dy: np.ndarray) -> UInt8[np.ndarray, "height width 3"]:
    """Colours of displacements in units of the longest."""
    wheel = color_wheel()
    length = np.hypot(dx, dy)[..., None]
    turn = (np.arctan2(-dy, -dx) / np.pi + 1) / 2 * (len(wheel) - 1)
    below = np.floor(turn).astype(int)
    share = (turn - below)[..., None]
    hue = (1 - share) * wheel[below] + share * wheel[(below + 1) % len(wheel)]
    hue = hue / 255
    inside = 1 - length * (1 - hue)
    return np.floor(255 * np.where(length <= 1, inside, 0.75 * hue)).astype(np.uint8)
