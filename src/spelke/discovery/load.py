"""A name to an observer: weights, world model and the settings it was tuned with."""

from __future__ import annotations

import os

import torch

from spelke.discovery.observer import Observer
from spelke.discovery.settings import DiscoverySettings, settings_of
from spelke.errors import BadCheckpoint
from spelke.rollout.base import WorldModel
from spelke.runtime.device import DeviceChoice, choose_device
from spelke.weights.load import Checkpoint
from spelke.weights.load import load as load_checkpoint

DEFAULT_PRESETS = {"prefix": "embedded", "lras": "published_1b"}
"""Of checkpoints whose `settings` hold no `discovery`."""


def load(
    name: str | os.PathLike[str],
    device: str | torch.device | None = None,
    settings: DiscoverySettings | None = None,
) -> Observer:
    """Load a world model by name or folder, ready to look at photos.

    Args:
        name: a name of `spelke weights list`, or a folder that holds a checkpoint.
        device: "cpu", "cuda", "cuda:1", "mps"; the best that is here if not given.
        settings: how to probe; those of the checkpoint if not given.

    Raises:
        BadCheckpoint: the checkpoint holds no world model (besides what `weights.load` raises).
    """
    choice = choose_device(device)
    checkpoint = load_checkpoint(name, choice.device)
    model = world_model_of(checkpoint, choice)
    return Observer(model, discovery_settings(checkpoint) if settings is None else settings)


def world_model_of(checkpoint: Checkpoint, choice: DeviceChoice) -> WorldModel:
    """The world model that a checkpoint's networks make."""
    if checkpoint.architecture == "prefix":
        from spelke.rollout.prefix import PrefixWorldModel

        return PrefixWorldModel.from_checkpoint(checkpoint, choice)
    if checkpoint.architecture == "lras":
        return _lras_model(checkpoint)
    raise BadCheckpoint(
        f"{checkpoint.folder} holds a {checkpoint.architecture!r}, which is no world model; "
        f"give a checkpoint of architecture {' or '.join(DEFAULT_PRESETS)}"
    )


def discovery_settings(checkpoint: Checkpoint) -> DiscoverySettings:
    """The settings that a checkpoint asks to be probed with."""
    preset = DEFAULT_PRESETS.get(checkpoint.architecture, "embedded")
    return settings_of({"preset": preset, **checkpoint.settings.get("discovery", {})})


def _lras_model(checkpoint: Checkpoint) -> WorldModel:
    """With the layout that the checkpoint describes, else the published one."""
    from spelke.rollout.published import PublishedWorldModel
    from spelke.tokens.flow_table import ZERO_FLOW_CODES
    from spelke.tokens.layout import flow_layout, spelkenet_layout

    described = checkpoint.settings.get("layout")
    network, rgb_quantizer, flow_quantizer = (
        checkpoint.networks[part] for part in ("network", "rgb_quantizer", "flow_quantizer")
    )
    return PublishedWorldModel(
        network,  # type: ignore[arg-type]
        rgb_quantizer,  # type: ignore[arg-type]
        flow_quantizer,  # type: ignore[arg-type]
        spelkenet_layout() if described is None else flow_layout(**described),
        zero_codes=ZERO_FLOW_CODES if described is None else None,
    )
