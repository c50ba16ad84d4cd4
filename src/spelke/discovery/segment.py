"""From points to segments: probe, zoom, decide. The order of events of every preset.

Source: Venkatesh et al. 2025, statistical counterfactual probing with zoom. Departures (our
evidence, cut, boundary, component, crops from the photo) are settings; the published presets switch
all of them off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from spelke.discovery.component import component_at, without_holes
from spelke.discovery.confidence import Confidence, assess, level_around
from spelke.discovery.correlation import otsu_cut, otsu_region
from spelke.discovery.memory import Memory
from spelke.discovery.pokes import Draws
from spelke.discovery.probe import Level, Track, probe
from spelke.discovery.refine import refined
from spelke.discovery.settings import DiscoverySettings
from spelke.discovery.settle import mean_overlap, outlook
from spelke.discovery.view import View
from spelke.geometry.points import pixel_of
from spelke.rollout.base import WorldModel
from spelke.types import Point, Segment

LEAST_GAIN = 0.05
"""Share of a poke that must arrive around the poked point for a relative cut to mean anything."""
MOST_POINTS = 32
"""Points that are probed together at most: as many crops as are remembered of a photo."""
FLOW_BYTES = 128 * 2**20
"""Of the flow fields that one call may return."""


@dataclass(frozen=True, eq=False)
class Start:
    """A point to push, and what is known of its photo."""

    point: Point
    """In pixels of the photo."""
    view: View
    """The first."""
    view_point: Point
    """In pixels of that view."""
    memory: Memory
    """Of the photo."""
    photo: Float[Tensor, "3 height width"]
    """At its own resolution."""
    affordance: float | None = None
    """Probability that something moves at the point, None where not asked."""


def find_segments(
    model: WorldModel, starts: Sequence[Start], settings: DiscoverySettings, seed: int
) -> list[Segment]:
    """Find what moves when each point is pushed, of whatever photos, in lockstep.

    Args:
        model: is asked for all points together.
        starts: the points.
        settings: how to probe and decide.
        seed: of all draws; each point draws as if it were alone.
    """
    found: list[Segment] = []
    count = points_at_once(settings, model.size)
    for first in range(0, len(starts), count):
        found += _find_together(model, starts[first : first + count], settings, seed)
    return found


def points_at_once(settings: DiscoverySettings, size: int) -> int:
    """How many points are probed together, so that the flow of one call stays within bounds."""
    stages = [settings.final] if settings.zoom is None else [settings.zoom, settings.final]
    fields = settings.num_looks * max(stage.num_queries for stage in stages)
    return max(1, min(MOST_POINTS, FLOW_BYTES // (fields * 2 * size * size * 4)))


def _find_together(
    model: WorldModel, starts: Sequence[Start], settings: DiscoverySettings, seed: int
) -> list[Segment]:
    tracks = [
        Track(
            start.view,
            start.view_point,
            Draws(seed, published=settings.published_seeds, single_seed=settings.single_seed),
            start.memory,
        )
        for start in starts
    ]
    for _ in range(settings.zoom_steps):
        _probe_and_cut(model, tracks, settings)
        for track in tracks:
            _zoom(track, settings)
    if settings.zoom is not None and settings.final.companion != "none":
        _probe_and_cut(model, tracks, settings)
    is_settled = None
    if settings.settle is not None:
        is_settled = partial(_is_settled, settings=settings, patch_size=model.patch_size)
    probe(model, tracks, settings.final, settings, is_settled)
    return [
        _decide(track, start, settings, model.patch_size)
        for track, start in zip(tracks, starts, strict=True)
    ]


def _probe_and_cut(model: WorldModel, tracks: Sequence[Track], settings: DiscoverySettings) -> None:
    """One round of the zoom stage: the region of each track in its present view."""
    assert settings.zoom is not None, "settings check that zooming has a stage"
    probe(model, tracks, settings.zoom, settings)
    for track in tracks:
        level = track.levels[-1]
        track.region = _region(level, level.evidence, settings, model.patch_size)


def _region(
    level: Level,
    evidence: Float[np.ndarray, "size size"],
    settings: DiscoverySettings,
    patch_size: int,
) -> Bool[np.ndarray, "size size"]:
    """The segment of a map in the view."""
    region = cut_region(level, evidence, settings, patch_size)
    return component_at(region, level.point) if settings.keep_component else region


def _is_settled(
    level: Level,
    samples: Float[np.ndarray, "sample size size"],
    share: float,
    settings: DiscoverySettings,
    patch_size: int,
) -> bool:
    """Whether the segment is expected to overlap enough with that of all pokes."""
    assert settings.settle is not None, "only asked where tracks may stop"
    present, *others = (
        _region(level, evidence, settings, patch_size)
        for evidence in (level.evidence, *outlook(level.evidence, samples, share))
    )
    return mean_overlap(present, others) >= settings.settle


def _zoom(track: Track, settings: DiscoverySettings) -> None:
    """Move a track closer to its region; a track that saw nothing stays where it is."""
    if track.region is not None and track.region.any():
        track.view, track.point = track.view.zoomed(track.region, track.point, settings)
        track.region = None


def _decide(track: Track, start: Start, settings: DiscoverySettings, patch_size: int) -> Segment:
    """The segment of a track in pixels of the photo, and how far to believe it."""
    last = track.levels[-1]
    region = _region(last, last.evidence, settings, patch_size)
    if settings.smooth:
        above = paste_levels(track.levels, settings, patch_size)
        refine = settings.refine
        mask = above >= 0 if refine is None else refined(above, start.photo, refine)
    else:
        mask = last.view.paste(region)
    if settings.keep_component:
        row, column = pixel_of(start.point, mask.shape)
        mask = component_at(mask, (column, row))
    if settings.fill_holes:
        mask = without_holes(mask)
    confidence = _confidence(last, region, settings, patch_size, start.affordance)
    value = confidence.value if mask.any() else 0.0
    return Segment(mask, start.point, value, last.pokes, confidence.remark)


def _confidence(
    level: Level,
    region: Bool[np.ndarray, "size size"],
    settings: DiscoverySettings,
    patch_size: int,
    affordance: float | None,
) -> Confidence:
    halves = np.stack([_region(level, half, settings, patch_size) for half in level.halves])
    around = level_around(level.gain, level.point, patch_size)
    return assess(level.gain, region, halves, around, affordance, settings.affordance_sure)


def cut_value(
    level: Level,
    evidence: Float[np.ndarray, "size size"],
    settings: DiscoverySettings,
    patch_size: int,
) -> float:
    """The evidence from which on a pixel belongs; infinite where nothing does."""
    if settings.threshold == "otsu":
        return otsu_cut(evidence)
    if settings.threshold == "fixed":
        return settings.threshold_ratio
    around = level_around(evidence, level.point, patch_size)
    unit = level.poke_length**2 if settings.evidence == "dot" else 1.0
    return settings.threshold_ratio * around if around > LEAST_GAIN * unit else float("inf")


def cut_region(
    level: Level,
    evidence: Float[np.ndarray, "size size"],
    settings: DiscoverySettings,
    patch_size: int,
) -> Bool[np.ndarray, "size size"]:
    """The region of a map in the view."""
    if settings.threshold == "otsu":
        return otsu_region(evidence)
    return evidence >= cut_value(level, evidence, settings, patch_size)


def paste_levels(
    levels: Sequence[Level], settings: DiscoverySettings, patch_size: int
) -> Float[np.ndarray, "height width"]:
    """The evidence above the cut on the photo: of the last level, or of all where they overlap.

    Levels differ in unit and in cut, so what is averaged is how far each map lies above its cut,
    in multiples of the cut and at most 1 either way. Each level weighs twice the one before.
    Outside of all views it is NaN.
    """
    used = levels if settings.combine_levels else levels[-1:]
    maps = (level.view.paste_map(_above_cut(level, settings, patch_size)) for level in used)
    total = next(maps)
    weight = np.isfinite(total).astype(np.float32)  # of the levels so far that see a pixel
    for number, finer in enumerate(maps, start=1):
        seen = np.isfinite(finer)
        total[seen] = np.nan_to_num(total[seen]) * weight[seen] + finer[seen] * 2**number
        weight[seen] += 2**number
        total[seen] /= weight[seen]
    return total


def _above_cut(
    level: Level, settings: DiscoverySettings, patch_size: int
) -> Float[np.ndarray, "size size"]:
    """How far the evidence lies above its cut, in multiples of the cut, within -1 to 1."""
    cut = cut_value(level, level.evidence, settings, patch_size)
    if not np.isfinite(cut):
        return np.full_like(level.evidence, -1.0)
    return np.clip((level.evidence - cut) / max(abs(cut), 1e-8), -1.0, 1.0)
