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
from jaxtyping import Float

from spelke.benchmarks.matching import iou_matrix, match
from spelke.errors import InvalidInput

THRESHOLDS = np.arange(0.50, 0.95, 0.05)
"""Nine IoU thresholds, 0.50 to 0.90. The drift of `arange` is kept because published numbers have
it: an IoU of exactly 0.6, 0.7 or 0.9 misses its own threshold."""


@dataclass(frozen=True, slots=True)
class ImageScore:
    """Scores of one image.

    Attributes:
        average_precision: mean over thresholds of matched pairs / predictions.
        average_recall: mean over thresholds of matched pairs / true segments.
        mean_iou: mean over true segments of the best overlap with any prediction.
        own_recall: as `average_recall`, but prediction i may only answer truth i.
        own_iou: mean overlap of prediction i with truth i.
        num_points: number of true segments.

    `own_recall` and `own_iou` are NaN unless there is one prediction for each truth.
    """

    average_precision: float
    average_recall: float
    mean_iou: float
    own_recall: float
    own_iou: float
    num_points: int


def recall_of(overlaps: Float[np.ndarray, " pair"]) -> float:
    """Return how many of the nine thresholds an overlap reaches, summed over pairs, over nine."""
    return float((overlaps[:, None] >= THRESHOLDS).sum(0).mean()) if overlaps.size else 0.0


def score_overlaps(overlaps: Float[np.ndarray, "truth prediction"]) -> ImageScore:
    """Score one image from the overlaps of its true segments (rows) and predictions (columns)."""
    num_truths, num_predictions = overlaps.shape
    rows, columns = match(overlaps)
    reached = recall_of(overlaps[rows, columns])
    paired = num_truths == num_predictions and num_truths > 0
    own = overlaps.diagonal() if paired else np.empty(0)
    return ImageScore(
        average_precision=reached / num_predictions if num_predictions else 0.0,
        average_recall=reached / num_truths if num_truths else 0.0,
        mean_iou=float(overlaps.max(1).mean()) if overlaps.size else 0.0,
        own_recall=recall_of(own) / num_truths if paired else math.nan,
        own_iou=float(own.mean()) if paired else math.nan,
        num_points=num_truths,
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
    """Plain means over images, with 95 % bootstrap intervals `(low, high)` over images."""

    average_precision: float
    average_recall: float
    recall_interval: tuple[float, float]
    mean_iou: float
    iou_interval: tuple[float, float]
    own_recall: float
    own_iou: float
    num_points: int
    num_images: int


def summarise(
    scores: Sequence[ImageScore], generator: np.random.Generator, num_resamples: int = 1000
) -> Summary:
    """Average the scores of images, each image weighing the same (as published).

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
        recall_interval=bootstrap_interval(recalls, generator, num_resamples),
        mean_iou=float(overlaps.mean()),
        iou_interval=bootstrap_interval(overlaps, generator, num_resamples),
        own_recall=float(np.mean([score.own_recall for score in scores])),
        own_iou=float(np.mean([score.own_iou for score in scores])),
        num_points=sum(score.num_points for score in scores),
        num_images=len(scores),
    )


def bootstrap_interval(
    values: Float[np.ndarray, " image"],
    generator: np.random.Generator,
    num_resamples: int = 1000,
    coverage: float = 0.95,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a mean: images are drawn with replacement."""
    draws = generator.integers(len(values), size=(num_resamples, len(values)))
    means = values[draws].mean(1)
    tail = 50 * (1 - coverage)
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)
