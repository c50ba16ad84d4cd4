"""The counterfactual baseline in training: foretell the next frame from a few of its patches.

So few patches of the second frame are shown that they have to tell what moved where, which is what
`benchmarks/segmenters/cwm.py` asks later.
Source: Bear et al. 2023, arXiv 2306.01828 (temporally factored masking).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d
from torch.utils.data import Dataset

from spelke.errors import InvalidInput
from spelke.models.two_frame import TwoFrameConfig, TwoFramePredictor
from spelke.training.pictures import Sheet, draw_frames
from spelke.training.samples import SceneSamples, choose_crop, crop_image
from spelke.training.tasks import Scenes, SceneTask
from spelke.worlds.sensor import draw_sensor, expose

_SHOWN = (0.01, 0.12)
"""Smallest and largest share of the patches of the second frame that is shown."""


class FrameBatch(NamedTuple):
    """Pairs of frames, before and after a poke.

    Attributes:
        first, second: (batch, 3, side, side) uint8.
        visible: (batch, patch) bool, which patches of the second are shown.
    """

    first: Tensor
    second: Tensor
    visible: Tensor


class FrameSamples(Dataset[FrameBatch]):
    """Frame pairs of the scenes of other samples: the same crops, seen by one camera.

    Args:
        scenes: whose scenes, crops and random numbers are used.
    """

    def __init__(self, scenes: SceneSamples) -> None:
        self.scenes = scenes

    def __getitem__(self, number: int) -> FrameBatch:
        scene, rng = self.scenes.scene(number)
        if scene.pokes.rgb is None:
            raise InvalidInput(
                "the scenes hold no frames after the pokes; make them without --no-after-frames"
            )
        config = self.scenes.config
        left, top, side = choose_crop(scene, config, rng)
        after = scene.pokes.rgb[rng.integers(len(scene.pokes.body))]
        sensor, mirrored = draw_sensor(rng, config.swapped_colours), rng.random() < 0.5
        first, second = (
            expose(crop_image(rgb, left, top, side, config.image_size), sensor, rng)
            for rgb in (scene.rgb, after)
        )
        step = -1 if mirrored else 1
        count = (config.image_size // config.patch_size) ** 2
        shown = rng.permutation(count) < rng.uniform(*_SHOWN) * count
        return FrameBatch(_planes(first[:, ::step]), _planes(second[:, ::step]), _tensor(shown))


class FrameObjective(nn.Module):
    """A predictor in training; called with a batch it gives loss and metrics.

    Args:
        network: what is trained.
    """

    def __init__(self, network: TwoFramePredictor) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: FrameBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean squared error of the hidden patches, and metrics.

        psnr is of them, in dB. over_copy is the error over that of repeating the first frame, where
        the two frames differ: below 1 something of the motion was foretold.
        """
        first, second = batch.first.float() / 255, batch.second.float() / 255
        predicted = self.network(first, second, batch.visible).float()
        error, copied = self._by_patch(predicted - second), self._by_patch(first - second)
        loss = error[~batch.visible].mean()
        changed = ~batch.visible & (copied > copied.mean())
        metrics = {"loss": loss, "psnr": -10 * loss.log10()}
        if changed.any():
            metrics["over_copy"] = error[changed].mean() / copied[changed].mean()
        return loss, {name: value.detach() for name, value in metrics.items()}

    def _by_patch(
        self, difference: Float[Tensor, "batch 3 side side"]
    ) -> Float[Tensor, "batch patch"]:
        """Mean squared difference of each patch."""
        squared = difference.square().mean(1, keepdim=True)
        return avg_pool2d(squared, self.network.config.patch_size).flatten(1)


class FrameTask(SceneTask):
    """Learn to foretell the frame after a poke.

    Args:
        config: shape of the network.
        scenes: to learn from, with frames after their pokes.
    """

    def __init__(self, config: TwoFrameConfig, scenes: Scenes) -> None:
        super().__init__(scenes)
        self.config = config

    def prepare(self, samples: SceneSamples) -> FrameSamples:
        """Frame pairs of the scenes."""
        return FrameSamples(samples)

    def objective(self, fresh: bool = True) -> FrameObjective:
        """A fresh predictor."""
        return FrameObjective(TwoFramePredictor(self.config))

    def draw(self, objective: FrameObjective, batch: FrameBatch) -> Sheet:
        """Frames before and after, and what was foretold."""
        device = objective.network.unseen.device
        first, second = (frames[:6].float().to(device) / 255 for frames in batch[:2])
        foretold = objective.network(first, second, batch.visible[:6].to(device))
        return draw_frames(first.cpu(), second.cpu(), foretold.cpu())


def _planes(image: np.ndarray) -> Tensor:
    return _tensor(image.transpose(2, 0, 1))


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))
