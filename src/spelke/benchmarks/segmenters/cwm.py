"""Counterfactual world modelling: move a patch in a predicted next frame, see what comes along.

The patch under the point is shown to a predictor of the next frame a little farther on, with some
others that have stayed; the optical flow from the picture to the predicted frame says what moved
with it. This is done in several directions with other still patches each time, and the mean motion
along the direction is cut by Otsu's threshold.
Source: Bear et al. 2023, arXiv 2306.01828, section on Spelke objects. The published networks are
not read; any checkpoint of architecture `two_frame` is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from spelke.benchmarks.baselines import component_at
from spelke.benchmarks.identity import digest_of, digest_of_checkpoint, digest_of_code
from spelke.benchmarks.segmenter import Points, SegmentationModel
from spelke.discovery.correlation import otsu_region
from spelke.errors import BadCheckpoint, InvalidInput
from spelke.flow.estimate import DisEstimator
from spelke.runtime.seed import numpy_generator
from spelke.weights.load import load

ARCHITECTURE = "two_frame"


@dataclass(frozen=True, kw_only=True, slots=True)
class CwmSettings:
    """How a predictor is asked."""

    directions: int = 8
    """Ways in which the patch is moved, spread evenly over the circle."""
    shift: int = 16
    """How far, in pixels of the predictor's picture."""
    num_still: int = 16
    """Patches that are shown to have stayed, besides the four corners."""
    still_reach: float = 0.25
    """They are at least so far from the point, in sides of the picture: farther than most things
    reach."""
    at_once: int = 16
    """Questions that the network is asked together."""
    seed: int = 0
    """Decides which patches stay."""

    def __post_init__(self) -> None:
        for name in ("directions", "shift", "at_once"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.num_still < 0 or not 0 <= self.still_reach < 1:
            raise InvalidInput(
                "num_still must be at least 0 and still_reach in [0, 1), got "
                f"{self.num_still} and {self.still_reach}"
            )


class Cwm(SegmentationModel):
    """Asks a predictor of the next frame.

    Args:
        model_path: folder of a checkpoint of architecture `two_frame`.
        device: where it runs.
        settings: how it is asked.
    """

    def __init__(self, model_path: str, device: str, settings: CwmSettings | None = None):
        checkpoint = load(model_path, device)
        if checkpoint.architecture != ARCHITECTURE:
            raise BadCheckpoint(
                f"{model_path} holds a {checkpoint.architecture!r}; a counterfactual baseline "
                f"needs a predictor of the next frame, architecture {ARCHITECTURE!r}"
            )
        self.network, self.config = checkpoint.network, checkpoint.config
        self.device = torch.device(device)
        self.settings = settings or CwmSettings()
        self.name, self.weights = checkpoint.name, digest_of_checkpoint(checkpoint.folder)
        code = digest_of_code(
            "spelke.benchmarks.segmenters.cwm",
            "spelke.models.two_frame",
            "spelke.flow.estimate",
            "spelke.discovery.correlation",
        )
        self.identity = digest_of(self.weights, self.settings, code)

    def segment_points(self, image: np.ndarray, points: Points) -> np.ndarray:
        """Return what comes along with the patch at each point."""
        side, size = self.config.image_size, image.shape[:2]
        small = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))
        frame = torch.from_numpy(small.astype(np.float32) / 255).permute(2, 0, 1)
        masks = np.zeros((len(points), *size), bool)
        for row, (x, y) in enumerate(points.tolist()):
            place = (x * side // size[1], y * side // size[0])
            motion = cv2.resize(self.motion(frame, place), size[::-1])
            moved = otsu_region(motion)
            moved[y, x] = True  # the point is part of its own answer
            masks[row] = component_at(moved, (x, y))
        return masks

    @torch.inference_mode()
    def motion(
        self, frame: Float[Tensor, "3 side side"], point: tuple[int, int]
    ) -> Float[np.ndarray, "side side"]:
        """Mean share of the patch's way that each pixel went along, from 0 to 1.

        Args:
            frame: the picture at the predictor's size.
            point: `(x, y)` in its pixels.
        """
        questions = list(self._questions(frame, point))
        estimator, total = DisEstimator(), np.zeros(frame.shape[1:], np.float32)
        for start in range(0, len(questions), self.settings.at_once):
            some = questions[start : start + self.settings.at_once]
            seconds = torch.stack([second for second, _, _ in some]).to(self.device)
            visible = torch.stack([seen for _, seen, _ in some]).to(self.device)
            first = frame.to(self.device).expand(len(some), -1, -1, -1)
            predicted = self.network(first, seconds, visible).clamp(0, 1).cpu()
            for (_, _, (dx, dy)), second in zip(some, predicted, strict=True):
                flow = estimator.estimate(frame, second).numpy()
                along = (flow[0] * dx + flow[1] * dy) / (dx * dx + dy * dy)
                total += np.clip(along, 0, 1)
        return total / max(len(questions), 1)

    def _questions(self, frame: Tensor, point: tuple[int, int]) -> Any:
        """For each direction: second frame, visible patches, displacement in pixels."""
        patch, count = self.config.patch_size, self.config.patches_per_side
        generator = numpy_generator(self.settings.seed, *point)
        for way in range(self.settings.directions):
            angle = 2 * math.pi * way / self.settings.directions
            dx = round(self.settings.shift * math.cos(angle))
            dy = round(self.settings.shift * math.sin(angle))
            column, row = (point[0] + dx) // patch, (point[1] + dy) // patch
            if not (0 <= column < count and 0 <= row < count):
                continue  # it would leave the picture
            visible = torch.from_numpy(self._still(point, generator))
            second = frame.clone()
            shifted = _shift(frame, dx, dy)
            box = np.s_[:, row * patch : (row + 1) * patch, column * patch : (column + 1) * patch]
            second[box] = shifted[box]
            visible[row * count + column] = True
            yield second, visible, (dx, dy)

    def _still(
        self, point: tuple[int, int], generator: np.random.Generator
    ) -> Bool[np.ndarray, " patch"]:
        """The four corners and some patches far from the point."""
        patch, count = self.config.patch_size, self.config.patches_per_side
        centres = (np.arange(count) + 0.5) * patch
        distance = np.hypot(centres[None] - point[0], centres[:, None] - point[1])
        far = np.flatnonzero(distance >= self.settings.still_reach * self.config.image_size)
        chosen = generator.permutation(far)[: self.settings.num_still]
        still = np.zeros((count, count), bool)
        still[np.ix_([0, -1], [0, -1])] = True
        still.flat[chosen] = True
        return still.ravel()


def _shift(frame: Float[Tensor, "3 height width"], dx: int, dy: int) -> Tensor:
    """The picture moved by whole pixels; its edges are drawn out."""
    height, width = frame.shape[1:]
    rows = (torch.arange(height) - dy).clamp(0, height - 1)
    columns = (torch.arange(width) - dx).clamp(0, width - 1)
    return frame[:, rows][:, :, columns]
