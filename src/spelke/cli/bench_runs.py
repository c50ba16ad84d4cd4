"""`spelke bench run|inspect`: ask a model about a SpelkeBench file, and look into such a file.

Exit status: 0; 1 if a picture has no answer or is unusable; 2 for bad input.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spelke.cli.bench_parts import progress, say
from spelke.errors import InvalidInput

if TYPE_CHECKING:
    from tyro.conf import Positional

    from spelke.benchmarks.asking import ModelSpec
    from spelke.benchmarks.engine import Engine, Place
    from spelke.benchmarks.inspection import Inspection
    from spelke.benchmarks.prediction_run import RunOutcome
    from spelke.data.spelkebench import SpelkeBenchFile
else:
    from tyro.conf import Positional

_MAX_NAMED = 20
"""Findings that are printed; `--json` lists all."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Ask a model about every picture of a SpelkeBench file and keep what it answers.

    Each picture gets a file of its own as soon as it is answered. A run that was interrupted goes
    on where it stopped; a finished one only verifies its files. Scores: `spelke bench score`.
    """

    model: Positional[str]
    """A name of `spelke bench models`, a checkpoint, or your class as package.module:Class."""
    dataset: Positional[Path]
    """The SpelkeBench file (HDF5)."""
    out: Path
    """Folder for the predictions."""
    images: tuple[str, ...] = ()
    """Only these pictures; all unless given."""
    shard: str = ""
    """I/N: only part I, counted from 0, of N parts, as for one of N machines."""
    workers: int = 1
    """Processes, each with the model; with 0 it runs in this one and may take it down."""
    gpus: tuple[int, ...] = ()
    """One process on each of these GPUs instead of --workers."""
    device: str | None = None
    """cpu, cuda, cuda:1 or mps; the best that is here unless given."""
    timeout: float | None = None
    """Seconds for one picture, after which its process is replaced; none unless given."""
    option: tuple[str, ...] = ()
    """NAME=VALUE for the model's constructor, also image_range=float."""
    seed: int = 0
    """Of models that draw at random; each picture has its own."""
    json: bool = False
    """Print what became of the pictures as JSON."""

    def run(self) -> int:
        """Ask what is missing."""
        from spelke.benchmarks.asking import ModelSpec
        from spelke.benchmarks.engine import gpu_places, local_places

        if self.workers < 0 or (self.timeout is not None and self.timeout <= 0):
            raise InvalidInput("--workers must be 0 or more and --timeout above 0")
        if self.timeout is not None and not (self.workers or self.gpus):
            raise InvalidInput("--timeout needs a process of its own: --workers 1 or more")
        places = gpu_places(self.gpus) if self.gpus else local_places(self.workers, self.device)
        spec = ModelSpec(self.model, self.device, parse_options(self.option), self.seed)
        outcome, notes = measure(
            spec, self.dataset, self.out, places, self.images or None, self.shard, self.timeout
        )
        if self.json:
            print(json.dumps(plain_outcome(outcome)))
        return 0 if outcome.is_whole and not notes else 1


@dataclass(frozen=True, kw_only=True)
class Inspect:
    """Check every picture of a SpelkeBench file, say what is in it, and draw a contact sheet."""

    file: Positional[Path]
    """The HDF5 file."""
    sheet: Path | None = None
    """Picture to write; beside the file and of its name unless given."""
    count: int = 40
    """Pictures on the sheet; 0 draws none."""
    json: bool = False
    """Print everything as JSON."""

    def run(self) -> int:
        """Read, print, draw."""
        from spelke.benchmarks.inspection import draw_pictures, inspect_file
        from spelke.benchmarks.quick import write_picture
        from spelke.data.spelkebench import SpelkeBenchFile

        with SpelkeBenchFile(self.file) as file:
            with progress() as track:
                found = inspect_file(file, track)
            if self.json:
                print(json.dumps({**found.to_json(), "attributes": file.attributes}))
            else:
                print(in_words(file, found))
            if self.count > 0 and len(found.unusable) < len(file):
                path = self.sheet or self.file.with_suffix(".png")
                write_picture(path, draw_pictures(file, self.count))
                say(f"wrote {path}")
        return 1 if found.unusable else 0


