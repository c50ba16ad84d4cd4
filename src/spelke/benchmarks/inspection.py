"""What is in a SpelkeBench file: every picture read and checked, counted, and some of them drawn.

Entry points: `inspect_file`, `draw_pictures`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import UInt8

from spelke.data.bench_checks import Finding
from spelke.data.spelkebench import SpelkeBenchFile
from spelke.data.test_item import TestItem
from spelke.types import Segment
from spelke.viz.overlay import draw_segments
from spelke.viz.sheet import draw_contact_sheet

Track = Callable[[Sequence[str], str], Iterable[str]]
"""Wraps the keys that are worked through, for a progress bar with a title."""


@dataclass(slots=True)
class Inspection:
    """What was counted.

    Attributes:
        num_pictures: groups in the file.
        num_points: of the pictures that can be asked about.
        findings: all faults and remarks, in the order of the keys.
        families: kind of scene to number of pictures.
        sizes: "width x height" to number of pictures.
        licences: licence to number of pictures; "" where none is stated.
        shares: part of its picture that each segment covers.
    """

    num_pictures: int
    num_points: int = 0
    findings: list[Finding] = field(default_factory=list)
    families: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    shares: list[float] = field(default_factory=list)

    @property
    def unusable(self) -> list[str]:
        """Keys of the pictures that cannot be asked about."""
        return list(dict.fromkeys(found.key for found in self.findings if found.is_fault))

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        shares = np.percentile(self.shares, [5, 50, 95]).round(5) if self.shares else []
        return {
            "pictures": self.num_pictures,
            "unusable": len(self.unusable),
            "points": self.num_points,
            "families": dict(self.families.most_common()),
            "sizes": dict(self.sizes.most_common()),
            "licences": dict(self.licences.most_common()),
            "segment_share_5_50_95": [float(share) for share in shares],
            "findings": [
                {"key": f.key, "kind": f.kind, "fault": f.is_fault, "text": f.text}
                for f in self.findings
            ],
        }


def inspect_file(file: SpelkeBenchFile, track: Track | None = None) -> Inspection:
    """Read and check every picture of a file, one in memory at a time."""
    found = Inspection(len(file))
    for key in track(file.keys, "reading") if track else file.keys:
        reading = file.read(key)
        found.findings += reading.findings
        if reading.item is not None:
            _count(found, reading.item)
    return found


def _count(found: Inspection, item: TestItem) -> None:
    height, width = item.image.shape[:2]
    found.num_points += len(item.points)
    found.families[item.family] += 1
    found.sizes[f"{width} x {height}"] += 1
    found.licences[item.attributes.get("licence", "")] += 1
    found.shares += item.segments.mean((1, 2)).tolist()


def draw_pictures(
    file: SpelkeBenchFile, count: int = 40, cell_height: int = 192
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw some pictures with their segments and points, evenly taken from all usable ones.

    Raises:
        InvalidInput: none is usable.
    """
    chosen = np.linspace(0, len(file) - 1, min(count, len(file))).round().astype(int)
    readings = [file.read(file.keys[index]) for index in dict.fromkeys(chosen.tolist())]
    items = [reading.item for reading in readings if reading.item is not None]
    return draw_contact_sheet(
        [(f"{item.key} ({len(item.points)})", draw_truth(item)) for item in items],
        cell_height=cell_height,
        title=f"{file.path.name}: {len(items)} of {len(file)} pictures, segments and points",
    )


def draw_truth(item: TestItem) -> UInt8[np.ndarray, "drawn_height drawn_width 3"]:
    """Draw the segments of a picture, each in its colour, with their points."""
    return draw_masks(item.image, item.segments, item.points)


def draw_masks(
    image: np.ndarray, masks: np.ndarray, points: np.ndarray
) -> UInt8[np.ndarray, "drawn_height drawn_width 3"]:
    """Draw masks over their picture; one without a point of its own is drawn without."""
    x, y = (points.T if len(points) else np.zeros((2, 0))).astype(float)
    places = list(zip(x.tolist(), y.tolist(), strict=True))
    segments = [
        Segment(mask.astype(bool), place, 1.0) for mask, place in zip(masks, places, strict=False)
    ]
    return draw_segments(image, segments)
