"""Points and displacements, and how they change when an image is resized.

A point is `(x, y)`, x right, y down, and (0, 0) is the *centre* of the top-left pixel. Pixel `i`
therefore reaches from `i - 0.5` to `i + 0.5`, and resizing by `s` takes `x` to
`(x + 0.5) * s - 0.5`. Displacements have no origin: they are only multiplied by `s`.
"""

from __future__ import annotations

import math
from typing import TypeVar

from spelke.errors import InvalidInput
from spelke.types import Point, Poke

Coordinate = TypeVar("Coordinate")
"""A number, or an array or tensor of any shape."""


def rescale_coordinate(coordinate: Coordinate, scale: float) -> Coordinate:
    """Where a coordinate (or an array of them) lies after resizing by `scale`."""
    return (coordinate + 0.5) * scale - 0.5  # type: ignore[operator]


def rescale_point(point: Point, from_size: tuple[int, int], to_size: tuple[int, int]) -> Point:
    """Where a point lies after its image is resized.

    Args:
        point: `(x, y)` in the image of `from_size`.
        from_size: (height, width) before.
        to_size: (height, width) after.

    Raises:
        InvalidInput: a size is not positive.
    """
    scale_x, scale_y = _scales(from_size, to_size)
    return (rescale_coordinate(point[0], scale_x), rescale_coordinate(point[1], scale_y))


def rescale_displacement(
    displacement: tuple[float, float], from_size: tuple[int, int], to_size: tuple[int, int]
) -> tuple[float, float]:
    """A displacement `(dx, dy)` after its image is resized from `from_size` to `to_size`.

    Raises:
        InvalidInput: a size is not positive.
    """
    scale_x, scale_y = _scales(from_size, to_size)
    return (displacement[0] * scale_x, displacement[1] * scale_y)


def rescale_poke(poke: Poke, from_size: tuple[int, int], to_size: tuple[int, int]) -> Poke:
    """A poke after its image is resized from `from_size` to `to_size` (height, width).

    Raises:
        InvalidInput: a size is not positive.
    """
    return Poke(
        rescale_point(poke.point, from_size, to_size),
        rescale_displacement(poke.displacement, from_size, to_size),
    )


def is_inside(point: Point, image_size: tuple[int, int]) -> bool:
    """Whether a point lies on a pixel of an image of `image_size` (height, width)."""
    height, width = image_size
    return -0.5 <= point[0] < width - 0.5 and -0.5 <= point[1] < height - 0.5


def check_inside(point: Point, image_size: tuple[int, int]) -> None:
    """Refuse a point outside an image of `image_size` (height, width).

    Raises:
        InvalidInput: the point lies outside; the message gives the accepted ranges.
    """
    if not is_inside(point, image_size):
        height, width = image_size
        raise InvalidInput(
            f"point ({point[0]:g}, {point[1]:g}) lies outside the image: x must lie between 0 and "
            f"{width - 1} and y between 0 and {height - 1}, given as (x, y) in pixels, x right, "
            "y down"
        )


def pixel_of(point: Point, image_size: tuple[int, int]) -> tuple[int, int]:
    """`(row, column)` of the pixel that holds a point: the index into a `(height, width)` array.

    Raises:
        InvalidInput: the point lies outside the image.
    """
    check_inside(point, image_size)
    # Not round(): it sends halves to the even neighbour, and -0.5 + 1e-17 to pixel -1.
    column, row = (math.floor(value + 0.5) for value in point)
    return (min(row, image_size[0] - 1), min(column, image_size[1] - 1))


def _scales(from_size: tuple[int, int], to_size: tuple[int, int]) -> tuple[float, float]:
    """Factors in x and y."""
    if min(*from_size, *to_size) < 1:
        raise InvalidInput(
            f"image sizes must be positive (height, width), got {from_size} and {to_size}"
        )
    return (to_size[1] / from_size[1], to_size[0] / from_size[0])
