"""Which numbers there are, and of which part of a run: all, one family, one size of segment.

Every number is a plain mean over images with an interval by `bootstrap`. Parts that are
chosen by the size of the true segments keep, of every image, the segments of that size.
Entry points: `METRICS`, `groups_of`, `break_down_all`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from spelke.benchmarks.bootstrap import bootstrap_interval, count_clips
from spelke.benchmarks.scoring import ImageResult, RunScores
from spelke.benchmarks.segment_metrics import TEN_THRESHOLDS


class Metric(NamedTuple):
    """One number of an image.

    Attributes:
        name: in JSON and CSV.
        title: in tables.
        meaning: in one sentence.
        value: of an image.
        by_size: whether it makes sense for true segments of one size alone.
    """

    name: str
    title: str
    meaning: str
    value: Callable[[ImageResult], float]
    by_size: bool = True


def _own(result: ImageResult, value: float) -> float:
    return 0.0 if result.error else value


METRICS = (
    Metric(
        "AR",
        "AR",
        "average recall as published: the share of true segments that get an answer of sufficient "
        "overlap, averaged over nine thresholds from 0.50 to 0.90, as the published code has them",
        lambda result: result.score.average_recall,
    ),
    Metric(
        "mIoU",
        "mIoU",
        "mean intersection over union as published: of every true segment with whichever answer "
        "of the same image overlaps it most",
        lambda result: result.score.mean_iou,
    ),
    Metric(
        "AP",
        "AP",
        "average precision as published: right answers over all answers, at the same nine "
        "thresholds; equal to AR where there is one answer for each true segment",
        lambda result: result.score.average_precision,
        by_size=False,
    ),
    Metric(
        "AR_ten_thresholds",
        "AR (10 thresholds)",
        "average recall at COCO's ten thresholds, 0.50 to 0.95 without rounding drift; never to "
        "be compared with the published AR, which has nine",
        lambda result: result.score.recall(TEN_THRESHOLDS),
    ),
    Metric(
        "AP_ten_thresholds",
        "AP (10 thresholds)",
        "average precision at COCO's ten thresholds; answers have no confidence, so it is not the "
        "area under a curve that COCO calls AP",
        lambda result: result.score.precision(TEN_THRESHOLDS),
        by_size=False,
    ),
    Metric(
        "boundary_F",
        "boundary F",
        "how well outlines agree within 0.8 % of the diagonal (DAVIS), of every true segment with "
        "the answer assigned to it",
        lambda result: float(result.boundary.mean()) if result.boundary.size else 0.0,
    ),
    Metric(
        "AR_own_point",
        "AR (own point)",
        "as AR, but a true segment may only be answered by the answer to its own point",
        lambda result: _own(result, result.score.own_recall),
    ),
    Metric(
        "mIoU_own_point",
        "mIoU (own point)",
        "as mIoU, but of every true segment with the answer to its own point",
        lambda result: _own(result, result.score.own_iou),
    ),
)

SIZES: dict[str, tuple[float, float]] = {
    "small": (0, 32**2),
    "medium": (32**2, 96**2),
    "large": (96**2, math.inf),
}
"""COCO's sizes: the area of a true segment in pixels, from the first up to below the second."""

SHARES = {name: (low / (640 * 480), high / (640 * 480)) for name, (low, high) in SIZES.items()}
"""The same as shares of a picture of 640 x 480 pixels, which most of COCO's are: below 1/300, below
3 %, and above. They compare pictures of different resolutions."""


class Group(NamedTuple):
    """A part of a run: which true segments of an image belong to it.

    Attributes:
        kind: "all", "family", "size" (COCO's areas in pixels) or "share" (of the picture).
        name: within its kind.
        holds: whether each true segment of an image belongs, or None for an image that does not.
    """

    kind: str
    name: str
    holds: Callable[[ImageResult], np.ndarray | None]

    def select(self, results: Sequence[ImageResult]) -> list[ImageResult]:
        """Return what belongs to this part, images without any of it left out."""
        if self.kind == "all":
            return list(results)
        found = [(result, self.holds(result)) for result in results]
        return [result.of(chosen) for result, chosen in found if chosen is not None]


