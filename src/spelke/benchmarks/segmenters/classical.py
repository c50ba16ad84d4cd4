"""Segmenters that know nothing of motion, with their tuned parameters: see `baselines`."""

from __future__ import annotations

import numpy as np

from spelke.benchmarks.baselines import TUNED, Baseline, BaselineSettings
from spelke.benchmarks.identity import digest_of, digest_of_code
from spelke.benchmarks.segmenter import Points, SegmentationModel


class Classical(SegmentationModel):
    """One of `baselines.METHODS`.

    Args:
        method: its name.
        settings: its parameters.
    """

    def __init__(self, method: str, settings: BaselineSettings = TUNED):
        self.name = method
        self.baseline = Baseline(method, settings)
        self.identity = digest_of(self.baseline, digest_of_code("spelke.benchmarks.baselines"))

    def segment_points(self, image: np.ndarray, points: Points) -> np.ndarray:
        """Return one mask for each point."""
        return self.baseline.segment_points(image, points)
