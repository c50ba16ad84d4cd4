"""Arrays of a SpelkeBench file in any number format, brought to one: uint8, bool, int64.

The published file is described with several formats and ranges. What can be told apart for certain
is converted; everything else is refused with what it looks like, never guessed.
Entry points: `as_image`, `as_masks`, `as_points`.
"""

from __future__ import annotations

import numpy as np

from spelke.errors import InvalidInput


def as_image(values: np.ndarray) -> np.ndarray:
    """Return a picture as (height, width, 3) uint8.

    Args:
        values: (height, width, 3): integers in 0 to 255, or floating-point numbers in [0, 1] or
            [0, 255]. These count as [0, 1] if none is above 1.

    Raises:
        InvalidInput: another shape, or numbers outside of these ranges. The message continues a
            sentence that begins with the name of the array.
    """
    if values.ndim != 3 or values.shape[2] != 3 or 0 in values.shape:
        raise InvalidInput(
            f"has shape {values.shape}; a picture is (height, width, 3){_hint(values.shape)}"
        )
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        raise InvalidInput("is bool, which is a mask; a picture is uint8 or floating-point")
    if not np.isfinite(values).all():
        raise InvalidInput("holds NaN or infinity; a picture has values in [0, 1] or [0, 255]")
    low, high = values.min(), values.max()
    if low < 0 or high > 255:
        raise InvalidInput(
            f"has values from {low:g} to {high:g}; accepted are [0, 1] and [0, 255]: rescale it"
        )
    is_unit = values.dtype.kind == "f" and high <= 1
    return np.rint(values.astype(np.float64) * (255 if is_unit else 1)).astype(np.uint8)


def _hint(shape: tuple[int, ...]) -> str:
    if len(shape) == 3 and shape[0] == 3:
        return ": the channels come first here, move them to the end"
    if len(shape) == 3 and shape[2] == 4:
        return ": it has a fourth channel (transparency?), drop it"
    if len(shape) == 2 or (len(shape) == 3 and shape[2] == 1):
        return ": it is grey, repeat it three times"
    return ""


def as_masks(values: np.ndarray) -> np.ndarray:
    """Return masks as (mask, height, width) bool.

    Args:
        values: (mask, height, width) bool, or numbers that are 0 and 1, or 0 and 255.

    Raises:
        InvalidInput: another shape, or other values; see `as_image`.
    """
    if values.ndim != 3:
        more = "; a single mask is (1, height, width)" if values.ndim == 2 else ""
        raise InvalidInput(f"has shape {values.shape}; masks are (mask, height, width){more}")
    if values.dtype == np.bool_ or values.size == 0:
        return values.astype(bool)
    high = values.max()
    if high not in (0, 1, 255) or not ((values == 0) | (values == high)).all():
        some = ", ".join(f"{value:g}" for value in np.unique(values)[:4])
        raise InvalidInput(
            f"is not binary: it holds {some}, … up to {high:g}; masks are bool, 0 and 1, or 0 and "
            "255: compare with a threshold, or split a label map into its masks"
        )
    return values == high if high else np.zeros(values.shape, bool)


def as_points(values: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Return points as (point, 2) int64 `(x, y)`, rounded to the nearest pixel.

    Args:
        values: (point, 2) numbers.
        size: (height, width) that the points must lie in.

    Raises:
        InvalidInput: another shape, or points outside; see `as_image`.
    """
    if values.ndim != 2 or values.shape[1] != 2:
        raise InvalidInput(f"has shape {values.shape}; points are (point, 2), each (x, y)")
    if not np.isfinite(values).all():
        raise InvalidInput("holds NaN or infinity; points are pixels (x, y)")
    if values.dtype.kind == "f" and values.size and values.max() <= 1 and (values % 1).any():
        raise InvalidInput(
            "lies in [0, 1]: these look like fractions of the size; points are pixels (x, y)"
        )
    pixels = np.floor(values.astype(np.float64) + 0.5).astype(np.int64)
    height, width = size
    outside = np.flatnonzero(((pixels < 0) | (pixels >= (width, height))).any(1))
    if outside.size:
        x, y = values[outside[0]]
        raise InvalidInput(
            f"has {outside.size} of {len(values)} points outside of the {width}x{height} picture, "
            f"the first is ({x:g}, {y:g}); points are pixels (x, y)"
        )
    return pixels
