"""What a row of the training study is worth: FLOPs of a step, held-out numbers, AR on worlds.

Every row answers the same questions about the same held-out scenes, whatever it was asked in
training. Entry points: `Examined`, `step_flops`, `held_out_numbers`, `recall_numbers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from spelke.benchmarks.load_segmenter import load_segmenter
from spelke.benchmarks.quick import run_models
from spelke.benchmarks.report import score_answers
from spelke.benchmarks.test_set import TestItem
from spelke.data.world_records import Record
from spelke.models.local_quantizer import LocalQuantizer
from spelke.training.codec import QuantizerObjective, measure_flow_table
from spelke.training.published import PublishedObjective, PublishedTask
from spelke.training.questions import QuestionConfig
from spelke.training.recipes import Recipe
from spelke.training.tasks import QuantizerTask, Scenes, SceneTask, WorldTask
from spelke.training.world import WorldBatch, WorldObjective
from spelke.weights.load import Checkpoint

ASKED = 96 / 256
"""Share of the patches that a held-out question asks about."""
BATCH = 16
CODEC_BATCHES = 8
"""Held-out batches by which a quantizer is judged."""
MOVING_PX = 1.0


@dataclass(frozen=True)
class Examined:
    """A trained checkpoint as training had it, with held-out scenes.

    Attributes:
        objective: gives loss and metrics of a batch.
        task: evaluates it on the held-out scenes.
    """

    objective: nn.Module
    task: SceneTask

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        checkpoint: Checkpoint,
        held_out: Sequence[Record],
        as_trained: bool = False,
    ) -> Examined:
        """Put the parts together again.

        Args:
            recipe: of the row.
            checkpoint: what it trained, or one that holds the same kind of network.
            held_out: compressed scenes.
            as_trained: ask as many and such questions as in training, instead of those that every
                row is asked.
        """
        samples, batch_size = recipe.samples, recipe.fit.batch_size
        if not as_trained:
            patches = (samples.image_size // samples.patch_size) ** 2
            questions = QuestionConfig(num_pointers=round(ASKED * patches))
            samples, batch_size = replace(samples, questions=questions), BATCH
        scenes = Scenes(records=held_out, held_out=held_out, samples=samples, batch_size=batch_size)
        parts: Any = checkpoint.networks
        if checkpoint.architecture == "local_quantizer":
            codec = parts["network"]
            return cls(QuantizerObjective(codec), QuantizerTask(codec.config, scenes))
        config: Any = recipe.network
        if checkpoint.architecture == "prefix":
            return cls(WorldObjective(parts["network"]), WorldTask(config, scenes))
        rgb, flow = parts["rgb_quantizer"], parts["flow_quantizer"]
        objective = PublishedObjective(parts["network"], rgb, flow, config)
        return cls(objective, PublishedTask(config, rgb, flow, scenes))


def step_flops(recipe: Recipe, checkpoint: Checkpoint, records: Sequence[Record]) -> int:
    """FLOPs of the passes of one optimiser step, forth and back, as torch counts them.

    A product of an (m, k) with a (k, n) matrix is 2 m k n. Frozen quantizers that make the targets
    of the published layout are counted; element-wise work and the optimiser's own products are not.
    """
    examined = Examined.of(recipe, checkpoint, records, as_trained=True)
    batch = next(examined.task.batches(0))
    trained = examined.objective.requires_grad_(True).train()
    for part in ("flow_quantizer", "rgb_quantizer"):
        if hasattr(trained, part):
            getattr(trained, part).requires_grad_(False)
    with FlopCounterMode(display=False) as counter:
        loss, _ = trained(batch)
        loss.backward()
    trained.zero_grad()
    trained.requires_grad_(False).eval()
    return counter.get_total_flops()


def held_out_numbers(examined: Examined, folder: Path) -> dict[str, float]:
    """Loss, follow, leak and iou on the held-out scenes; a picture of them goes to `folder`."""
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        scores = examined.task.evaluate(examined.objective.eval(), 0, folder)
    return {name.removeprefix("held_out/"): value for name, value in scores.items()}


def codec_numbers(examined: Examined) -> dict[str, float]:
    """What is left of pictures, or of flow, after the codes; on held-out scenes.

    For RGB the mean peak signal-to-noise ratio of a picture. For flow the end-point error in
    pixels, over all and over moving pixels, of the decoder and of the mean flow of each code, which
    is what a world model answers with; the means are taken from other batches of the same scenes.
    """
    assert isinstance(examined.objective, QuantizerObjective)
    quantizer = examined.objective.quantizer
    batches = examined.task.batches(0)
    judged: list[WorldBatch] = list(islice(batches, CODEC_BATCHES))
    with torch.no_grad():
        if quantizer.config.in_channels == 3:
            return _rgb_numbers(quantizer, torch.cat([b.image for b in judged]).float() / 255)
        table = measure_flow_table(quantizer, islice(batches, CODEC_BATCHES))
        return _flow_numbers(quantizer, table, [b.flow.float().flatten(0, 1) for b in judged])


def _rgb_numbers(quantizer: LocalQuantizer, images: Tensor) -> dict[str, float]:
    codes = quantizer.encode(quantizer.normalise(images))
    decoded = quantizer.denormalise(quantizer.decode(codes)).clamp(0, 1)
    ratios = [
        peak_signal_noise_ratio(true.numpy(), found.numpy(), data_range=1.0)
        for true, found in zip(images, decoded, strict=True)
    ]
    return {"psnr": float(np.mean(ratios)), "codes_used": codes.unique().numel()}


def _flow_numbers(
    quantizer: LocalQuantizer, table: Tensor, flows: Sequence[Tensor]
) -> dict[str, float]:
    used: set[int] = set()

    def decoded(flow: Tensor) -> Tensor:
        codes = quantizer.encode(quantizer.normalise(flow))
        used.update(codes.unique().tolist())
        return quantizer.denormalise(quantizer.decode(codes))

    def mean_of_code(flow: Tensor) -> Tensor:
        codes = quantizer.encode(quantizer.normalise(flow))
        return table[codes].permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)

    numbers = flow_errors({"decoder": decoded, "mean_of_code": mean_of_code}, flows)
    return {**numbers, "codes_used": len(used)}


CodeAnswers = Mapping[str, Callable[[Tensor], Tensor]]
"""Names to what is left of flow fields (picture, 2, side, side) after coding."""


def flow_errors(answers: CodeAnswers, flows: Sequence[Tensor]) -> dict[str, float]:
    """Mean end-point error of each answer over all and over moving pixels, and their motion."""
    length = torch.cat([flow.norm(dim=1).flatten() for flow in flows])
    moving = length >= MOVING_PX
    numbers = {"motion_px": float(length[moving].mean())}
    for name, answer in answers.items():
        error = torch.cat([(answer(flow) - flow).norm(dim=1).flatten() for flow in flows])
        numbers[f"{name}_epe"] = float(error.mean())
        numbers[f"{name}_epe_moving"] = float(error[moving].mean())
    return numbers


def recall_numbers(
    name: str, checkpoint: str | Path, items: Sequence[TestItem], folder: Path
) -> dict[str, Any]:
    """AR and mIoU over all and by family, and of each picture, for paired comparisons.

    Args:
        name: of the row.
        checkpoint: name or folder.
        items: held-out worlds.
        folder: keeps the answers, so that an interrupted row goes on.
    """
    model = load_segmenter(str(checkpoint), "cpu")
    model.name = name
    outcome = run_models([model], items, folder)
    scores = score_answers(items, outcome.answers[name])
    return {
        "set": outcome.set_fingerprint,
        "rows": [row.to_json() for row in outcome.rows],
        "pictures": {
            key: [round(score.average_recall, 4), round(score.mean_iou, 4)]
            for key, score in scores.items()
        },
    }
