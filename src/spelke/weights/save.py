"""Networks to a checkpoint folder, whole or not at all. Entry point: `save`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from spelke.errors import InvalidInput
from spelke.weights.architectures import Part, parts_of
from spelke.weights.checkpoint_files import CARD, CONFIG, SCHEMA, CheckpointConfig
from spelke.weights.folders import new_folder
from spelke.weights.schema import to_plain
from spelke.weights.shards import WEIGHTS, write_tensors


def save(
    folder: str | os.PathLike[str],
    architecture: str,
    networks: Mapping[str, nn.Module],
    *,
    card: str,
    settings: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    dtype: torch.dtype | None = None,
) -> Path:
    """Write a checkpoint folder, in the place of one that is already there.

    Args:
        folder: to be made; its name becomes the model's name.
        architecture: a key of `weights.architectures.ARCHITECTURES`.
        networks: part name to network; each carries its configuration as `.config`.
        card: the model card in Markdown: data, steps, time, scores, limits, licence.
        settings: JSON for whoever asks the model; nothing in it may change a network.
        training: JSON about where the weights came from.
        dtype: of the main network's floating-point weights in the file; None keeps theirs.
            Quantizers always keep theirs: rounding them would change what their codes mean.

    Returns:
        The folder.

    Raises:
        InvalidInput: parts are missing or unknown, or the folder holds something else.
        Unavailable: the disk is full, or the folder may not be written to.
    """
    parts = _chosen_parts(architecture, networks)
    tensors = {
        f"{part.name}.{key}": value
        for part in parts
        for key, value in networks[part.name].state_dict().items()
    }
    narrowed = {
        key: dtype
        for key, value in tensors.items()
        if dtype is not None and key.startswith("network.") and value.is_floating_point()
    }
    with new_folder(folder) as draft:
        sha256 = write_tensors(draft, tensors, narrowed)
        configs = {part.name: networks[part.name].config for part in parts}
        write_words(
            draft,
            CheckpointConfig(
                architecture, configs, sha256, None, dict(settings or {}), dict(training or {})
            ),
            card,
        )
    return Path(folder).expanduser().resolve()


def write_words(folder: Path, config: CheckpointConfig, card: str) -> None:
    """Write what a checkpoint holds besides its tensors: `config.json` and the card."""
    alone = list(config.sha256) == [WEIGHTS]
    values = {
        "schema": SCHEMA,
        "architecture": config.architecture,
        "sha256": config.sha256[WEIGHTS] if alone else config.sha256,
        **{name: to_plain(part) for name, part in config.configs.items()},
        **({"flow_table": {"entries": config.flow_entries}} if config.flow_entries else {}),
        "settings": config.settings,
        "training": config.training,
    }
    text = json.dumps(values, indent=2, allow_nan=False) + "\n"
    (folder / CONFIG).write_text(text, encoding="utf-8")
    (folder / CARD).write_text(card.rstrip() + "\n", encoding="utf-8")


def _chosen_parts(architecture: str, networks: Mapping[str, nn.Module]) -> list[Part]:
    parts = parts_of(architecture, "the checkpoint to save")
    known = {part.name for part in parts}
    missing = [part.name for part in parts if part.required and part.name not in networks]
    unknown = [name for name in networks if name not in known]
    if missing or unknown:
        raise InvalidInput(
            f"a checkpoint of architecture {architecture!r} needs "
            f"{', '.join(part.name for part in parts if part.required)} and may hold "
            f"{', '.join(sorted(known))}; got {', '.join(networks) or 'nothing'}"
        )
    for part in parts:
        if part.name in networks and not isinstance(networks[part.name], part.network_class()):
            raise InvalidInput(
                f"{part.name} of architecture {architecture!r} is a "
                f"{part.network_class().__name__}, got a {type(networks[part.name]).__name__}"
            )
    return [part for part in parts if part.name in networks]
