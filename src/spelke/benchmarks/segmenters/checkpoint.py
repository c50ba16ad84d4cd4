"""Our own checkpoints: a world model that is poked at the point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from spelke.benchmarks.identity import (
    WORLD_MODEL_CODE,
    digest_of,
    digest_of_checkpoint,
    digest_of_code,
)
from spelke.benchmarks.segmenter import Points, SegmentationModel
from spelke.data.test_item import TestItem
from spelke.errors import UnknownName

ITEMS_AT_ONCE = 16
"""Pictures that a world model is asked about side by side, where that is faster."""


class ObserverSegmenter(SegmentationModel):
    """A world model that looks at pictures.

    Args:
        observer: has `segments(images, points of each image)`.
        name, identity, weights, at_once: see `SegmentationModel`.
    """

    def __init__(
        self, observer: Any, name: str, identity: str, weights: str = "", at_once: int = 1
    ):
        self.observer = observer
        self.name, self.identity, self.weights, self.at_once = name, identity, weights, at_once

    def segment_points(self, image: np.ndarray, points: Points) -> np.ndarray:
        """Return one mask for each point."""
        return self._segments([image], [points])[0]

    def segment_items(self, items: Sequence[TestItem]) -> list[np.ndarray]:
        """Look at all pictures together."""
        return self._segments([item.image for item in items], [item.points for item in items])

    def _segments(self, images: list[np.ndarray], points: list[np.ndarray]) -> list[np.ndarray]:
        questions = [[(float(x), float(y)) for x, y in some] for some in points]
        found = self.observer.segments(images, questions)
        return [
            np.array([one.mask for one in segments], bool).reshape(-1, *image.shape[:2])
            for segments, image in zip(found, images, strict=True)
        ]


class CheckpointSegmenter(ObserverSegmenter):
    """A checkpoint that ships, or in a folder, with its tuned settings.

    Args:
        model_path: its name or folder.
        device: where it runs.
    """

    def __init__(self, model_path: str, device: str):
        import spelke
        from spelke.benchmarks.segmenters.table import BUILT_IN
        from spelke.weights.load import find_folder

        try:
            folder = find_folder(model_path)
        except UnknownName as error:
            raise UnknownName(
                f"{error}. Models to compare with are {', '.join(BUILT_IN)}; a class of yours is "
                "package.module:Class"
            ) from error
        observer = spelke.load(model_path, device=device)
        weights = digest_of_checkpoint(folder)
        code = digest_of_code(*WORLD_MODEL_CODE)
        at_once = 1 if device == "cpu" else ITEMS_AT_ONCE
        super().__init__(observer, folder.name, digest_of(weights, code), weights, at_once)
