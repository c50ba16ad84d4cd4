"""How sure is a mean over pictures? Bootstraps that draw whole clips.

Frames of one clip resemble each other, so they tell less than as many pictures drawn anew. Clips
are therefore drawn, each with all its pictures; a picture of no clip is one by itself.

Entry points: `bootstrap_interval`, `clips_apart`, `span`.
Source: Davison & Hinkley 1997, Bootstrap Methods and their Application, section 3.8 (the first
strategy: draw groups, keep what is in them).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

Interval = tuple[float, float]
MIN_CLIPS = 6
"""Fewest clips for an interval: the range of fewer values holds the median in less than 95 % of
cases, so no resampling of them can give a 95 % interval."""


def clips_apart(clips: Sequence[str]) -> Int[np.ndarray, " image"]:
    """Number the clips that images are of; "" is a clip of that image alone."""
    numbers: dict[str | int, int] = {}
    found = [numbers.setdefault(clip or index, len(numbers)) for index, clip in enumerate(clips)]
    return np.array(found, np.int64)


def count_clips(clips: Sequence[str]) -> int:
    """Number of different clips, images of none counted one by one."""
    return len(np.unique(clips_apart(clips)))


def means_by_clip(
    values: Float[np.ndarray, " image"], clips: Sequence[str]
) -> Float[np.ndarray, " clip"]:
    """Return the mean of each clip."""
    numbers = clips_apart(clips)
    return np.bincount(numbers, values) / np.bincount(numbers)


def bootstrap_interval(
    values: Float[np.ndarray, " image"],
    generator: np.random.Generator,
    clips: Sequence[str] | None = None,
    *,
    num_resamples: int = 1000,
    coverage: float = 0.95,
) -> Interval:
    """Return the percentile bootstrap interval of a mean over images.

    Args:
        values: one for each image.
        generator: draws clips.
        clips: the clip that each image is of, or ""; None: all are of none.
        num_resamples: draws.
        coverage: of the interval.

    Returns:
        (low, high); NaN for fewer than `MIN_CLIPS` clips.
    """
    return percentile_interval(resampled_means(values, generator, clips, num_resamples), coverage)


def resampled_means(
    values: Float[np.ndarray, " image"],
    generator: np.random.Generator,
    clips: Sequence[str] | None = None,
    num_resamples: int = 1000,
) -> Float[np.ndarray, " resample"]:
    """Means over the images of clips drawn with replacement.

    A generator in the same state draws the same. For fewer than `MIN_CLIPS` clips there are none.
    """
    numbers = clips_apart([""] * len(values) if clips is None else clips)
    sums, counts = np.bincount(numbers, values), np.bincount(numbers)
    if len(counts) < MIN_CLIPS:
        return np.zeros(0)
    draws = generator.integers(len(counts), size=(num_resamples, len(counts)))
    return sums[draws].sum(1) / counts[draws].sum(1)


def percentile_interval(
    estimates: Float[np.ndarray, " resample"], coverage: float = 0.95
) -> Interval:
    """Return the middle `coverage` of what resamples gave; NaN where there are none."""
    if not estimates.size:
        return math.nan, math.nan
    tail = 50 * (1 - coverage)
    low, high = np.percentile(estimates, [tail, 100 - tail])
    return float(low), float(high)


def span(interval: Interval, form: str = ".3f", between: str = " to ") -> str:
    """An interval for people: `0.365 to 0.460`, or – where there is none."""
    low, high = interval
    return "–" if math.isnan(low) else f"{low:{form}}{between}{high:{form}}"
