"""How good are segments? The published AP, AR and mIoU, and what they do not tell.

`score_image` scores one image as the published evaluation does: predictions are assigned to true
segments over the whole image, whichever point they were asked for. Where one true segment holds
another (a tray and its cup) that is lenient, so `score_image` also scores each prediction against
the truth of its own point. `summarise` averages over images and draws a confidence interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from spelke.benchmarks.bootstrap import bootstrap_interval, count_clips
from spelke.benchmarks.matching import iou_matrix, match
from spelke.errors import InvalidInput

THRESHOLDS = np.arange(0.50, 0.95, 0.05)
"""Nine IoU thresholds, 0.50 to 0.90. The drift of `arange` is kept because published numbers have
it: an IoU of exactly 0.6, 0.7 or 0.9 misses its own threshold."""

TEN_THRESHOLDS = np.arange(50, 100, 5) / 100
"""COCO's ten IoU thresholds, 0.50 to 0.95, each the double nearest to its decimal: an IoU of
exactly 0.6 reaches 0.6. What is scored by them is called `..._ten_thresholds` everywhere."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageScore:
    """Scores of one image, kept truth by truth.

    Attributes:
        matched: overlap of each truth with the prediction assigned to it, 0 where there is none.
        best: greatest overlap of each truth with any prediction.
        own: overlap of truth i with prediction i; NaN unless there is one prediction for each.
        answered_by: which prediction was assigned to each truth, -1 where none was.
        num_predictions: number of predictions.
    """

    matched: Float[np.ndarray, " truth"]
    best: Float[np.ndarray, " truth"]
    own: Float[np.ndarray, " truth"]
    answered_by: Int[np.ndarray, " truth"]
    num_predictions: int

    @property
    def num_points(self) -> int:
        """Number of true segments."""
        return len(self.matched)

    @property
    def average_precision(self) -> float:
        """Mean over the published thresholds of matched pairs / predictions."""
        return self.precision()

    @property
    def average_recall(self) -> float:
        """Mean over the published thresholds of matched pairs / true segments."""
        return self.recall()

    @property
    def mean_iou(self) -> float:
        """Mean over true segments of the best overlap with any prediction."""
        return float(self.best.mean()) if self.num_points else 0.0

    @property
    def own_recall(self) -> float:
        """As `average_recall`, but prediction i may only answer truth i; NaN as `own`."""
        if not self.num_points or np.isnan(self.own).any():
            return math.nan
        return recall_of(self.own) / self.num_points

    @property
    def own_iou(self) -> float:
        """Mean overlap of prediction i with truth i; NaN as `own`."""
        return float(self.own.mean()) if self.num_points else math.nan

    def precision(self, thresholds: np.ndarray = THRESHOLDS) -> float:
        """Mean over thresholds of matched pairs / predictions, 0 without predictions."""
        reached = recall_of(self.matched, thresholds)
        return reached / self.num_predictions if self.num_predictions else 0.0

    def recall(self, thresholds: np.ndarray = THRESHOLDS) -> float:
        """Mean over thresholds of matched pairs / true segments, 0 without true segments."""
        return recall_of(self.matched, thresholds) / self.num_points if self.num_points else 0.0

    def of(self, chosen: Bool[np.ndarray, " truth"]) -> ImageScore:
        """Return the score of some of the truths, after the assignment over all of them."""
        return ImageScore(
            self.matched[chosen],
            self.best[chosen],
            self.own[chosen],
            self.answered_by[chosen],
            self.num_predictions,
        )


def recall_of(overlaps: Float[np.ndarray, " pair"], thresholds: np.ndarray = THRESHOLDS) -> float:
    """Return the share of thresholds that an overlap reaches, summed over pairs."""
    return float((overlaps[:, None] >= thresholds).sum(0).mean()) if overlaps.size else 0.0


def score_overlaps(overlaps: Float[np.ndarray, "truth prediction"]) -> ImageScore:
    """Score one image from the overlaps of its true segments (rows) and predictions (columns)."""
    num_truths, num_predictions = overlaps.shape
    rows, columns = match(overlaps)
    answered_by = np.full(num_truths, -1)
    answered_by[rows] = columns
    matched = np.zeros(num_truths)
    matched[rows] = overlaps[rows, columns]
    paired = num_truths == num_predictions
    return ImageScore(
        matched=matched,
        best=overlaps.max(1, initial=0.0),
        own=overlaps.diagonal().copy() if paired else np.full(num_truths, math.nan),
        answered_by=answered_by,
        num_predictions=num_predictions,
    )


def score_image(
    truths: np.ndarray, predictions: np.ndarray, ignore: np.ndarray | None = None
) -> ImageScore:
    """Score the predicted segments of one image; see `ImageScore` and `matching.iou_matrix`.

    Source: Venkatesh et al. 2025, SpelkeBench evaluation.
    """
    return score_overlaps(iou_matrix(truths, predictions, ignore))


@dataclass(frozen=True, slots=True)
class Summary:
    """Plain means over images, with 95 % intervals `(low, high)` by `bootstrap_interval`."""

    average_precision: float
    average_recall: float
    recall_interval: tuple[float, float]
    mean_iou: float
    iou_interval: tuple[float, float]
    own_recall: float
    own_iou: float
    num_points: int
    num_images: int
    num_clips: int


def summarise(
    scores: Sequence[ImageScore],
    generator: np.random.Generator,
    clips: Sequence[str] | None = None,
) -> Summary:
    """Average the scores of images, each image weighing the same (as published).

    Args:
        scores: of the images.
        generator: draws for the intervals.
        clips: see `bootstrap_interval`.

    Raises:
        InvalidInput: no scores were given.
    """
    if not scores:
        raise InvalidInput("no image was scored; at least one is needed for a mean")
    recalls = np.array([score.average_recall for score in scores])
    overlaps = np.array([score.mean_iou for score in scores])
    return Summary(
        average_precision=float(np.mean([score.average_precision for score in scores])),
        average_recall=float(recalls.mean()),
        recall_interval=bootstrap_interval(recalls, generator, clips),
        mean_iou=float(overlaps.mean()),
        iou_interval=bootstrap_interval(overlaps, generator, clips),
        own_recall=float(np.mean([score.own_recall for score in scores])),
        own_iou=float(np.mean([score.own_iou for score in scores])),
        num_points=sum(score.num_points for score in scores),
        num_images=len(scores),
        num_clips=len(scores) if clips is None else count_clips(clips),
    )
