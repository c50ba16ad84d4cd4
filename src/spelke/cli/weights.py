"""`spelke weights list|show NAME`: which models have a name, and what is known of one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from spelke.cli.parse import parse


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """List the models that have a name."""

    json: bool = False
    """Print one JSON object per model."""


@dataclass(frozen=True, kw_only=True)
class ShowOptions:
    """Show what is known of one model: where it is from, how large it is, its card."""

    name: tyro.conf.Positional[str]
    """A name of `spelke weights list`, or a folder that holds a checkpoint."""
    json: bool = False
    """Print one JSON object."""


Command = Annotated[
    Annotated[ListOptions, tyro.conf.subcommand("list")]
    | Annotated[ShowOptions, tyro.conf.subcommand("show")],
    tyro.conf.OmitArgPrefixes,
]


@dataclass(frozen=True, kw_only=True)
class WeightsOptions:
    """List the models, or show one."""

    command: Command


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    command = parse(WeightsOptions, "weights", argv).command
    if isinstance(command, ListOptions):
        _list(command)
    else:
        _show(command)
    return 0


def _list(options: ListOptions) -> None:
    from spelke.weights.table import MODELS

    records = [_record(name) for name in MODELS]
    if options.json:
        for record in records:
            print(json.dumps(record))
        return
    rows = [("NAME", "PARAMETERS", "SIZE", "STATUS", "")]
    rows += [
        (
            record["name"],
            _count(record["num_parameters"]),
            _megabytes(record["size_mb"]),
            record["status"],
            record["summary"],
        )
        for record in records
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        print("  ".join((*cells, row[4])).rstrip())


def _show(options: ShowOptions) -> None:
    from spelke.weights.checkpoint_files import CARD

    record = _record(options.name)
    if options.json:
        print(json.dumps(record))
        return
    for key in ("name", "status", "summary", "architecture", "where", "files", "licence", "paper"):
        if record.get(key):
            value = record[key]
            print(f"{key:<13} {', '.join(value) if isinstance(value, tuple | list) else value}")
    print(f"{'parameters':<13} {_count(record['num_parameters'])}")
    print(f"{'size':<13} {_megabytes(record['size_mb'])}")
    if record["folder"] is not None:
        card = Path(record["folder"]) / CARD
        if card.is_file():
            print(f"\n{card.read_text(encoding='utf-8').rstrip()}")


def _record(name: str) -> dict[str, Any]:
    """What the table and the folder say about a model, as JSON values.

    Raises:
        SpelkeError: there is no such model, or its folder holds no checkpoint.
    """
    from spelke.weights.load import find_folder
    from spelke.weights.table import MODELS

    if name in MODELS:
        entry = MODELS[name]
        folder = entry.folder
        record = {**asdict(entry), "folder": str(folder) if folder else None}
        if folder is None:
            return record
        if not folder.is_dir():
            return {**record, "status": "not installed", "folder": None}
        return {**record, **_measured(folder)}
    folder = find_folder(name)
    return {"name": folder.name, "status": "folder", "folder": str(folder), **_measured(folder)}


def _measured(folder: Path) -> dict[str, Any]:
    """What the files of a checkpoint say about themselves."""
    from safetensors import safe_open

    from spelke.weights.checkpoint_files import WEIGHTS, read_config

    config = read_config(folder)
    with safe_open(folder / WEIGHTS, framework="numpy") as file:
        shapes = [file.get_slice(key).get_shape() for key in file.keys() if _is_main(key)]  # noqa: SIM118
    return {
        "architecture": config.architecture,
        "num_parameters": sum(_product(shape) for shape in shapes),
        "size_mb": round(sum(path.stat().st_size for path in folder.iterdir()) / 1e6, 2),
        "image_size": getattr(config.configs["network"], "image_size", None),
        "settings": config.settings,
        "training": config.training,
    }


def _is_main(key: str) -> bool:
    return key.startswith("network.")


def _product(shape: Sequence[int]) -> int:
    count = 1
    for side in shape:
        count *= side
    return count


def _count(number: int | None) -> str:
    if number is None:
        return "-"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return str(number)


def _megabytes(size: float | None) -> str:
    return "-" if size is None else f"{size:,.1f} MB"