class Estimate(NamedTuple):
    """A mean over images with its 95 % interval; NaN where the images allow none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Part:
    """What a run is worth in one of its parts.

    Attributes:
        run: name of the run.
        kind: see `Group`.
        group: name of the group.
        estimates: by name of the metric; those that make no sense for this part are absent.
        num_images: with true segments in this part.
        num_clips: that these images are of; one of no clip counts as one.
        num_truths: true segments in this part.
        num_failed: images of these without a usable prediction.
        seconds: median time of the model for an image; NaN if it is not known.
        is_oracle: the model was told the truth.
    """

    run: str
    kind: str
    group: str
    estimates: dict[str, Estimate]
    num_images: int
    num_clips: int
    num_truths: int
    num_failed: int
    seconds: float
    is_oracle: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return plain values; what is not known is None."""
        plain: dict[str, Any] = {"run": self.run, "kind": self.kind, "group": self.group}
        for name, (value, low, high) in self.estimates.items():
            plain |= {name: plain_number(value), f"{name}_low": plain_number(low)}
            plain[f"{name}_high"] = plain_number(high)
        return {
            **plain,
            "images": self.num_images,
            "clips": self.num_clips,
            "truths": self.num_truths,
            "failed": self.num_failed,
            "seconds_per_image": plain_number(self.seconds),
            "oracle": self.is_oracle,
        }


def plain_number(value: float, digits: int = 6) -> float | None:
    """Round for JSON; NaN becomes None."""
    return None if math.isnan(value) else round(float(value), digits)


def groups_of(results: Sequence[ImageResult]) -> list[Group]:
    """List the parts that results have: all, every family if there are several, every size."""
    groups = [Group("all", "all", lambda result: None)]
    families = sorted({result.family for result in results})
    if len(families) > 1:
        groups += [Group("family", family or "(none)", _of_family(family)) for family in families]
    groups += [Group("size", name, _within(ends, False)) for name, ends in SIZES.items()]
    groups += [Group("share", name, _within(ends, True)) for name, ends in SHARES.items()]
    return [group for group in groups if group.select(results)]


def estimate(
    values: Sequence[float], clips: Sequence[str] | None = None, seed: int = 0
) -> Estimate:
    """Return the mean of the values of images and its bootstrap interval.

    Equal values have no interval: drawing from them again shows no spread, which does not mean
    that other images would have none.

    Args:
        values: one for each image.
        clips: see `bootstrap_interval`.
        seed: of the bootstrap.
    """
    numbers = np.asarray(values, np.float64)
    if not numbers.size or np.isnan(numbers).any():
        return Estimate(math.nan, math.nan, math.nan)
    mean = float(numbers.mean())
    if np.ptp(numbers) == 0:
        return Estimate(mean, math.nan, math.nan)
    return Estimate(mean, *bootstrap_interval(numbers, np.random.default_rng(seed), clips))


def break_down(run: RunScores, groups: Sequence[Group], seed: int = 0) -> list[Part]:
    """Summarise a run in each of the groups, those of which it has nothing left out.

    Args:
        run: what was scored.
        groups: see `groups_of`; of all runs that are to stand beside each other.
        seed: of the bootstrap.
    """
    parts = []
    for group in groups:
        results = group.select(run.results)
        if not results:
            continue
        clips = [result.clip for result in results]
        by_size = group.kind in ("size", "share")
        times = [result.seconds for result in results if not math.isnan(result.seconds)]
        parts.append(
            Part(
                run=run.name,
                kind=group.kind,
                group=group.name,
                estimates={
                    metric.name: estimate([metric.value(one) for one in results], clips, seed)
                    for metric in METRICS
                    if metric.by_size or not by_size
                },
                num_images=len(results),
                num_clips=count_clips(clips),
                num_truths=sum(result.score.num_points for result in results),
                num_failed=sum(bool(result.error) for result in results),
                seconds=float(np.median(times)) if times else math.nan,
                is_oracle=run.is_oracle,
            )
        )
    return parts


def break_down_all(runs: Sequence[RunScores], seed: int = 0) -> list[Part]:
    """Summarise several runs in the parts that any of them has; see `break_down`."""
    groups = groups_of([result for run in runs for result in run.results])
    return [part for run in runs for part in break_down(run, groups, seed)]


def _of_family(family: str) -> Callable[[ImageResult], np.ndarray | None]:
    def holds(result: ImageResult) -> np.ndarray | None:
        return np.ones(result.score.num_points, bool) if result.family == family else None

    return holds


def _within(
    ends: tuple[float, float], relative: bool
) -> Callable[[ImageResult], np.ndarray | None]:
    def holds(result: ImageResult) -> np.ndarray | None:
        areas = result.areas / (result.num_pixels if relative else 1)
        chosen = (areas >= ends[0]) & (areas < ends[1])
        return chosen if chosen.any() else None

    return holds
