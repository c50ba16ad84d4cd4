"""What is in a checkpoint's folder: names, the schema of `config.json`, checksums.

`config.json` holds `schema` (this version of the format), `architecture`, one section of settings
for each network, `sha256` (of `model.safetensors`), and two free objects: `settings`, for whoever
asks the model (nothing in it changes a network), and `training`, where it came from.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spelke.errors import BadCheckpoint, MissingData
from spelke.weights.architectures import Part, parts_of
from spelke.weights.nearest import did_you_mean
from spelke.weights.schema import from_plain

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "card.md"
SCHEMA = 1
"""Version of the format; raised when a reader of the old one would misunderstand the new."""


@dataclass(frozen=True, slots=True)
class CheckpointConfig:
    """A validated `config.json`."""

    architecture: str
    configs: dict[str, Any]
    """Part name to the configuration of that network."""
    sha256: str
    settings: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def parts(self) -> list[Part]:
        """The parts that are present, in the order of the architecture."""
        every = parts_of(self.architecture, "this checkpoint")
        return [part for part in every if part.name in self.configs]


def read_config(folder: Path) -> CheckpointConfig:
    """Read and validate the `config.json` of a checkpoint.

    Raises:
        MissingData: the folder or one of its files is absent.
        BadCheckpoint: the file is no JSON object, of another version, or says something unknown.
    """
    if not folder.is_dir():
        raise MissingData(f"there is no checkpoint folder {folder}; check the name")
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise MissingData(
                f"{folder} is not a checkpoint: it lacks {name}; give a folder that was written by "
                "`spelke train`"
            )
    where = str(folder / CONFIG)
    values = _read_object(folder / CONFIG)
    _check_version(values, where)
    parts = parts_of(values.get("architecture"), where)
    _check_keys(values, parts, where)
    configs = {
        part.name: from_plain(part.config_class(), values[part.name], f"{where}: {part.name}")
        for part in parts
        if part.name in values
    }
    return CheckpointConfig(
        values["architecture"],
        configs,
        str(values.get("sha256", "")),
        values.get("settings", {}),
        values.get("training", {}),
    )


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_integrity(folder: Path, expected: str) -> None:
    """Compare `model.safetensors` with the checksum that `config.json` gives for it.

    Raises:
        BadCheckpoint: they differ, or there is no checksum.
    """
    found = checksum(folder / WEIGHTS)
    if found != expected:
        raise BadCheckpoint(
            f"{folder / WEIGHTS} is not the file that {CONFIG} describes (sha256 {found[:12]}…, "
            f"expected {expected[:12] or 'none'}…): it is corrupt or was replaced; copy the "
            "checkpoint again from its source"
        )


def _read_object(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadCheckpoint(
            f"{path} is not readable JSON ({error}); copy the checkpoint again from its source"
        ) from error
    if not isinstance(values, dict):
        raise BadCheckpoint(f"{path} must hold one JSON object, got {type(values).__name__}")
    return values


def _check_version(values: dict[str, Any], where: str) -> None:
    if "schema" not in values:
        raise BadCheckpoint(
            f'{where} has no "schema": it belongs to another program; give a folder that was '
            "written by `spelke train`"
        )
    if values["schema"] != SCHEMA:
        raise BadCheckpoint(
            f"{where} is of format {values['schema']!r}, this version of Spelke reads format "
            f"{SCHEMA}; install the version that wrote it"
        )


def _check_keys(values: dict[str, Any], parts: tuple[Part, ...], where: str) -> None:
    free = ("settings", "training")
    known = ["schema", "architecture", "sha256", *free, *(part.name for part in parts)]
    for key in values:
        if key not in known:
            raise BadCheckpoint(
                f"{where} holds the unknown key {key!r}; {did_you_mean(key, known)}known keys are "
                f"{', '.join(known)}"
            )
    for part in parts:
        if part.required and part.name not in values:
            raise BadCheckpoint(
                f"{where} lacks the section {part.name!r} that the architecture "
                f"{values['architecture']!r} needs; copy the checkpoint again from its source"
            )
    for key in free:
        if not isinstance(values.get(key, {}), dict):
            raise BadCheckpoint(f"{where}: {key} must be an object")
