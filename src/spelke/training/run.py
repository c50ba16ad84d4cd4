"""A recipe and some folders to a finished checkpoint: `train`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from spelke.errors import InvalidInput
from spelke.models.local_quantizer import LocalQuantizer, LocalQuantizerConfig
from spelke.models.prefix import PrefixConfig, PrefixWorld
from spelke.models.two_frame import TwoFrameConfig
from spelke.training.card import write_card
from spelke.training.codec import QuantizerObjective
from spelke.training.fit import fit
from spelke.training.frames import FrameObjective, FrameTask
from spelke.training.log import Line, read_log
from spelke.training.published import PublishedObjective, PublishedTask
from spelke.training.published_samples import PublishedConfig
from spelke.training.recipes import Recipe
from spelke.training.run_folder import (
    check_same_network,
    check_same_samples,
    versions,
    write_run_config,
)
from spelke.training.shards import digest_of, load_shards
from spelke.training.state import check_folder
from spelke.training.tasks import QuantizerTask, Scenes, SceneTask, WorldTask
from spelke.training.world import WorldObjective
from spelke.weights.load import load
from spelke.weights.save import save
from spelke.weights.schema import to_plain

_LOG = logging.getLogger(__name__)


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    held_out: Path | None = None,
    quantizer: str | Path | None = None,
    rgb_quantizer: str | Path | None = None,
    start: str | Path | None = None,
    max_minutes: float | None = None,
    resume: bool = False,
    skip_bad_shards: bool = False,
    report: Callable[[Line], None] = lambda line: None,
    accelerator: str = "auto",
) -> Path:
    """Run a recipe and write its checkpoint to `out/<recipe name>`.

    Args:
        recipe: what to train.
        data: folder of training shards, as `spelke worlds make` writes them.
        out: run folder: `config.json`, log, TensorBoard, pictures, resumable state, and the
            checkpoint.
        held_out: folder of shards for evaluation during training.
        quantizer: for the published layout, the flow quantizer's checkpoint: a model that has one,
            or a folder.
        rgb_quantizer: likewise, of RGB.
        start: a trained model of the recipe's shape to begin with, instead of fresh weights. If
            the recipe has another number of flow codes, they are chosen anew and take over from
            the old ones.
        max_minutes: stop after this time; `resume` goes on later.
        resume: continue the run in `out`.
        skip_bad_shards: leave shards that cannot be read out; each is named in the log of the
            program, and they are counted in `config.json`.
        report: called with every line of the log.
        accelerator: Lightning Fabric's.

    Raises:
        MissingData: a folder holds no shards.
        BadFile: a shard or the state of the run cannot be read.
        InvalidInput: a quantizer is missing, not needed or does not fit, as may be the model to
            start from; or the run in `out` is of another network, other scenes or other sizes of
            steps; or see `fit`.
        Unavailable: scenes, weights or steps do not fit into memory; or see `fit`.
    """
    check_folder(out, resume)
    if resume:
        check_same_network(out, recipe)
    loaded = load_shards(data, skip_bad=skip_bad_shards, tell=_LOG.warning)
    scenes_digest = digest_of(loaded.records)
    if resume:
        check_same_samples(out, recipe, scenes_digest)
    others = held_out and load_shards(held_out, skip_bad=skip_bad_shards, tell=_LOG.warning)
    scenes = Scenes(
        records=loaded.records,
        held_out=others.records if others else (),
        samples=recipe.samples,
        batch_size=recipe.fit.batch_size,
        num_workers=recipe.num_workers,
        seed=recipe.fit.seed,
    )
    task = _make_task(recipe, scenes, start, quantizer, rgb_quantizer)
    facts = {
        "start": None if start is None else str(start),
        "num_scenes": len(loaded.records),
        "scenes": scenes_digest,
        "num_held_out": len(scenes.held_out),
        "skipped_shards": sorted(path.name for path in loaded.skipped),
    }
    write_run_config(out, recipe, facts)
    objective = fit(
        task,
        recipe.fit,
        out,
        max_minutes=max_minutes,
        resume=resume,
        report=report,
        accelerator=accelerator,
    )
    history = {"recipe": to_plain(recipe), **facts, **_reached(out)}
    return write_checkpoint(objective, out / recipe.name, history)


def write_checkpoint(objective: nn.Module, folder: Path, history: dict[str, Any]) -> Path:
    """Write what an objective has learned as a checkpoint folder.

    Args:
        objective: trained, with the averaged weights.
        folder: its name becomes the model's.
        history: where the weights came from; see `write_card`.
    """
    settings: dict[str, Any] = {}
    if isinstance(objective, WorldObjective):
        architecture = "prefix"
        parts = {"network": objective.network}
    elif isinstance(objective, PublishedObjective):
        architecture = "lras"
        parts = {
            "network": objective.network,
            "flow_quantizer": objective.flow_quantizer,
            "rgb_quantizer": objective.rgb_quantizer,
        }
        settings = objective.settings()
    elif isinstance(objective, FrameObjective):
        architecture, parts = "two_frame", {"network": objective.network}
    else:
        assert isinstance(objective, QuantizerObjective)
        architecture, parts = "local_quantizer", {"network": objective.quantizer}
    card = write_card(folder.name, history)
    return save(folder, architecture, parts, card=card, settings=settings, training=history)


def _reached(out: Path) -> dict[str, Any]:
    """How far the run came and how well, from its log."""
    lines = read_log(out)
    timed = [line for line in lines if "seconds" in line]
    scored = [line for line in lines if any(name.startswith("held_out/") for name in line)]
    return {
        "step": int(timed[-1]["step"]) if timed else 0,
        "seconds": timed[-1]["seconds"] if timed else 0.0,
        "scores": {k: v for k, v in scored[-1].items() if k != "step"} if scored else {},
        "versions": versions(),
    }


def _make_task(
    recipe: Recipe,
    scenes: Scenes,
    start: str | Path | None,
    quantizer: str | Path | None,
    rgb_quantizer: str | Path | None,
) -> SceneTask:
    network = recipe.network
    if not isinstance(network, PublishedConfig):
        _refuse_codecs(recipe, quantizer, rgb_quantizer)
    if not isinstance(network, PrefixConfig) and start is not None:
        raise InvalidInput(
            f"recipe {recipe.name!r} cannot start from {start}: only world models of our own "
            "layout are trained further; leave --start out"
        )
    if isinstance(network, LocalQuantizerConfig):
        return QuantizerTask(network, scenes)
    shown = (recipe.samples.image_size, recipe.samples.patch_size)
    if shown != (network.image_size, network.patch_size):
        raise InvalidInput(
            f"recipe {recipe.name!r} shows pictures of {shown[0]} px in patches of {shown[1]} to a "
            f"network of {network.image_size} px in patches of {network.patch_size}; make them "
            "equal"
        )
    if isinstance(network, TwoFrameConfig):
        return FrameTask(network, scenes)
    if isinstance(network, PrefixConfig):
        return WorldTask(network, scenes, None if start is None else _trained(start, recipe))
    return PublishedTask(
        network,
        _codec(rgb_quantizer, "RGB", network.rgb_codes, recipe),
        _codec(quantizer, "flow", network.flow_codes, recipe),
        scenes,
    )


def _refuse_codecs(recipe: Recipe, *named: str | Path | None) -> None:
    for option, name in zip(("--quantizer", "--rgb-quantizer"), named, strict=True):
        if name is not None:
            raise InvalidInput(
                f"recipe {recipe.name!r} needs no quantizer: leave {option} {name} out"
            )


def _trained(start: str | Path, recipe: Recipe) -> PrefixWorld:
    """The network to train further; it may have another number of flow codes."""
    network, wanted = load(start).network, recipe.network
    assert isinstance(wanted, PrefixConfig)
    if (
        isinstance(network, PrefixWorld)
        and replace(network.config, num_codes=wanted.num_codes) == wanted
    ):
        return network
    raise InvalidInput(
        f"{start} is no world model of the shape that recipe {recipe.name!r} trains; start "
        "from a model of that recipe, or leave --start out"
    )


def _codec(name: str | Path | None, medium: str, num_codes: int, recipe: Recipe) -> LocalQuantizer:
    """The quantizer of one medium, from a checkpoint of its own or of a model that has one."""
    key, channels = ("flow_quantizer", 2) if medium == "flow" else ("rgb_quantizer", 3)
    option = "--quantizer" if medium == "flow" else "--rgb-quantizer"
    if name is None:
        raise InvalidInput(
            f"recipe {recipe.name!r} trains the published layout, which needs a {medium} "
            f'quantizer: train one with recipe "{medium.lower()}-quantizer" and name its '
            f"checkpoint, or a model that has one, with {option}"
        )
    checkpoint = load(name)
    codec = checkpoint.networks.get(key, checkpoint.network)
    if not isinstance(codec, LocalQuantizer) or codec.config.in_channels != channels:
        raise InvalidInput(
            f"{name} holds no {medium} quantizer ({channels} channels); name one that does"
        )
    if codec.config.vocab_size != num_codes:
        raise InvalidInput(
            f"the {medium} quantizer of {name} has {codec.config.vocab_size} codes and recipe "
            f"{recipe.name!r} expects {num_codes}; use a quantizer that fits"
        )
    return codec
