"""DINO, DINOv2 and DINOv3: what looks like the patch under the point.

The picture's patches are compared with the one under the point by the cosine of their features,
the map of similarities is scaled to the picture and cut by Otsu's threshold, and the connected part
at the point is the answer. The paper names these networks as self-supervised rivals and gives their
scores; how it cut their similarities it does not say in what is published with the benchmark, so
the cut is the one that it uses for its own maps, and is an option.
Caron et al. 2021, arXiv 2104.14294; Oquab et al. 2023, arXiv 2304.07193; Siméoni et al. 2025,
arXiv 2508.10104.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float

from spelke.benchmarks.baselines import component_at
from spelke.benchmarks.identity import digest_of, digest_of_code
from spelke.benchmarks.segmenter import Points, SegmentationModel
from spelke.benchmarks.segmenters.pretrained import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    enlarge,
    load_pretrained,
    pixels,
)
from spelke.discovery.correlation import otsu_region
from spelke.errors import InvalidInput

MODEL_TYPES = ("vit", "dinov2", "dinov2_with_registers", "dinov3_vit")
"""transformers' names of the networks; DINO's first is a plain `vit`."""


class Dino(SegmentationModel):
    """Similarity of features to those at the point.

    Args:
        model_path: folder, or name on the Hugging Face hub.
        device: where it runs.
        dtype: number format of products, see `pretrained.DTYPES`.
        longer_side: pictures are scaled so that their longer side has this many pixels; both sides
            then become multiples of the patch.
        threshold: cosine from which a pixel belongs; None is Otsu's threshold of each map.
    """

    def __init__(
        self,
        model_path: str,
        device: str,
        dtype: str = "float32",
        longer_side: int = 512,
        threshold: float | None = None,
    ):
        if longer_side < 1:
            raise InvalidInput(f"longer_side must be at least 1 pixel, got {longer_side}")
        self.pretrained = load_pretrained(
            "AutoModel", model_path, MODEL_TYPES, device, dtype, unused=("pooler.",)
        )
        self.longer_side, self.threshold = longer_side, threshold
        self.name, self.weights = self.pretrained.name, self.pretrained.weights
        code = digest_of_code(
            "spelke.benchmarks.segmenters.dino",
            "spelke.benchmarks.segmenters.pretrained",
            "spelke.discovery.correlation",
        )
        self.identity = digest_of(self.weights, dtype, longer_side, threshold, code)

    def scaled_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The (height, width) that a picture is scaled to."""
        patch = self.pretrained.config.patch_size
        scale = self.longer_side / max(size) / patch
        return max(1, round(size[0] * scale)) * patch, max(1, round(size[1] * scale)) * patch

    @torch.inference_mode()
    def similarities(
        self, image: np.ndarray, points: Points
    ) -> Float[np.ndarray, "point height width"]:
        """Cosine of each pixel's features with those of the patch under each point."""
        size = image.shape[:2]
        scaled = self.scaled_size(size)
        config = self.pretrained.config
        mean, std = self.pretrained.mean_std(IMAGENET_MEAN, IMAGENET_STD)
        given = pixels(image, scaled, mean, std).to(self.pretrained.device)
        # A plain ViT was trained at one size only and has to be told that this is another.
        told = {"interpolate_pos_encoding": True} if config.model_type == "vit" else {}
        with self.pretrained.autocast():
            tokens = self.pretrained.network(pixel_values=given, **told).last_hidden_state
        rows, columns = (side // config.patch_size for side in scaled)
        # A class token, and registers in some, come before the patches.
        features = torch.nn.functional.normalize(tokens[0, -rows * columns :].float(), dim=1)
        row = points[:, 1] * rows // size[0]
        column = points[:, 0] * columns // size[1]
        cosines = features[row * columns + column] @ features.T
        return enlarge(cosines.reshape(-1, rows, columns), size).cpu().numpy()

    def segment_points(self, image: np.ndarray, points: Points) -> np.ndarray:
        """Return the connected part of what is similar, for each point."""
        masks = np.zeros((len(points), *image.shape[:2]), bool)
        if not len(points):
            return masks
        for row, cosines in enumerate(self.similarities(image, points)):
            masks[row] = self._cut(cosines, (int(points[row, 0]), int(points[row, 1])))
        return masks

    def _cut(
        self, cosines: Float[np.ndarray, "height width"], point: tuple[int, int]
    ) -> Bool[np.ndarray, "height width"]:
        similar = otsu_region(cosines) if self.threshold is None else cosines >= self.threshold
        similar[point[1], point[0]] = True  # the point is part of its own answer
        return component_at(similar, point)
