"""Networks to a checkpoint folder, whole or not at all. Entry point: `save`."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from spelke.errors import InvalidInput
from spelke.runtime.files import raise_if_unwritable
from spelke.weights.architectures import Part, parts_of
from spelke.weights.checkpoint_files import CARD, CONFIG, SCHEMA, WEIGHTS, checksum
from spelke.weights.schema import to_plain


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
    target = Path(folder).expanduser().resolve()
    parts = _chosen_parts(architecture, networks)
    _check_target(target)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        draft.mkdir(parents=True)
        tensors = {
            f"{part.name}.{key}": _to_file(value, dtype if part.name == "network" else None)
            for part in parts
            for key, value in networks[part.name].state_dict().items()
        }
        save_file(tensors, draft / WEIGHTS, metadata={"format": "pt"})
        config = {
            "schema": SCHEMA,
            "architecture": architecture,
            "sha256": checksum(draft / WEIGHTS),
            **{part.name: to_plain(networks[part.name].config) for part in parts},
            "settings": dict(settings or {}),
            "training": dict(training or {}),
        }
        text = json.dumps(config, indent=2, allow_nan=False) + "\n"
        (draft / CONFIG).write_text(text, encoding="utf-8")
        (draft / CARD).write_text(card.rstrip() + "\n", encoding="utf-8")
        _replace_folder(draft, target)
    except Exception as error:
        raise_if_unwritable(error, target)
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


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


def _check_target(target: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise InvalidInput(f"cannot write a checkpoint to {target}: there is a file of that name")
    others = {path.name for path in target.iterdir()} - {CONFIG, WEIGHTS, CARD}
    if others:
        raise InvalidInput(
            f"{target} holds {', '.join(sorted(others)[:3])}, which would be lost; name an empty "
            "or new folder"
        )


def _to_file(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    if dtype is not None and tensor.is_floating_point():
        tensor = tensor.to(dtype)
    return tensor.detach().cpu().contiguous().clone()


def _replace_folder(draft: Path, target: Path) -> None:
    """Put `draft` in the place of `target`; a folder cannot be replaced in one step."""
    old = draft.with_suffix(".old")
    if target.exists():
        target.rename(old)
    try:
        draft.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
