"""From points to segments: probe, zoom, decide. The order of events of every preset.

Source: Venkatesh et al. 2025, statistical counterfactual probing with zoom. Departures (our
evidence, cut, component, crops from the photo) are settings; the published presets switch all of
them off.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from spelke.discovery.component import component_at, without_holes
from spelke.discovery.confidence import Confidence, assess, level_around
from spelke.discovery.correlation import otsu_cut, otsu_region
from spelke.discovery.pokes import Draws
from spelke.discovery.probe import GlanceAt, Level, Track, probe
from spelke.discovery.settings import DiscoverySettings
from spelke.discovery.view import View
from spelke.geometry.points import pixel_of
from spelke.types import Point, Segment

LEAST_GAIN = 0.05
"""Share of a poke that must arrive around the poked point for a relative cut to mean anything."""


def find_segments(
    glance_at: GlanceAt,
    starts: Sequence[tuple[Point, View, Point]],
    settings: DiscoverySettings,
    patch_size: int,
    seed: int,
    affordances: Sequence[float | None],
) -> list[Segment]:
    """Find what moves when each point is pushed.

    Args:
        glance_at: encodes a look at the photo.
        starts: for each point, the point in the photo, the first view, the point in that view.
        settings: how to probe and decide.
        patch_size: of the world model, pixels.
        seed: of all draws; each point draws as if it were alone.
        affordances: probability that something moves at each point, None where not asked.
    """
    tracks = [
        Track(
            view,
            point,
            Draws(seed, published=settings.published_seeds, single_seed=settings.single_seed),
        )
        for _, view, point in starts
    ]
    for _ in range(settings.zoom_steps):
        _probe_and_cut(glance_at, tracks, settings, patch_size)
        for track in tracks:
            _zoom(track, settings)
    if settings.zoom is not None and settings.final.companion != "none":
        _probe_and_cut(glance_at, tracks, settings, patch_size)
    probe(glance_at, tracks, settings.final, settings, patch_size)
    return [
        _decide(track, point, settings, patch_size, affordance)
        for track, (point, _, _), affordance in zip(tracks, starts, affordances, strict=True)
    ]


def _probe_and_cut(
    glance_at: GlanceAt, tracks: list[Track], settings: DiscoverySettings, patch_size: int
) -> None:
    """One round of the zoom stage: the region of each track in its present view."""
    assert settings.zoom is not None, "settings check that zooming has a stage"
    probe(glance_at, tracks, settings.zoom, settings, patch_size)
    for track in tracks:
        level = track.levels[-1]
        region = cut_region(level, level.evidence, settings, patch_size)
        track.region = component_at(region, track.point) if settings.keep_component else region


def _zoom(track: Track, settings: DiscoverySettings) -> None:
    """Move a track closer to its region; a track that saw nothing stays where it is."""
    if track.region is not None and track.region.any():
        track.view, track.point = track.view.zoomed(track.region, track.point, settings)
        track.region = None


def _decide(
    track: Track,
    point: Point,
    settings: DiscoverySettings,
    patch_size: int,
    affordance: float | None,
) -> Segment:
    """The segment of a track in pixels of the photo, and how far to believe it."""
    last = track.levels[-1]
    region = cut_region(last, last.evidence, settings, patch_size)
    if settings.keep_component:
        region = component_at(region, last.point)
    mask = paste_levels(track.levels, settings, patch_size) if settings.smooth else None
    if mask is None:
        mask = last.view.paste(region)
    if settings.keep_component:
        row, column = pixel_of(point, mask.shape)
        mask = component_at(mask, (column, row))
    if settings.fill_holes:
        mask = without_holes(mask)
    confidence = _confidence(last, region, settings, patch_size, affordance)
    value = confidence.value if mask.any() else 0.0
    return Segment(mask, point, value, last.pokes, confidence.remark)


def _confidence(
    level: Level,
    region: Bool[np.ndarray, "size size"],
    settings: DiscoverySettings,
    patch_size: int,
    affordance: float | None,
) -> Confidence:
    halves = np.stack([cut_region(level, half, settings, patch_size) for half in level.halves])
    if settings.keep_component:
        halves = np.stack([component_at(half, level.point) for half in halves])
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
) -> Bool[np.ndarray, "height width"]:
    """Cut the evidence at photo resolution: of the last level, or of all where they overlap.

    Levels differ in unit and in cut, so what is averaged is how far each map lies above its cut,
    in multiples of the cut and at most 1 either way. Each level weighs twice the one before.
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
    return total >= 0  # outside of all views the map is NaN


def _above_cut(
    level: Level, settings: DiscoverySettings, patch_size: int
) -> Float[np.ndarray, "size size"]:
    """How far the evidence lies above its cut, in multiples of the cut, within -1 to 1."""
    cut = cut_value(level, level.evidence, settings, patch_size)
    if not np.isfinite(cut):
        return np.full_like(level.evidence, -1.0)
    return np.clip((level.evidence - cut) / max(abs(cut), 1e-8), -1.0, 1.0)
