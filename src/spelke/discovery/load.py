"""A name to an observer: weights, world model and the settings it was tuned with."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import torch

from spelke.discovery.observer import Observer
from spelke.discovery.settings import DiscoverySettings, check_choice, published_1b, settings_of
from spelke.errors import BadCheckpoint, InvalidInput
from spelke.rollout.base import WorldModel
from spelke.runtime.device import DeviceChoice, choose_device
from spelke.weights.checkpoint_files import read_config
from spelke.weights.load import Checkpoint, find_folder
from spelke.weights.load import load as load_checkpoint

if TYPE_CHECKING:
    from spelke.rollout.prompt import PublishedOptions

Parity = Literal["fast", "reference"]
"""How near a published network is kept to the published code; see docs/parity.md."""
DEFAULT_PRESETS = {"prefix": "embedded", "lras": "published_1b"}
"""Of checkpoints whose `settings` hold no `discovery`."""


def load(
    name: str | os.PathLike[str],
    device: str | torch.device | None = None,
    settings: DiscoverySettings | None = None,
    *,
    parity: Parity = "fast",
) -> Observer:
    """Load a world model by name or folder, ready to look at photos.

    Args:
        name: a name of `spelke weights list`, or a folder that holds a checkpoint.
        device: "cpu", "cuda", "cuda:1", "mps"; the best that is here if not given.
        settings: how to probe; those of the checkpoint if not given, or those of the published
            code with `parity="reference"`.
        parity: "fast", or "reference": answer as the published code does, number for number and
            with its defects, which takes longer. Only for published networks and others of their
            kind (architecture `lras`).

    Raises:
        BadCheckpoint: the checkpoint holds no world model (besides what `weights.load` raises).
        InvalidInput: there is no reference for this checkpoint.
    """
    check_choice("parity", parity, Parity)
    choice = device_choice(device, parity)
    checkpoint = load_checkpoint(name, choice.device, _weights_dtype(name, choice))
    if parity == "reference":
        return _as_published(checkpoint, settings)
    model = world_model_of(checkpoint, choice)
    return Observer(model, discovery_settings(checkpoint) if settings is None else settings)


def device_choice(device: str | torch.device | None, parity: Parity) -> DeviceChoice:
    """Where and in which precision `load` computes; the arguments are its own."""
    choice = choose_device(device)
    if parity == "reference" and choice.device.type == "cpu":
        # Only float32 can agree number for number; on a GPU the published code has bfloat16 itself.
        reason = "numbers as in the published code need float32 on a CPU"
        return replace(choice, dtype=torch.float32, reason=reason)
    return choice


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


def _weights_dtype(name: str | os.PathLike[str], choice: DeviceChoice) -> torch.dtype:
    """Billions of weights are kept as the device multiplies them; a few millions stay exact."""
    architecture = read_config(find_folder(name)).architecture
    return choice.dtype if architecture == "lras" else torch.float32


def _as_published(checkpoint: Checkpoint, settings: DiscoverySettings | None) -> Observer:
    """An observer with every switch set as in the published code."""
    from spelke.rollout.prompt import published_options

    if checkpoint.architecture != "lras":
        raise InvalidInput(
            f"{checkpoint.folder} holds a {checkpoint.architecture!r}, which the published code "
            "cannot run, so there is no reference to keep to: leave parity out, or load a "
            "published network (architecture 'lras')"
        )
    model = _lras_model(checkpoint, published_options())
    return Observer(model, published_1b() if settings is None else settings)


def _lras_model(checkpoint: Checkpoint, options: PublishedOptions | None = None) -> WorldModel:
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
        flow_table=checkpoint.flow_table,
        zero_codes=ZERO_FLOW_CODES if described is None else None,
        options=options,
    )
