"""What is learned from what: the tasks that `fit` runs."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import cv2
import torch
from lightning.fabric.utilities.apply_func import move_data_to_device
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from spelke.data.world_records import Record
from spelke.models.local_quantizer import LocalQuantizer, LocalQuantizerConfig
from spelke.models.prefix import PrefixConfig, PrefixWorld
from spelke.rollout.prefix import PrefixWorldModel
from spelke.runtime.device import DeviceChoice
from spelke.training.codec import QuantizerObjective
from spelke.training.log import Means
from spelke.training.pictures import (
    Sheet,
    draw_answers,
    draw_decoded_flow,
    draw_decoded_images,
    write_sheet,
)
from spelke.training.samples import SampleConfig, SceneSamples
from spelke.training.vocabulary import choose_displacements
from spelke.training.world import WorldBatch, WorldObjective

HELD_OUT_BATCHES = 32
"""Batches of one evaluation at most."""
_LOOKS = 4
"""Samples of each held-out scene in one evaluation at most."""


class _Numbers(Sampler[int]):
    """Sample numbers from `first` on, for ever."""

    def __init__(self, first: int) -> None:
        self.first = first

    def __iter__(self) -> Iterator[int]:
        return count(self.first)


def sample_batches(
    samples: Dataset[Any], batch_size: int, first: int = 0, num_workers: int = 0
) -> Iterator[Any]:
    """Batches number `first`, `first + 1`, ...; what a batch holds depends on its number alone."""
    loader = DataLoader(
        samples,
        batch_size=batch_size,
        sampler=_Numbers(first * batch_size),
        num_workers=num_workers,
        prefetch_factor=4 if num_workers else None,
        worker_init_fn=_ignore_interrupts if num_workers else None,
    )
    # A worker that is forked while OpenCV has threads would wait for them for ever.
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return iter(loader)
    finally:
        cv2.setNumThreads(threads)


def _ignore_interrupts(_: int) -> None:
    # Ctrl-C reaches all processes of a terminal, but the run wants to end its step first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenes:
    """Simulated scenes, and how they become batches.

    Attributes:
        records: compressed training scenes.
        held_out: compressed scenes for evaluation; may be empty.
        samples: how a scene becomes a picture.
        batch_size: samples of one batch.
        num_workers: processes that prepare samples.
        seed: of every sample.
    """

    records: Sequence[Record]
    held_out: Sequence[Record] = ()
    samples: SampleConfig
    batch_size: int
    num_workers: int = 0
    seed: int = 0


class SceneTask:
    """What tasks on simulated scenes share: where samples come from and how they are scored."""

    def __init__(self, scenes: Scenes) -> None:
        self.scenes = scenes
        self.samples = self.prepare(SceneSamples(scenes.records, scenes.samples, scenes.seed))
        self.held_out: Dataset[Any] | None = None
        if scenes.held_out:
            others = SceneSamples(scenes.held_out, scenes.samples, scenes.seed + 1)
            self.held_out = self.prepare(others)

    def prepare(self, samples: SceneSamples) -> Dataset[Any]:
        """What the objective takes, from samples of scenes."""
        return samples

    def objective(self, fresh: bool = True) -> nn.Module:
        """What is trained; see `fit.Task`."""
        raise NotImplementedError

    def batches(self, first: int) -> Iterator[Any]:
        """Training batches from number `first` on."""
        return sample_batches(self.samples, self.scenes.batch_size, first, self.scenes.num_workers)

    def few(self, count: int) -> Any:
        """A batch of the first `count` samples, made in this process."""
        return next(sample_batches(self.samples, count))

    def evaluate(self, objective: nn.Module, step: int, folder: Path) -> dict[str, float]:
        """Mean metrics of the objective on fixed held-out batches, and a sheet of its answers.

        Without held-out scenes there is neither.
        """
        if self.held_out is None:
            return {}
        means, device = Means(), next(objective.parameters()).device
        wanted = -(-_LOOKS * len(self.scenes.held_out) // self.scenes.batch_size)
        batches = sample_batches(self.held_out, self.scenes.batch_size)
        for number in range(min(HELD_OUT_BATCHES, wanted)):
            # Autocast would touch how samples are put together, and cannot.
            with torch.autocast("cpu", enabled=False):
                batch = next(batches)
            means.add(objective(move_data_to_device(batch, device))[1])
            if number == 0:
                # As in use: the quantizers, above all, do not work in bfloat16.
                with torch.autocast(device.type, enabled=False):
                    sheet = self.draw(objective, batch)
                if sheet is not None:
                    write_sheet(sheet, step, folder)
        return {f"held_out/{name}": value for name, value in means.take().items()}

    def draw(self, objective: nn.Module, batch: Any) -> Sheet | None:
        """A sheet of what the objective makes of a batch; None if there is nothing to show."""
        raise NotImplementedError


class QuantizerTask(SceneTask):
    """Learn to write flow, or RGB, as codes.

    Args:
        config: shape of the quantizer.
        scenes: to learn from.
    """

    def __init__(self, config: LocalQuantizerConfig, scenes: Scenes) -> None:
        super().__init__(scenes)
        self.config = config

    def objective(self, fresh: bool = True) -> QuantizerObjective:
        """A fresh quantizer."""
        return QuantizerObjective(LocalQuantizer(self.config))

    def draw(self, objective: QuantizerObjective, batch: WorldBatch) -> Sheet:
        """Pictures, or flow, before and after the codes."""
        quantizer = objective.quantizer
        device = next(quantizer.parameters()).device
        is_flow = self.config.in_channels == 2
        shown = (batch.flow[:6, 0] if is_flow else batch.image[:6]).float()
        shown = shown if is_flow else shown / 255
        codes = quantizer.encode(quantizer.normalise(shown.to(device)))
        decoded = quantizer.denormalise(quantizer.decode(codes)).cpu()
        return (draw_decoded_flow if is_flow else draw_decoded_images)(shown, decoded)


class WorldTask(SceneTask):
    """Learn to predict flow codes from pictures and pokes.

    Args:
        config: shape of the network.
        scenes: to learn from.
        start: a trained network of that shape to begin with; its vocabulary is kept if it has as
            many codes, and else chosen anew from the scenes. Fresh weights if not given.
    """

    SEEN_BATCHES = 40
    """Batches from which the displacements of the codes are chosen."""

    def __init__(
        self, config: PrefixConfig, scenes: Scenes, start: PrefixWorld | None = None
    ) -> None:
        super().__init__(scenes)
        self.config, self.start = config, start

    def objective(self, fresh: bool = True) -> WorldObjective:
        """The network to begin with."""
        network, start = PrefixWorld(self.config), self.start
        if fresh and start is None:
            network.init_codes(self._chosen())
        elif fresh and start is not None and start.config == self.config:
            network.load_state_dict(start.state_dict())
        elif fresh and start is not None:
            network.learn_from(start, self._chosen())
        return WorldObjective(network)

    def _chosen(self) -> Tensor:
        return choose_displacements(
            islice(self.batches(0), self.SEEN_BATCHES), self.config.num_codes
        )

    def draw(self, objective: WorldObjective, batch: WorldBatch) -> Sheet | None:
        """Pictures with a poke, what really follows, and what the network expects."""
        device = objective.network.position.device
        choice = DeviceChoice(device, torch.float32, "in training")
        return draw_answers(PrefixWorldModel(objective.network, choice), batch)