def measure(
    spec: ModelSpec,
    dataset: Path,
    out: Path,
    places: Sequence[Place],
    images: Sequence[str] | None,
    shard: str,
    timeout: float | None = None,
) -> tuple[RunOutcome, list[str]]:
    """Run a model with a progress bar and say how it ended.

    Returns:
        What became of the pictures, and what was wrong with the names in `images`.
    """
    from rich.console import Console
    from rich.progress import Progress

    from spelke.benchmarks.prediction_folder import PredictionFolder
    from spelke.benchmarks.prediction_run import choose_keys, run_model, shard_of
    from spelke.data.spelkebench import SpelkeBenchFile

    with ExitStack() as stack:
        file = stack.enter_context(SpelkeBenchFile(dataset))
        keys, notes = choose_keys(file, images)
        for note in notes:
            say(note)
        keys = shard_of(keys, *parse_shard(shard)) if shard else keys
        folder = PredictionFolder(out)
        folder.check_writable()
        engine = stack.enter_context(_engine(spec, places, timeout))
        bar = stack.enter_context(Progress(console=Console(stderr=True), transient=True))
        task = bar.add_task(spec.name, total=len(keys))
        outcome = run_model(
            engine,
            spec,
            file,
            keys,
            folder,
            notice=lambda text: bar.console.print(
                text, markup=False, highlight=False, soft_wrap=True
            ),
            advance=lambda so_far: bar.update(task, completed=so_far.num_done),
        )
    say(
        f"{spec.name}: {len(outcome.answered)} answered, {len(outcome.kept)} kept from before, "
        f"{len(outcome.failed)} failed, {len(outcome.unusable)} unusable; predictions are in {out}"
    )
    if outcome.failed:
        say(f"tracebacks are in {out / 'failed'}; running again asks these pictures again")
    return outcome, notes


@contextmanager
def _engine(spec: ModelSpec, places: Sequence[Place], timeout: float | None) -> Iterator[Engine]:
    """Workers in those places, or this process where there are none."""
    from spelke.benchmarks.engine import InProcess
    from spelke.benchmarks.workers import Workers, name_of_exit

    if not places:
        yield InProcess(spec)
        return
    workers = Workers(spec, places, timeout)
    try:
        with workers:
            yield workers
    finally:
        if len(places) > 1 or any(any(codes) for codes in workers.exit_codes.values()):
            for title, codes in workers.exit_codes.items():
                say(f"{title}: {', '.join(map(name_of_exit, codes)) or 'not started'}")


def parse_shard(text: str) -> tuple[int, int]:
    """Read `I/N`.

    Raises:
        InvalidInput: it is something else.
    """
    index, _, count = text.partition("/")
    if not (index.isdigit() and count.isdigit()):
        raise InvalidInput(f"--shard must be I/N, such as 0/4 to 3/4, got {text!r}")
    return int(index), int(count)


def parse_options(texts: Sequence[str]) -> dict[str, Any]:
    """Read `NAME=VALUE`; a value that is a Python number, True, False or None is one.

    Raises:
        InvalidInput: it is something else, or a name is there twice.
    """
    options: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier() or name in options:
            raise InvalidInput(f"--option takes NAME=VALUE, each name once, got {text!r}")
        try:
            options[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            options[name] = value
    return options


def plain_outcome(outcome: RunOutcome) -> dict[str, Any]:
    """What became of the pictures, as plain values."""
    return {
        "answered": sorted(outcome.answered),
        "kept": sorted(outcome.kept),
        "failed": outcome.failed,
        "unusable": outcome.unusable,
    }


def in_words(file: SpelkeBenchFile, found: Inspection) -> str:
    """What is in a file, for people."""
    plain = found.to_json()
    low, middle, high = plain["segment_share_5_50_95"] or (0, 0, 0)
    counts = {
        "sizes": found.sizes,
        "families": found.families,
        "licences": found.licences,
    }
    lines = [
        f"{file.path}: {found.num_pictures} pictures, {found.num_points} points, "
        f"{len(found.unusable)} pictures unusable",
        *(f"{name}: {value}" for name, value in file.attributes.items()),
        *(f"{name}: {_counted(counter)}" for name, counter in counts.items()),
        f"segments cover {low:.2%} to {high:.2%} of their picture (5 and 95 %), half of them "
        f"less than {middle:.2%}",
    ]
    kinds: dict[str, int] = {}
    for one in found.findings:
        kinds[one.kind] = kinds.get(one.kind, 0) + 1
    for kind, count in kinds.items():
        lines.append(f"found {count} times: {kind}")
    lines += [
        f"{'fault' if one.is_fault else 'remark'}: {one}" for one in found.findings[:_MAX_NAMED]
    ]
    if len(found.findings) > _MAX_NAMED:
        lines.append(f"and {len(found.findings) - _MAX_NAMED} more; --json lists all")
    return "\n".join(lines)


def _counted(counter: Any, most: int = 8) -> str:
    names = [f"{name or 'not stated'} ({count})" for name, count in counter.most_common(most)]
    more = len(counter) - most
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")
