"""`spelke weights fetch|convert`: a published model onto this machine, in our format.

Progress and remarks go to standard error, the folder that was written to standard output.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from spelke.errors import InvalidInput

if TYPE_CHECKING:
    from rich.console import Console

    from spelke.weights.convert import ConvertOptions
    from spelke.weights.published_files import PublishedFiles

_STAGES = {"checking": "checksums", "table": "flow table", "writing": "writing"}
"""Stages of a conversion, and what the progress bar calls them."""


@dataclass(frozen=True, kw_only=True)
class _Conversion:
    """How published files are converted."""

    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """Of the predictor's weights; as published if not given. Quantizers are float32."""
    shard_size: Annotated[float, tyro.conf.arg(metavar="GB")] = 5.0
    """Most gigabytes (10**9 bytes) in one file."""

    def conversion(self, **more: Any) -> ConvertOptions:
        """As the library takes it."""
        import torch

        from spelke.weights.convert import ConvertOptions

        dtype = None if self.dtype is None else getattr(torch, self.dtype)
        return ConvertOptions(dtype=dtype, shard_bytes=int(self.shard_size * 1e9), **more)


@dataclass(frozen=True, kw_only=True)
class Fetch(_Conversion):
    """Download a published model and convert it, so that its name can be used.

    Downloads go to $SPELKE_HOME/downloads and models to $SPELKE_HOME/models (SPELKE_HOME is
    ~/.cache/spelke if not set). An interrupted download goes on where it stopped.
    """

    name: tyro.conf.Positional[str]
    """A name that `spelke weights list` shows as published."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder for the downloaded files, which are kept then."""
    no_convert: bool = False
    """Only download, and keep what was downloaded."""
    keep: bool = False
    """Keep the predictor's .pt file after its conversion."""

    def run(self) -> None:
        """Download and convert."""
        _fetch(self)


@dataclass(frozen=True, kw_only=True)
class Convert(_Conversion):
    """Convert published .pt files to a checkpoint folder. Nothing in them is executed."""

    source: Annotated[
        Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="DIR", help_behavior_hint="")
    ] = None
    """Folder that holds files of the published names; or name each:"""
    predictor: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """SpelkeNet1B.pt or SpelkeNet7B.pt."""
    rgb_quantizer: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """rgb_quantizer.pt."""
    flow_quantizer: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """flow_quantizer.pt."""
    table: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """flow_token_to_flow_vector_mapping.pt; built from the flow quantizer if absent."""
    device: Annotated[str, tyro.conf.arg(metavar="NAME")] = "cpu"
    """Where a table that is absent is built: cpu (half an hour of one core), cuda, mps."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """The folder to write; where its name finds it, if the predictor is a published one."""
    num_heads: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Attention heads, for a predictor that does not tell."""
    layout: Annotated[str | None, tyro.conf.arg(metavar="JSON")] = None
    """Arguments of `flow_layout`, for a predictor whose sizes do not tell."""

    def run(self) -> None:
        """Convert."""
        from spelke.weights.published_files import known_folder

        files = self._files()
        out = known_folder(files.predictor) if self.out is None else self.out
        options = self.conversion(
            num_heads=self.num_heads, layout=_layout(self.layout), device=self.device
        )
        _convert(files, out, options)

    def _files(self) -> PublishedFiles:
        from spelke.weights.published_files import find_files

        return find_files(
            self.source,
            predictor=self.predictor,
            rgb_quantizer=self.rgb_quantizer,
            flow_quantizer=self.flow_quantizer,
            flow_table=self.table,
        )


def _fetch(options: Fetch) -> None:
    from spelke.weights.fetch import check_rooms, fetch
    from spelke.weights.published_files import files_of
    from spelke.weights.table import find_model

    record = find_model(options.name)
    if record.folder.is_dir() and not options.no_convert:
        _console().print(f"{record.name} is ready in {record.folder}", soft_wrap=True)
        print(record.folder)
        return
    check_rooms(record, options.out, converts=not options.no_convert)
    with _progress() as (console, bar):

        def tell(text: str) -> None:
            console.print(text, highlight=False, markup=False, soft_wrap=True)

        folder = fetch(record.name, options.out, report=bar, tell=tell)
    if options.no_convert:
        print(folder)
        return
    files = files_of(record, folder)
    _convert(files, record.folder, options.conversion())
    if options.out is None and not options.keep:
        files.predictor.unlink()


def _convert(files: PublishedFiles, out: Path, options: ConvertOptions) -> None:
    from spelke.weights.convert import convert
    from spelke.weights.folders import leftovers

    with _progress() as (console, bar):
        for path in leftovers(out):
            console.print(
                f"{path} is left of an interrupted run, unless another one is writing it now; it "
                "can be deleted", style="yellow", markup=False, soft_wrap=True,
            )  # fmt: skip
        if files.flow_table is None:
            console.print(
                "no token-to-flow table was given: it is built from the flow quantizer (about 46 "
                "TFLOP at the published width), which differs from the published averages",
                style="yellow", markup=False, soft_wrap=True,
            )  # fmt: skip
        folder = convert(files, out, options, lambda stage, *counts: bar(_STAGES[stage], *counts))
    print(folder)


def _layout(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        values = json.loads(text)
    except json.JSONDecodeError:
        values = None
    if not isinstance(values, dict):
        raise InvalidInput(
            f'--layout must be a JSON object such as \'{{"rows": 32, "columns": 32}}\', got '
            f"{text!r}"
        )
    return values


def _console() -> Console:
    from rich.console import Console

    return Console(stderr=True)


@contextmanager
def _progress() -> Iterator[tuple[Console, Callable[[str, int, int | None], None]]]:
    """A console, and a function that moves the bar of a file or stage: (name, done, total)."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), Remaining())
    with Progress(*columns, console=_console()) as bars:
        tasks: dict[str, Any] = {}

        def move(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done, total=total)

        yield bars.console, move
