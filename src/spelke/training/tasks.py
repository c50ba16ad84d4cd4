"""What is learned from what: the tasks that `fit` runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path

import cv2
import torch
from torch import nn
from torch.utils.data import DataLoader, Sampler

from spelke.data.worlds import Record
from spelke.models.local_quantizer import LocalQuantizer, LocalQuantizerConfig
from spelke.models.prefix import PrefixConfig, PrefixWorld
from spelke.training.codec import QuantizerObjective, measure_flow_table
from spelke.training.samples import SampleConfig, SceneSamples
from spelke.training.world import WorldBatch, WorldObjective


class _Numbers(Sampler[int]):
    """Sample numbers from `first` on, for ever."""

    def __init__(self, first: int) -> None:
        self.first = first

    def __iter__(self) -> Iterator[int]:
        return count(self.first)


def sample_batches(
    samples: SceneSamples, batch_size: int, first: int = 0, num_workers: int = 0
) -> Iterator[WorldBatch]:
    """Batches number `first`, `first + 1`, ...; what a batch holds depends on its number alone."""
    loader = DataLoader(
        samples,
        batch_size=batch_size,
        sampler=_Numbers(first * batch_size),
        num_workers=num_workers,
        prefetch_factor=4 if num_workers else None,
        worker_init_fn=_one_thread if num_workers else None,
    )
    return iter(loader)


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


class SceneTask:
    """What tasks on simulated scenes share: where samples come from and how they are scored.

    Args:
        records: compressed training scenes.
        held_out: compressed scenes for evaluation; may be empty.
        samples: how a scene becomes a picture.
        batch_size: samples of one batch.
        num_workers: processes that prepare samples.
        seed: of every sample.
    """

    def __init__(
        self,
        records: Sequence[Record],
        held_out: Sequence[Record],
        samples: SampleConfig,
        batch_size: int,
        num_workers: int,
        seed: int,
    ) -> None:
        self.samples = SceneSamples(records, samples, seed)
        self.held_out = SceneSamples(held_out, samples, seed + 1) if held_out else None
        self.batch_size, self.num_workers = batch_size, num_workers

    def batches(self, first: int) -> Iterator[WorldBatch]:
        """Training batches from number `first` on."""
        return sample_batches(self.samples, self.batch_size, first, self.num_workers)

    def evaluate(self, objective: nn.Module, step: int, folder: Path) -> dict[str, float]:
        """Metrics of the objective on 32 fixed batches of held-out scenes."""
        if self.held_out is None:
            return {}
        sums: dict[str, list[float]] = {}
        device = next(objective.parameters()).device
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
            for batch in islice(sample_batches(self.held_out, self.batch_size), 32):
                _, metrics = objective(WorldBatch(*(part.to(device) for part in batch)))
                for name, value in metrics.items():
                    sums.setdefault(f"held_out/{name}", []).append(float(value))
        return {name: sum(values) / len(values) for name, values in sums.items()}


class QuantizerTask(SceneTask):
    """Learn to write flow, or RGB, as codes."""

    def __init__(self, config: LocalQuantizerConfig, *scene_arguments) -> None:
        super().__init__(*scene_arguments)
        self.config = config

    def objective(self) -> QuantizerObjective:
        """A fresh quantizer."""
        return QuantizerObjective(LocalQuantizer(self.config))


class WorldTask(SceneTask):
    """Learn to predict flow codes from pictures and pokes.

    Args:
        config: shape of the network.
        quantizer: trained, of flow.
        scene_arguments: those of `SceneTask`.
    """

    TABLE_BATCHES = 40
    """Batches from which the meaning of each code is measured."""

    def __init__(self, config: PrefixConfig, quantizer: LocalQuantizer, *scene_arguments) -> None:
        super().__init__(*scene_arguments)
        self.config, self.quantizer = config, quantizer

    def objective(self) -> WorldObjective:
        """A fresh network whose codes start from their measured meaning."""
        network = PrefixWorld(self.config)
        first = islice(self.batches(0), self.TABLE_BATCHES)
        network.init_codes(measure_flow_table(self.quantizer, first))
        return WorldObjective(network, self.quantizer)
