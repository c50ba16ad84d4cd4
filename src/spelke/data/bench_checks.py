"""What can be said against a picture of a benchmark: faults, and remarks on what is merely odd.

Entry points: `disagreements`, `remarks`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spelke.data.test_item import TestItem


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about one picture that a user should know.

    Attributes:
        key: the picture.
        kind: one word or two by which findings are counted.
        text: what was found, what is accepted, what to do.
        is_fault: the picture cannot be asked about; otherwise it can, and this is a remark.
    """

    key: str
    kind: str
    text: str
    is_fault: bool = True

    def __str__(self) -> str:
        return f"{self.key}: {self.text}"


def disagreements(
    key: str, image: np.ndarray, masks: np.ndarray, points: np.ndarray
) -> Iterator[Finding]:
    """Find arrays that do not fit each other."""
    if len(masks) != len(points):
        text = f"has {len(masks)} segments but {len(points)} points; each point needs its segment"
        yield Finding(key, "count", text)
    if masks.shape[1:] != image.shape[:2]:
        text = (
            f"its segments are {masks.shape[1:]} (height, width), its picture {image.shape[:2]}; "
            "they must agree"
        )
        yield Finding(key, "size", text)


def remarks(item: TestItem) -> Iterator[Finding]:
    """Find what is odd but can be asked about and scored as published."""
    rows = np.arange(len(item.points))
    if not rows.size:
        text = "has no segments, so there is nothing to ask; its published scores are 0"
        yield Finding(item.key, "nothing to ask", text, is_fault=False)
    empty = np.flatnonzero(~item.segments.any((1, 2)))
    if empty.size:
        which = ", ".join(map(str, empty))
        text = f"segment {which} (counted from 0) is empty; only an empty answer can match it"
        yield Finding(item.key, "empty mask", text, is_fault=False)
    x, y = item.points.T
    off = np.flatnonzero(~item.segments[rows, y, x] & item.segments.any((1, 2)))
    if off.size:
        text = f"point {', '.join(map(str, off))} (counted from 0) lies outside its segment"
        height, width = item.image.shape[:2]
        fits = (x < height) & (y < width)
        if fits.all() and item.segments[rows, x, y].sum() > item.segments[rows, y, x].sum():
            text += "; more would lie inside if x and y were swapped: points are (x, y)"
        yield Finding(item.key, "point off its segment", text, is_fault=False)
