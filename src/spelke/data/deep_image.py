"""Colour pictures with 16 bits a channel, which Pillow would cut to 8 or refuse."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from spelke.errors import BadFile

_BITS_PER_SAMPLE, _ORIENTATION = 258, 274
"""Tags of TIFF and EXIF."""

_TURNS = {
    2: lambda array: array[:, ::-1],
    3: lambda array: array[::-1, ::-1],
    4: lambda array: array[::-1],
    5: lambda array: array.transpose(1, 0, 2),
    6: lambda array: array.transpose(1, 0, 2)[:, ::-1],
    7: lambda array: array.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda array: array.transpose(1, 0, 2)[::-1],
}
"""EXIF orientation to what makes the picture upright; 1 is upright already."""


def is_deep(image: Image.Image, data: bytes) -> bool:
    """Whether a file holds 16 bits a channel in more than one channel.

    Args:
        image: the file as Pillow opened it.
        data: the file.
    """
    if image.format == "PNG":
        # Byte 24 of a PNG is its bit depth, byte 25 its colour type: 2 RGB, 4 grey + alpha, 6 RGBA.
        return data[24] == 16 and data[25] > 0
    if image.format == "TIFF":
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, (8,))  # type: ignore[attr-defined]
        return len(bits) > 1 and max(bits) == 16
    return False


def orientation_left(image: Image.Image) -> int:
    """The EXIF orientation that `read_deep` must still apply: OpenCV turns TIFFs itself."""
    return 1 if image.format == "TIFF" else image.getexif().get(_ORIENTATION, 1)


def is_tiff(data: bytes) -> bool:
    """Whether a file begins like a TIFF."""
    return data[:4] in (b"II*\0", b"MM\0*")


def read_deep(data: bytes, name: str, orientation: int = 1) -> np.ndarray:
    """Decode a file in its own bit depth.

    Args:
        data: the file.
        name: what to call it in an error.
        orientation: EXIF orientation, 1 to 8.

    Returns:
        (height, width) grey or (height, width, 3 or 4) RGB(A) array of the file's number type.

    Raises:
        BadFile: OpenCV cannot decode it.
    """
    array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None:
        raise BadFile(f"{name} is truncated, corrupt, or of a kind of TIFF or PNG that is unknown")
    if array.ndim == 2:
        return array
    order = cv2.COLOR_BGR2RGB if array.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    turn = _TURNS.get(orientation, lambda upright: upright)
    return np.ascontiguousarray(turn(cv2.cvtColor(array, order)))
