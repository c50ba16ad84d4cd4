"""The nouns: what passes between the rooms of the library.

All are frozen and check themselves. Points are `(x, y)` in pixels, x right, y down, and (0, 0) is
the centre of the top-left pixel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np

from spelke.errors import InvalidInput

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Poke:
    """A virtual push: what lies at `point` moves by `displacement`, both in pixels of one image."""

    point: Point
    displacement: tuple[float, float]

    def __post_init__(self) -> None:
        for name, pair in (("point", self.point), ("displacement", self.displacement)):
            if len(pair) != 2 or not all(math.isfinite(value) for value in pair):
                raise InvalidInput(f"poke {name} must be two finite numbers (x, y), got {pair!r}")

    @classmethod
    def still(cls, point: Point) -> Poke:
        """A poke of zero length: the statement that nothing moves at `point`."""
        return cls(point, (0.0, 0.0))

    @property
    def end(self) -> Point:
        """Where the poked point arrives."""
        return (self.point[0] + self.displacement[0], self.point[1] + self.displacement[1])

    @property
    def length(self) -> float:
        """Length of the push in pixels."""
        return math.hypot(*self.displacement)


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A region that moves as one when poked.

    Attributes:
        mask: (height, width) bool, at the resolution of the user's image.
        point: the point that was asked about, `(x, y)`.
        confidence: in [0, 1]; how sure the model is that something moves here, and moves as one.
        pokes: the virtual pokes that decided it, in pixels of the user's image.
        remark: empty, or one sentence a user should read (for instance: nothing would move here).
    """

    mask: np.ndarray
    point: Point
    confidence: float
    pokes: tuple[Poke, ...] = ()
    remark: str = ""

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise InvalidInput(
                "a segment's mask must be a (height, width) bool array, "
                f"got {self.mask.dtype} of shape {self.mask.shape}"
            )
        if not 0.0 <= self.confidence <= 1.0:
            raise InvalidInput(f"confidence must lie in [0, 1], got {self.confidence}")

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(self.mask.sum())

    @property
    def box(self) -> tuple[int, int, int, int]:
        """`(left, top, width, height)` in pixels (COCO order); all zero for an empty segment."""
        rows = np.flatnonzero(self.mask.any(1))
        columns = np.flatnonzero(self.mask.any(0))
        if rows.size == 0:
            return (0, 0, 0, 0)
        left, top = int(columns[0]), int(rows[0])
        return (left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1)


@dataclass(frozen=True, slots=True, eq=False)
class Segments(Sequence[Segment]):
    """The segments of one image, in the order in which they were found."""

    image_size: tuple[int, int]
    """(height, width) of the image."""
    items: tuple[Segment, ...] = field(default=())

    def __post_init__(self) -> None:
        for segment in self.items:
            if segment.mask.shape != self.image_size:
                raise InvalidInput(
                    f"a segment of shape {segment.mask.shape} does not belong to an image of "
                    f"size {self.image_size} (height, width)"
                )

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> Segment: ...

    @overload
    def __getitem__(self, index: slice) -> Segments: ...

    def __getitem__(self, index: int | slice) -> Segment | Segments:
        if isinstance(index, slice):
            return Segments(self.image_size, self.items[index])
        return self.items[index]

    def __iter__(self) -> Iterator[Segment]:
        return iter(self.items)

    def at_least(self, confidence: float) -> Segments:
        """Keep the segments whose confidence reaches `confidence`."""
        kept = tuple(item for item in self.items if item.confidence >= confidence)
        return Segments(self.image_size, kept)
