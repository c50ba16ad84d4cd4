"""Models that are told the truth: how well could one do who knows the objects?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spelke.benchmarks.segmenter import SegmentationModel
from spelke.data.test_item import TestItem
from spelke.errors import InvalidInput


class Oracle(SegmentationModel):
    """Base of those that answer from the truth of the set, never from a picture."""

    is_oracle = True
    identity = "1"

    def run_inference(self, image: np.ndarray, point: tuple[int, int]) -> np.ndarray:
        """Refuse: a picture alone holds no truth."""
        raise InvalidInput(f"{self.name} answers from a set's truth; give it items of a set")


class InstanceOracle(Oracle):
    """The true outline of the object at the point, and so less than what moves along."""

    name = "instance-oracle"

    def segment_items(self, items: Sequence[TestItem]) -> list[np.ndarray]:
        """Return the instances."""
        return [item.instances for item in items]


class GroupOracle(Oracle):
    """The truth itself: what moves along. Anything but a perfect score is a fault of the set."""

    name = "group-oracle"

    def segment_items(self, items: Sequence[TestItem]) -> list[np.ndarray]:
        """Return the segments."""
        return [item.segments for item in items]


class PartOracle(Oracle):
    """The true outline of what of the object at the point looks as it does there."""

    name = "part-oracle"

    def segment_items(self, items: Sequence[TestItem]) -> list[np.ndarray]:
        """Return what looks alike.

        Raises:
            InvalidInput: a set that does not say it.
        """
        for item in items:
            if item.looks is None:
                raise InvalidInput(f"{item.key} does not say what looks alike; use a set of worlds")
        return [item.looks for item in items if item.looks is not None]


ORACLES = (InstanceOracle.name, PartOracle.name)
"""Those whose scores say something; `group-oracle` is perfect by definition."""
