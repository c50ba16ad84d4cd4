"""Is one run better than another? Their difference on the same images, with its interval.

Two runs that answered the same images are compared image by image: what makes an image hard for
both cancels, so the interval of the difference is narrower than those of the two means suggest.
Images of one clip are drawn, and tested, together.
Entry point: `compare`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import wilcoxon

from spelke.benchmarks.bootstrap import MIN_CLIPS, means_by_clip
from spelke.benchmarks.breakdown import (
    METRICS,
    Estimate,
    Group,
    estimate,
    groups_of,
    plain_number,
)
from spelke.benchmarks.scoring import ImageResult, Problem, RunScores
from spelke.errors import InvalidInput

_EXACT_UP_TO = 50
"""Most images for the exact distribution of Wilcoxon's statistic, which knows no ties."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What one run is ahead of another, in one number on one part of the images.

    Attributes:
        metric: name of the number.
        kind: of the part; see `breakdown.Group`.
        group: name of the part.
        first: mean of the first run.
        second: mean of the second run.
        difference: first minus second, with the interval of the mean of paired differences.
        num_better: images on which the first run is better.
        num_worse: images on which the second is.
        num_images: images compared; the rest are ties.
        p_value: Wilcoxon's signed-rank test on the mean differences of the clips, two-sided, ties
            kept (Pratt); NaN without any difference and for too few clips. It is not corrected for
            the number of comparisons.
    """

    metric: str
    kind: str
    group: str
    first: float
    second: float
    difference: Estimate
    num_better: int
    num_worse: int
    num_images: int
    p_value: float

    def to_json(self) -> dict[str, Any]:
        """Return plain values; what is not known is None."""
        return {
            "metric": self.metric,
            "kind": self.kind,
            "group": self.group,
            "first": plain_number(self.first),
            "second": plain_number(self.second),
            "difference": plain_number(self.difference.value),
            "low": plain_number(self.difference.low),
            "high": plain_number(self.difference.high),
            "better": self.num_better,
            "worse": self.num_worse,
            "images": self.num_images,
            "p_value": plain_number(self.p_value),
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Differences in all numbers and parts, and the images that could not be compared."""

    first: str
    second: str
    differences: tuple[Difference, ...]
    problems: tuple[Problem, ...]


def compare(first: RunScores, second: RunScores, seed: int = 0) -> Comparison:
    """Compare two runs on the images that both have.

    An image without a usable prediction scores zero, as everywhere. Images that only one run has,
    or whose true segments differ, are left out and named.

    Args:
        first: a run.
        second: another.
        seed: of the bootstrap.

    Raises:
        InvalidInput: they have no image in common.
    """
    pairs, problems = _pair(first, second)
    if not pairs:
        raise InvalidInput(
            f"{first.name} and {second.name} have no image in common; compare runs on one dataset"
        )
    some, others = [one for one, _ in pairs], [other for _, other in pairs]
    differences = [
        found for group in groups_of(some) for found in _differences(group, some, others, seed)
    ]
    return Comparison(first.name, second.name, tuple(differences), tuple(problems))


def paired_difference(
    first: Sequence[float],
    second: Sequence[float],
    clips: Sequence[str] | None = None,
    seed: int = 0,
) -> tuple[Estimate, float]:
    """Return the mean difference of paired values with its interval, and a p-value.

    Drawing images with replacement and averaging both runs over the same draw is drawing
    their differences, so the interval is that of a mean.

    Args:
        first: one value for each image.
        second: likewise, of the same images.
        clips: see `bootstrap_interval`.
        seed: of the bootstrap.
    """
    gaps = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    found = estimate(gaps.tolist(), clips, seed)
    gaps = gaps if clips is None else means_by_clip(gaps, clips)
    if np.isnan(gaps).any() or not gaps.any() or len(gaps) < MIN_CLIPS:
        return found, math.nan
    # scipy's own choice would permute small samples with ties, which takes seconds.
    distinct = len(np.unique(np.abs(gaps))) == len(gaps) <= _EXACT_UP_TO and gaps.all()
    method = "exact" if distinct else "approx"
    test: Any = wilcoxon(gaps, zero_method="pratt", method=method)
    return found, float(test.pvalue)


def _pair(
    first: RunScores, second: RunScores
) -> tuple[list[tuple[ImageResult, ImageResult]], list[Problem]]:
    others = {result.key: result for result in second.results}
    pairs, problems = [], []
    for result in first.results:
        other = others.pop(result.key, None)
        if other is None:
            problems.append(_only(result, first))
        elif not _same_truth(result, other):
            text = "its true segments differ between the runs; score both on one dataset"
            problems.append(Problem(result.key, "other truth", text))
        else:
            pairs.append((result, other))
    problems += [_only(result, second) for result in others.values()]
    return pairs, problems


def _only(result: ImageResult, run: RunScores) -> Problem:
    return Problem(result.key, "unpaired", f"only {run.name} has this image")


def _same_truth(some: ImageResult, other: ImageResult) -> bool:
    """Whether the truth looks the same; a failure without a known truth agrees with any."""
    unknown = not some.num_pixels or not other.num_pixels
    return unknown or np.array_equal(some.areas, other.areas)


def _differences(
    group: Group, first: Sequence[ImageResult], second: Sequence[ImageResult], seed: int
) -> list[Difference]:
    some = {result.key: result for result in group.select(first)}
    others = {result.key: result for result in group.select(second)}
    keys = [key for key in some if key in others]
    clips = [some[key].clip for key in keys]
    found = []
    for metric in METRICS if keys else ():
        if group.kind in ("size", "share") and not metric.by_size:
            continue
        mine = np.array([metric.value(some[key]) for key in keys])
        theirs = np.array([metric.value(others[key]) for key in keys])
        difference, p_value = paired_difference(mine.tolist(), theirs.tolist(), clips, seed)
        found.append(
            Difference(
                metric=metric.name,
                kind=group.kind,
                group=group.name,
                first=float(mine.mean()),
                second=float(theirs.mean()),
                difference=difference,
                num_better=int((mine > theirs).sum()),
                num_worse=int((mine < theirs).sum()),
                num_images=len(keys),
                p_value=p_value,
            )
        )
    return found
