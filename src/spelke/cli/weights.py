"""`spelke weights list|show|fetch|convert`: which models there are, and how to get one.

Exit status: 0; 2 for bad input, a file that is not what it should be, no connection or no room.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from spelke.cli.parse import parse
from spelke.cli.published import Convert, Fetch
from spelke.errors import SpelkeError

_EXAMPLES = """\
Examples:
  spelke weights list
  spelke weights fetch spelkenet-1b
  spelke weights convert downloads/ --out models/mine --dtype bfloat16"""


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """List the models that have a name."""

    json: bool = False
    """Print one JSON object per model."""

    def run(self) -> None:
        """Print the list."""
        _list(self)


@dataclass(frozen=True, kw_only=True)
class ShowOptions:
    """Show what is known of one model: where it is from, how large it is, its card."""

    name: tyro.conf.Positional[str]
    """A name of `spelke weights list`, or a folder that holds a checkpoint."""
    json: bool = False
    """Print one JSON object."""

    def run(self) -> None:
        """Print it."""
        _show(self)


Command = Annotated[
    Annotated[ListOptions, tyro.conf.subcommand("list")]
    | Annotated[ShowOptions, tyro.conf.subcommand("show")]
    | Annotated[Fetch, tyro.conf.subcommand("fetch")]
    | Annotated[Convert, tyro.conf.subcommand("convert")],
    tyro.conf.OmitArgPrefixes,
]


@dataclass(frozen=True, kw_only=True)
class WeightsOptions:
    """List the models, show one, or get a published one."""

    command: Command


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    parse(WeightsOptions, "weights", argv, _EXAMPLES).command.run()
    return 0


def _list(options: ListOptions) -> None:
    from spelke.weights.table import MODELS

    records = [_record(name, lenient=True) for name in MODELS]
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


def _record(name: str, lenient: bool = False) -> dict[str, Any]:
    """What the table and the folder say about a model, as JSON values.

    Args:
        name: a name of the table, or a folder.
        lenient: give a model that is damaged that status, in the place of its error.

    Raises:
        SpelkeError: there is no such model, or its folder holds no checkpoint.
    """
    from spelke.weights.load import find_folder
    from spelke.weights.table import MODELS

    if name not in MODELS:
        folder = find_folder(name)
        return {"name": folder.name, "status": "folder", "folder": str(folder), **_measured(folder)}
    entry = MODELS[name]
    record = {**asdict(entry), "folder": None}
    if not entry.folder.is_dir():
        return record if entry.status == "published" else {**record, "status": "not installed"}
    record["folder"] = str(entry.folder)
    try:
        measured = _measured(entry.folder)
    except SpelkeError:
        if not lenient:
            raise
        return {**record, "status": "damaged"}
    status = "ready" if entry.status == "published" else entry.status
    return {**record, "status": status, **measured}


def _measured(folder: Path) -> dict[str, Any]:
    """What the files of a checkpoint say about themselves."""
    from math import prod

    from spelke.weights.checkpoint_files import read_config
    from spelke.weights.shards import read_kinds

    config = read_config(folder)
    kinds = read_kinds([folder / name for name in config.sha256])
    return {
        "architecture": config.architecture,
        "num_parameters": sum(prod(kind.shape) for key, kind in kinds.items() if _is_main(key)),
        "size_mb": round(sum(path.stat().st_size for path in folder.iterdir()) / 1e6, 2),
        "image_size": getattr(config.configs["network"], "image_size", None),
        "settings": config.settings,
        "training": config.training,
    }


def _is_main(key: str) -> bool:
    return key.startswith("network.")


def _count(number: int | None) -> str:
    if number is None:
        return "-"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return str(number)


def _megabytes(size: float | None) -> str:
    return "-" if size is None else f"{size:,.1f} MB"
