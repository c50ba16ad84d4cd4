"""A recipe and some folders to a finished checkpoint: `train`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from spelke.data.worlds import Record, read_shards
from spelke.errors import InvalidInput, MissingData
from spelke.models.local_quantizer import LocalQuantizer, LocalQuantizerConfig
from spelke.training.codec import QuantizerObjective
from spelke.training.fit import fit
from spelke.training.recipes import Recipe
from spelke.training.tasks import QuantizerTask, SceneTask, WorldTask
from spelke.training.world import WorldObjective
from spelke.weights.load import load
from spelke.weights.save import save


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    held_out: Path | None = None,
    quantizer: str | Path | None = None,
    max_minutes: float | None = None,
    resume: bool = False,
    report: Callable[[dict[str, float]], None] = lambda line: None,
    accelerator: str = "auto",
) -> Path:
    """Run a recipe and write its checkpoint to `out/<recipe name>`.

    Args:
        recipe: what to train.
        data: folder of training shards, as `spelke worlds make` writes them.
        out: run folder: log, TensorBoard, resumable state, and the checkpoint.
        held_out: folder of shards for evaluation during training.
        quantizer: for a world model, the flow quantizer's checkpoint: a model that has one, or a
            folder.
        max_minutes: stop after this time; `resume` goes on later.
        resume: continue the run in `out`.
        report: called with every line of the log.
        accelerator: Lightning Fabric's.

    Raises:
        MissingData: a folder holds no shards.
        InvalidInput: a world model without a quantizer, or one that does not fit.
    """
    records = load_records(data)
    scenes = (
        records,
        load_records(held_out) if held_out else [],
        recipe.samples,
        recipe.fit.batch_size,
        recipe.num_workers,
        recipe.fit.seed,
    )
    task = _make_task(recipe, scenes, quantizer)
    objective = fit(
        task,
        recipe.fit,
        out,
        max_minutes=max_minutes,
        resume=resume,
        report=report,
        accelerator=accelerator,
    )
    history = {
        "recipe": dataclasses.asdict(recipe),
        "num_scenes": len(records),
        "torch": torch.__version__,
    }
    return write_checkpoint(objective, out / recipe.name, history)


def load_records(folder: Path) -> list[Record]:
    """All scenes of a folder of shards, compressed, in memory."""
    # A hidden file is a shard that is still being written.
    shards = sorted(path for path in folder.glob("*.tar") if not path.name.startswith("."))
    if not shards:
        raise MissingData(
            f"{folder} holds no shards (*.tar); make some with `spelke worlds make {folder}`"
        )
    return list(read_shards(shards))


def write_checkpoint(objective: nn.Module, folder: Path, history: dict[str, Any]) -> Path:
    """Write what an objective has learned as a checkpoint folder."""
    if isinstance(objective, WorldObjective):
        networks = {"network": objective.network, "flow_quantizer": objective.quantizer}
        return save(folder, "prefix", networks, card=_card(folder.name, history), training=history)
    assert isinstance(objective, QuantizerObjective)
    networks = {"network": objective.quantizer}
    return save(
        folder, "local_quantizer", networks, card=_card(folder.name, history), training=history
    )


def _make_task(recipe: Recipe, scenes: tuple, quantizer: str | Path | None) -> SceneTask:
    if isinstance(recipe.network, LocalQuantizerConfig):
        return QuantizerTask(recipe.network, *scenes)
    if quantizer is None:
        raise InvalidInput(
            f"recipe {recipe.name!r} trains a world model, which needs a flow quantizer: train "
            'one with recipe "flow-quantizer" and name its checkpoint, or name a model that has one'
        )
    codec = _flow_codec(quantizer)
    if codec.config.vocab_size != recipe.network.num_codes:
        raise InvalidInput(
            f"the quantizer has {codec.config.vocab_size} codes and recipe {recipe.name!r} expects "
            f"{recipe.network.num_codes}; use a quantizer that fits"
        )
    return WorldTask(recipe.network, codec, *scenes)


def _flow_codec(name: str | Path) -> LocalQuantizer:
    checkpoint = load(name)
    codec = checkpoint.networks.get("flow_quantizer", checkpoint.network)
    if not isinstance(codec, LocalQuantizer) or codec.config.in_channels != 2:
        raise InvalidInput(f"{name} holds no flow quantizer (2 channels); name one that does")
    return codec


def _card(name: str, history: dict[str, Any]) -> str:
    recipe = history["recipe"]
    return (
        f"# {name}\n\nTrained by recipe `{recipe['name']}` on {history['num_scenes']} simulated "
        f"scenes, {recipe['fit']['num_steps']} steps of {recipe['fit']['batch_size']} pictures.\n"
    )
