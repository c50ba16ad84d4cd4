"""What is in a checkpoint's folder: names, the schema of `config.json`, checksums.

`config.json` holds `schema` (this version of the format), `architecture`, one section of settings
for each network, `sha256` (of `model.safetensors`, or of each file of a model in several), and two
free objects: `settings`, for whoever asks the model (nothing in it changes a network), and
`training`, where it came from. `flow_table` says how many entries the table of flow codes has,
where the checkpoint brings one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spelke.errors import BadCheckpoint, MissingData
from spelke.weights.architectures import WITH_FLOW_TABLE, Part, parts_of
from spelke.weights.nearest import did_you_mean
from spelke.weights.schema import from_plain
from spelke.weights.shards import SHARD, WEIGHTS

CONFIG, CARD = "config.json", "card.md"
SCHEMA = 1
"""Version of the format; raised when a reader of the old one would misunderstand the new."""


@dataclass(frozen=True, slots=True)
class CheckpointConfig:
    """A validated `config.json`."""

    architecture: str
    configs: dict[str, Any]
    """Part name to the configuration of that network."""
    sha256: dict[str, str]
    """File of tensors to its checksum."""
    flow_entries: int | None = None
    """Entries of the table of flow codes, where there is one."""
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
    _check_present(folder, [CONFIG])
    where = str(folder / CONFIG)
    values = _read_object(folder / CONFIG)
    _check_version(values, where)
    parts = parts_of(values.get("architecture"), where)
    _check_keys(values, parts, where)
    sha256 = _checksums(values.get("sha256", ""), where)
    _check_present(folder, list(sha256))
    configs = {
        part.name: from_plain(part.config_class(), values[part.name], f"{where}: {part.name}")
        for part in parts
        if part.name in values
    }
    return CheckpointConfig(
        values["architecture"],
        configs,
        sha256,
        _flow_entries(values, where),
        values.get("settings", {}),
        values.get("training", {}),
    )


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_integrity(folder: Path, expected: Mapping[str, str]) -> None:
    """Compare the files of tensors with the checksums that `config.json` gives for them.

    Raises:
        BadCheckpoint: one differs, or has no checksum.
    """
    for name, digest in expected.items():
        found = checksum(folder / name)
        if found != digest:
            raise BadCheckpoint(
                f"{folder / name} is not the file that {CONFIG} describes (sha256 {found[:12]}…, "
                f"expected {digest[:12] or 'none'}…): it is corrupt or was replaced; copy the "
                "checkpoint again from its source"
            )


def _check_present(folder: Path, names: list[str]) -> None:
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise MissingData(
            f"{folder} is not a checkpoint: it lacks {', '.join(missing)}; give a folder that was "
            "written by `spelke train` or `spelke weights convert`"
        )


def _checksums(value: object, where: str) -> dict[str, str]:
    """One checksum for the one file, or an object of file names; nothing outside the folder."""
    if isinstance(value, str):
        return {WEIGHTS: value}
    if isinstance(value, dict) and value:
        wrong = [name for name in value if not SHARD.fullmatch(name)]
        if not wrong and all(isinstance(digest, str) for digest in value.values()):
            return value
    raise BadCheckpoint(
        f"{where}: sha256 must be a text or an object of file names such as "
        f"model-00001-of-00002.safetensors to texts, got {value!r}"
    )


def _flow_entries(values: dict[str, Any], where: str) -> int | None:
    if "flow_table" not in values:
        return None
    table = values["flow_table"]
    entries = table.get("entries") if isinstance(table, dict) and len(table) == 1 else None
    if type(entries) is not int or entries < 1:
        raise BadCheckpoint(
            f'{where}: flow_table must be {{"entries": a positive number}}, got {table!r}'
        )
    return entries


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
    if values["architecture"] in WITH_FLOW_TABLE:
        known.append("flow_table")
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
