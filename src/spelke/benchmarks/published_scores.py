"""What others report on SpelkeBench. Nothing here was measured by us, and tables say so."""

from __future__ import annotations

from typing import NamedTuple

SOURCE = "Venkatesh et al. 2025, SpelkeBench (as printed in its README)"
DATASET = "SpelkeBench (about 500 images)"


class PublishedScore(NamedTuple):
    """A row of the published table; it has no intervals and no precision."""

    model: str
    average_recall: float
    mean_iou: float


PUBLISHED = (
    PublishedScore("SAM 2", 0.4816, 0.6225),
    PublishedScore("DINOv1-B/8", 0.2708, 0.4990),
    PublishedScore("DINOv2-L/14", 0.2524, 0.4931),
    PublishedScore("DINOv2-G/14", 0.2254, 0.4553),
    PublishedScore("CWM", 0.3271, 0.4807),
    PublishedScore("SpelkeNet", 0.5411, 0.6811),
)
"""AR is that of the nine published thresholds (`segment_metrics.THRESHOLDS`)."""
