"""Mask2Former: a set of masks for the whole picture; the best one that holds the point.

With weights trained on EntitySeg its masks are entities, with COCO's they are things and stuff.
Cheng et al. 2022, arXiv 2112.01527; Qi et al. 2023 (EntitySeg), arXiv 2211.05776.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from spelke.benchmarks.identity import digest_of, digest_of_code
from spelke.benchmarks.segmenter import Points, SegmentationModel
from spelke.benchmarks.segmenters.pretrained import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    enlarge,
    load_pretrained,
    pixels,
)
from spelke.errors import InvalidInput

SIZE = {"shortest_edge": 800, "longest_edge": 1333}
"""What the published processor scales to, where a checkpoint does not say."""


class Mask2Former(SegmentationModel):
    """The mask with the highest score among those that hold the point; none is an empty mask.

    A mask's score is the published one: the probability of its best class, times the mean
    probability of its pixels.

    Args:
        model_path: folder, or name on the Hugging Face hub.
        device: where it runs.
        dtype: number format of products, see `pretrained.DTYPES`.
        min_score: masks below it are no answer.
    """

    def __init__(
        self, model_path: str, device: str, dtype: str = "float32", min_score: float = 0.0
    ):
        if not 0 <= min_score < 1:
            raise InvalidInput(f"min_score must be in [0, 1), got {min_score}")
        self.pretrained = load_pretrained(
            "Mask2FormerForUniversalSegmentation", model_path, ("mask2former",), device, dtype
        )
        self.min_score = min_score
        self.name, self.weights = self.pretrained.name, self.pretrained.weights
        code = digest_of_code(
            "spelke.benchmarks.segmenters.mask2former", "spelke.benchmarks.segmenters.pretrained"
        )
        self.identity = digest_of(self.weights, dtype, min_score, code)

    def pixel_values(self, image: np.ndarray) -> Float[Tensor, "1 3 new_height new_width"]:
        """The picture as the network sees it."""
        told = self.pretrained.processing
        size = scaled_size(image.shape[:2], told.get("size", SIZE), told.get("size_divisor", 32))
        return pixels(image, size, *self.pretrained.mean_std(IMAGENET_MEAN, IMAGENET_STD))

    @torch.inference_mode()
    def segment_points(self, image: np.ndarray, points: Points) -> np.ndarray:
        """Return for each point the mask that holds it."""
        size = image.shape[:2]
        given = self.pixel_values(image).to(self.pretrained.device)
        with self.pretrained.autocast():
            answer = self.pretrained.network(pixel_values=given)
        logits = enlarge(answer.masks_queries_logits[0], (given.shape[2], given.shape[3]))
        scores = scores_of(answer.class_queries_logits[0].float(), logits)
        masks = (enlarge(logits, size) > 0).cpu().numpy()
        return masks_at(masks, scores.cpu().numpy(), points, self.min_score)


def scaled_size(size: tuple[int, int], wanted: Any, divisor: int) -> tuple[int, int]:
    """The (height, width) that the published processor scales a picture to.

    The shorter side becomes `shortest_edge`, unless the longer one would pass `longest_edge`; both
    are rounded up to a multiple of `divisor`. Some checkpoints name `height` and `width` instead.
    """
    if "height" in wanted:
        height, width = wanted["height"], wanted["width"]
    else:
        shorter, longest = wanted["shortest_edge"], wanted.get("longest_edge") or math.inf
        low, high = min(size), max(size)
        exact = float(shorter)
        if high / low * shorter > longest:
            exact = longest * low / high
            shorter = round(exact)
        longer = int(exact * high / low)
        if low == shorter:
            longer = high
        height, width = (shorter, longer) if size[0] <= size[1] else (longer, shorter)
    divisor = max(divisor, 1)
    return math.ceil(height / divisor) * divisor, math.ceil(width / divisor) * divisor


def scores_of(
    classes: Float[Tensor, "query class"], logits: Float[Tensor, "query height width"]
) -> Float[Tensor, " query"]:
    """Probability of the best class (the last one is "nothing") times that of the mask."""
    best = classes.softmax(dim=1)[:, :-1].amax(dim=1)
    inside = (logits > 0).flatten(1).float()
    quality = (logits.sigmoid().flatten(1) * inside).sum(1) / (inside.sum(1) + 1e-6)
    return best * quality


def masks_at(
    masks: np.ndarray, scores: np.ndarray, points: Points, min_score: float = 0.0
) -> np.ndarray:
    """Choose for each point the mask of the highest score among those that hold it.

    Args:
        masks: (query, height, width) bool.
        scores: (query,).
        points: (point, 2) integers `(x, y)`.
        min_score: masks below it do not count.

    Returns:
        (point, height, width) bool, empty where no mask holds the point.
    """
    chosen = np.zeros((len(points), *masks.shape[1:]), bool)
    for row, (x, y) in enumerate(points.tolist()):
        holds = masks[:, y, x] & (scores >= min_score)
        if holds.any():
            chosen[row] = masks[np.where(holds, scores, -1).argmax()]
    return chosen
