"""SAM, SAM 2 and SAM 3, asked with one point.

Kirillov et al. 2023, arXiv 2304.02643; Ravi et al. 2024, arXiv 2408.00714; SAM 3 through its
tracker, which keeps the point prompts of SAM 2. Each answers a point with several masks and how
good it thinks they are; the one that it thinks best is taken.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from spelke.benchmarks.identity import digest_of, digest_of_code
from spelke.benchmarks.segmenter import Points, SegmentationModel
from spelke.benchmarks.segmenters.pretrained import (
    HALF,
    IMAGENET_MEAN,
    IMAGENET_STD,
    enlarge,
    load_pretrained,
    pixels,
)

POINTS_AT_ONCE = 64
"""Points that the mask decoder is given together."""


class _PromptedSegmenter(SegmentationModel):
    """What the three have in common: one look at a picture, then all its points.

    Args:
        model_path: folder, or name on the Hugging Face hub.
        device: where it runs.
        dtype: number format of the image encoder's products, see `pretrained.DTYPES`.
        multimask: choose the best of several masks; else take the single one.
    """

    class_name: str
    model_types: tuple[str, ...]
    mean = IMAGENET_MEAN
    std = IMAGENET_STD

    def __init__(
        self, model_path: str, device: str, dtype: str = "float32", multimask: bool = True
    ):
        self.pretrained = load_pretrained(
            self.class_name, model_path, self.model_types, device, dtype
        )
        self.name, self.weights = self.pretrained.name, self.pretrained.weights
        self.multimask = multimask
        code = digest_of_code(
            "spelke.benchmarks.segmenters.sam", "spelke.benchmarks.segmenters.pretrained"
        )
        self.identity = digest_of(self.class_name, self.weights, dtype, multimask, code)

    @property
    def side(self) -> int:
        """Side of the square that the network looks at, in pixels."""
        return self.pretrained.config.prompt_encoder_config.image_size

    def scaled_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The (height, width) that a picture is scaled to: the square itself."""
        return self.side, self.side

    def pixel_values(self, image: np.ndarray) -> Float[Tensor, "1 3 side side"]:
        """The picture as the network sees it; what is outside of it is 0 after normalisation."""
        mean, std = self.pretrained.mean_std(self.mean, self.std)
        scaled = pixels(image, self.scaled_size(image.shape[:2]), mean, std)
        right, below = self.side - scaled.shape[3], self.side - scaled.shape[2]
        return torch.nn.functional.pad(scaled, (0, right, 0, below))

    def prompts(self, points: Points, size: tuple[int, int]) -> Float[Tensor, "1 point 1 2"]:
        """Points in pixels of the scaled picture; the network adds half a pixel itself."""
        height, width = self.scaled_size(size)
        scale = torch.tensor([width / size[1], height / size[0]])
        return (torch.from_numpy(points).float() * scale)[None, :, None]

    def masks_of(
        self, logits: Float[Tensor, "point low_height low_width"], size: tuple[int, int]
    ) -> Float[Tensor, "point height width"]:
        """Mask logits at the picture's own size."""
        whole = enlarge(logits, (self.side, self.side))
        height, width = self.scaled_size(size)
        return enlarge(whole[:, :height, :width], size)

    @torch.inference_mode()
    def segment_points(self, image: np.ndarray, points: Points) -> np.ndarray:
        """Return the mask of each point that the network thinks best."""
        size = image.shape[:2]
        if not len(points):
            return np.zeros((0, *size), bool)
        network = self.pretrained.network
        with self.pretrained.autocast():
            looked = network.get_image_embeddings(
                self.pixel_values(image).to(self.pretrained.device)
            )
        # In float32 from here on: a point in bfloat16 would be off by pixels.
        embeddings = looked.float() if isinstance(looked, Tensor) else [e.float() for e in looked]
        masks = []
        for prompts in self.prompts(points, size).split(POINTS_AT_ONCE, dim=1):
            given = prompts.to(network.device)
            answer = network(
                image_embeddings=embeddings,
                input_points=given,
                input_labels=torch.ones(given.shape[:3], dtype=torch.int, device=given.device),
                multimask_output=self.multimask,
            )
            chosen = best_masks(answer.pred_masks[0], answer.iou_scores[0])
            masks.append((self.masks_of(chosen, size) > 0).cpu().numpy())
        return np.concatenate(masks)


class Sam(_PromptedSegmenter):
    """Segment Anything: the longer side becomes 1024 pixels, the rest is padding."""

    class_name = "SamModel"
    model_types = ("sam",)

    def scaled_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The (height, width) that a picture is scaled to: its longer side fills the square."""
        scale = self.side / max(size)
        return int(size[0] * scale + 0.5), int(size[1] * scale + 0.5)


class Sam2(_PromptedSegmenter):
    """Segment Anything 2 and 2.1: the picture is stretched to 1024 by 1024 pixels."""

    class_name = "Sam2Model"
    model_types = ("sam2", "sam2_video")

    def masks_of(
        self, logits: Float[Tensor, "point low_height low_width"], size: tuple[int, int]
    ) -> Float[Tensor, "point height width"]:
        """Mask logits at the picture's own size: there is no padding, so in one step."""
        return enlarge(logits, size)


class Sam3(Sam2):
    """Segment Anything 3: stretched to 1008 by 1008 pixels, normalised by halves."""

    class_name = "Sam3TrackerModel"
    model_types = ("sam3_tracker", "sam3_tracker_video", "sam3_video")
    mean = HALF
    std = HALF


def best_masks(
    masks: Float[Tensor, "point choice height width"], scores: Float[Tensor, "point choice"]
) -> Float[Tensor, "point height width"]:
    """Take from each point's masks the one with the highest score."""
    best: Int[Tensor, " point"] = scores.argmax(dim=1)
    return masks[torch.arange(len(masks), device=masks.device), best]
