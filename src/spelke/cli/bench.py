"""`spelke bench quick|real|gallery|tune`: how good are the segments?

Numbers go to standard output (a table, or JSON lines with `--json`), everything else to standard
error. Exit status: 0, or 1 if a model or a scene failed somewhere.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from spelke.cli.parse import parse
from spelke.errors import InvalidInput

if TYPE_CHECKING:
    from spelke.benchmarks.quick import Outcome
    from spelke.benchmarks.test_set import TestItem

_EXAMPLES = """\
Examples:
  spelke bench quick --json > scores.jsonl
  spelke bench quick --models spelke-tiny flood-fill --alone --sheet --out found
  spelke bench real --data photos/ --sheet"""


@dataclass(frozen=True, kw_only=True)
class Quick:
    """Score models on held-out simulated worlds, next to baselines on the same points."""

    models: tuple[str, ...] = ("spelke-small",)
    """Checkpoints (names or folders) and baselines to measure."""
    alone: bool = False
    """Measure nothing but --models, no baselines and no oracle."""
    points: int = 250
    """At least so many points, spread evenly over the families."""
    json: bool = False
    """Print one JSON object for each model and family instead of a table."""
    out: Path | None = None
    """Folder for answers and scores; a later run with it asks only what is missing."""
    workers: int | None = None
    """Processes that render worlds; one for each core unless given."""
    sheet: bool = False
    """Draw the worst, some random and the best answers of each model."""
    device: str | None = None
    """cpu, cuda or mps; the best that is here unless given."""

    def run(self) -> int:
        """Make the set, ask the models, print the scores."""
        from spelke.benchmarks.held_out import HeldOutSettings, default_cache, make_test_set

        if self.points < 1:
            raise InvalidInput(f"--points must be at least 1, got {self.points}")
        contestants = _contestants(self.models, not self.alone, True, self.device)
        with _rendering() as track:
            made = make_test_set(
                HeldOutSettings(num_points=self.points),
                workers=self.workers or _cores(),
                track=track,
            )
        for key, reason in made.broken.items():
            _say(f"the scene {key} could not be made and is left out: {reason}")
        folder = self.out or default_cache() / "answers" / "quick"
        outcome = _ask(contestants, made.items, folder)
        _report(outcome, made.items, folder, f"Held-out worlds ({outcome.set_fingerprint})", self)
        return 1 if outcome.num_failed or made.broken else 0


@dataclass(frozen=True, kw_only=True)
class Real:
    """Score models on real photographs with masks, from a folder of yours."""

    data: Path
    """Folder with `segments_manifest.json`, pictures and masks."""
    models: tuple[str, ...] = ("spelke-small",)
    """Checkpoints (names or folders) and baselines to measure."""
    alone: bool = False
    """Measure nothing but --models, no baselines."""
    sources: tuple[str, ...] = ()
    """Only pictures of these sources; all unless given."""
    json: bool = False
    """Print one JSON object for each model and source instead of a table."""
    out: Path | None = None
    """Folder for answers and scores; a later run with it asks only what is missing."""
    sheet: bool = False
    """Draw the worst, some random and the best answers of each model."""
    device: str | None = None
    """cpu, cuda or mps; the best that is here unless given."""

    def run(self) -> int:
        """Read the photographs, ask the models, print the scores."""
        from spelke.benchmarks.held_out import default_cache
        from spelke.benchmarks.real import read_photos

        contestants = _contestants(self.models, not self.alone, False, self.device)
        photos = read_photos(self.data, self.sources)
        for name, reason in photos.skipped.items():
            _say(f"skipped {name}: {reason}")
        folder = self.out or default_cache() / "answers" / "real"
        outcome = _ask(contestants, photos.items, folder)
        _report(outcome, photos.items, folder, f"Photographs of {self.data}", self)
        return 1 if outcome.num_failed else 0


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Draw affordance, displacement and segment of real pictures chosen at random."""

    data: Path
    """Folder of real pictures, as for `bench real`."""
    out: Path = Path("gallery.png")
    """The picture to write."""
    model: str = "spelke-small"
    """Name or folder of a checkpoint."""
    count: int = 30
    """Pictures to show."""
    seed: int = 0
    """Decides which pictures."""
    licences: tuple[str, ...] = ("MIT", "CC BY 4.0", "Apache-2.0", "CC0")
    """Only pictures under these licences; the default ones may be shown in a documentation."""
    device: str | None = None
    """cpu, cuda or mps; the best that is here unless given."""

    def run(self) -> int:
        """Choose, look, draw."""
        import numpy as np

        import spelke
        from spelke.benchmarks.gallery import choose, draw_gallery, find_pictures
        from spelke.benchmarks.quick import write_picture

        pictures = find_pictures(self.data, self.licences)
        photos = choose(pictures, self.count, np.random.default_rng(self.seed))
        observer = spelke.load(self.model, device=self.device)
        with _progress() as track:
            page = draw_gallery(
                observer, track(photos, "looking"), title=f"{self.model}, seed {self.seed}"
            )
        write_picture(self.out, page)
        credits = sorted({f"{photo.credit} ({photo.licence})" for photo in photos})
        _say(f"wrote {self.out}; pictures: {', '.join(credits)}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Tune:
    """Choose the parameters of the baselines on worlds of the training split."""

    points: int = 250
    """At least so many points, spread evenly over the families."""
    workers: int | None = None
    """Processes that render worlds; one for each core unless given."""

    def run(self) -> int:
        """Try every combination and print each as a JSON line, the choice last."""
        from dataclasses import asdict

        from spelke.benchmarks.held_out import HeldOutSettings, make_test_set
        from spelke.benchmarks.tuning import tune

        with _rendering() as track:
            settings = HeldOutSettings(num_points=self.points, split="train")
            made = make_test_set(settings, workers=self.workers or _cores(), track=track)
        chosen, _ = tune(made.items, lambda trial: print(json.dumps(asdict(trial)), flush=True))
        print(json.dumps({"chosen": asdict(chosen)}))
        return 1 if made.broken else 0


Command = Annotated[
    Annotated[Quick, tyro.conf.subcommand("quick")]
    | Annotated[Real, tyro.conf.subcommand("real")]
    | Annotated[Gallery, tyro.conf.subcommand("gallery")]
    | Annotated[Tune, tyro.conf.subcommand("tune")],
    tyro.conf.OmitArgPrefixes,
]


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """Measure models: on held-out worlds, on real photographs, by eye; or tune the baselines."""

    command: Command


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    return parse(BenchOptions, "bench", argv, _EXAMPLES).command.run()


def _contestants(
    models: Sequence[str], baselines: bool, oracle: bool, device: str | None
) -> list[Any]:
    from spelke.benchmarks.contestants import ORACLE, contestant
    from spelke.benchmarks.quick import BASELINES

    names = [*models, *(BASELINES if baselines else ())]
    if not oracle and ORACLE in models:
        raise InvalidInput(
            f"{ORACLE} needs worlds whose truth is more than an outline: use `bench quick`"
        )
    unique = dict.fromkeys(name for name in names if oracle or name != ORACLE)
    if not unique:
        raise InvalidInput("no model is named; give --models, or leave --alone out")
    return [contestant(name, device) for name in unique]


def _ask(contestants: Sequence[Any], items: list[TestItem], folder: Path) -> Outcome:
    from spelke.benchmarks.quick import run_models

    with _progress() as track:
        return run_models(contestants, items, folder, track, _say)


def _report(
    outcome: Outcome, items: list[TestItem], folder: Path, title: str, verb: Quick | Real
) -> None:
    from rich.console import Console

    from spelke.benchmarks.quick import write_sheets
    from spelke.benchmarks.report import draw_tables

    if verb.json:
        for row in outcome.rows:
            print(json.dumps({**row.to_json(), "set": outcome.set_fingerprint}))
    # A pipe is no reason to cut columns, a terminal is.
    width = None if sys.stdout.isatty() else 200
    console = Console(stderr=verb.json, width=width)
    console.print(draw_tables(outcome.rows, title))
    if verb.sheet:
        for path in write_sheets(outcome, items, folder):
            _say(f"wrote {path}")
    _say(f"answers and scores are in {folder}")


@contextmanager
def _progress() -> Iterator[Any]:
    """A progress bar on standard error for each list that is tracked."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:

        def track(things: Sequence[Any], title: str) -> Iterable[Any]:
            yield from bar.track(things, description=title)

        yield track


@contextmanager
def _rendering() -> Iterator[Any]:
    """A progress bar on standard error for the points of each family."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def track(family: str, found: int, wanted: int) -> None:
            if family not in tasks:
                tasks[family] = bar.add_task(f"worlds: {family}", total=wanted)
            bar.update(tasks[family], completed=found)

        yield track


def _say(message: str) -> None:
    print(message, file=sys.stderr)


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
