"""All Spelke segments of a picture, without a prompt.

The released code finds one segment for one point; this loop is ours. Draw points where the model
expects motion, segment them together, take the motion affordance they explain off the map, keep
the more confident of any two segments that say the same, and stop when little affordance is left.
Segments may contain one another: pushing a tray moves what lies in it, pushing what lies in it
does not move the tray.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float

from spelke.discovery.affordance import choose_patch, firm_affordance
from spelke.errors import InvalidInput
from spelke.geometry.crop import Crop
from spelke.geometry.points import is_inside, pixel_of
from spelke.types import Point, Segment

Search = Generator[list[Point], Sequence[Segment], list[Segment]]
"""Yields points to segment, is sent their segments, and returns what it keeps: so that searches of
many photos can go on together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchSettings:
    """When a search for all segments goes on, and what it keeps."""

    points_per_round: int = 8
    """Points that are drawn and segmented together."""
    max_rounds: int = 8
    """Rounds after which the search ends whatever is left."""
    max_empty_rounds: int = 2
    """Rounds in a row that find nothing to keep, after which the search ends."""
    least_affordance: float = 0.05
    """Stop when no patch has more affordance than this left."""
    least_share: float = 0.2
    """Stop when no patch has more than this share of the largest affordance left."""
    min_confidence: float = 0.3
    """Segments below it are dropped."""
    same_overlap: float = 0.5
    """Intersection over union from which on two segments are the same."""

    def __post_init__(self) -> None:
        counts = (self.points_per_round, self.max_rounds, self.max_empty_rounds)
        if min(counts) < 1:
            raise InvalidInput(
                "a search needs at least one point and one round, got (points_per_round, "
                f"max_rounds, max_empty_rounds) = {counts}"
            )


def discover(
    affordance: Float[np.ndarray, "rows columns"],
    crop: Crop,
    settings: SearchSettings,
    generator: torch.Generator,
) -> Search:
    """Find segments until the motion affordance is explained; the most confident first.

    Args:
        affordance: of each patch of what `crop` shows.
        crop: how the patches lie on the photo.
        settings: when to stop and what to keep.
        generator: decides the points.
    """
    rows, columns = affordance.shape
    points = _patch_points(crop, rows, columns)
    remaining = np.where(_on_photo(points, crop), affordance, 0.0)
    least = max(settings.least_affordance, settings.least_share * float(remaining.max()))
    kept: list[Segment] = []
    empty_rounds = 0
    for _ in range(settings.max_rounds):
        patches = draw_patches(remaining, least, settings.points_per_round, generator)
        if not patches or empty_rounds == settings.max_empty_rounds:
            break
        before = len(kept)
        found = yield [points[patch] for patch in patches]
        for patch, segment in zip(patches, found, strict=True):
            remaining[patch] = 0.0
            if segment.confidence >= settings.min_confidence and segment.area > 0:
                remaining *= 1 - _coverage(segment.mask, points)
                kept.append(segment)
        empty_rounds = empty_rounds + 1 if len(kept) == before else 0
    return without_doubles(kept, settings.same_overlap)


def draw_patches(
    remaining: Float[np.ndarray, "rows columns"],
    least: float,
    count: int,
    generator: torch.Generator,
) -> list[tuple[int, int]]:
    """Up to `count` patches above `least`, drawn by affordance, none beside another."""
    firm = firm_affordance(remaining)
    weights = np.where(firm > least, firm, 0.0)
    if not weights.any():  # what is left is thinner than two patches
        weights = np.where(remaining > least, remaining, 0.0)
    patches = []
    while len(patches) < count and weights.any():
        row, column = choose_patch(weights, float(torch.rand(1, generator=generator)))
        patches.append((row, column))
        weights[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = 0.0
    return patches


def without_doubles(segments: Sequence[Segment], same_overlap: float) -> list[Segment]:
    """Of segments that overlap by `same_overlap` or more, keep the most confident."""
    kept: list[Segment] = []
    for segment in sorted(segments, key=lambda one: -one.confidence):
        if all(overlap(segment.mask, other.mask) < same_overlap for other in kept):
            kept.append(segment)
    return kept


def overlap(
    one: Bool[np.ndarray, "height width"], other: Bool[np.ndarray, "height width"]
) -> float:
    """Intersection over union; 0 of two empty masks."""
    union = int((one | other).sum())
    return int((one & other).sum()) / union if union else 0.0


def _patch_points(crop: Crop, rows: int, columns: int) -> dict[tuple[int, int], Point]:
    """The middle of every patch in pixels of the photo."""
    high, wide = crop.size / rows, crop.size / columns
    return {
        (row, column): crop.point_out(((column + 0.5) * wide - 0.5, (row + 0.5) * high - 0.5))
        for row in range(rows)
        for column in range(columns)
    }


def _on_photo(points: dict[tuple[int, int], Point], crop: Crop) -> Bool[np.ndarray, "rows columns"]:
    rows, columns = (last + 1 for last in max(points))
    inside = [is_inside(point, crop.image_size) for point in points.values()]
    return np.array(inside).reshape(rows, columns)


def _coverage(
    mask: Bool[np.ndarray, "height width"], points: dict[tuple[int, int], Point]
) -> Float[np.ndarray, "rows columns"]:
    """1 for the patches whose middle lies on the mask."""
    rows, columns = (last + 1 for last in max(points))
    covered = [
        is_inside(point, mask.shape) and bool(mask[pixel_of(point, mask.shape)])
        for point in points.values()
    ]
    return np.array(covered, np.float32).reshape(rows, columns)
