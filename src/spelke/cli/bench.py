"""`spelke bench …`: how good are the segments?

Numbers go to standard output (a table, or JSON lines with `--json`), everything else to standard
error. Exit status: 0, or 1 if a model or a scene failed somewhere.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from spelke.cli.bench_inspect import Inspect
from spelke.cli.bench_models import Models
from spelke.cli.bench_motion import Motion
from spelke.cli.bench_pack import Pack
from spelke.cli.bench_parts import (
    OnWorlds,
    ask,
    find_contestants,
    make_worlds,
    progress,
    say,
    table_console,
)
from spelke.cli.bench_runs import Run
from spelke.cli.bench_scores import Compare, Report, Score
from spelke.cli.bench_shift import Renderers, Textures
from spelke.cli.parse import parse

if TYPE_CHECKING:
    from spelke.benchmarks.quick import Outcome
    from spelke.benchmarks.test_set import TestItem

_EXAMPLES = """\
Examples:
  spelke bench quick --json > scores.jsonl
  spelke bench quick --models spelke-tiny flood-fill --alone --sheet --out found
  spelke bench real --data photos/ --sheet
  spelke bench run package.module:Class spelke_bench.h5 --out runs/mine
  spelke bench score runs/mine runs/theirs --csv > scores.csv
  spelke bench compare runs/mine runs/theirs"""


@dataclass(frozen=True, kw_only=True)
class Quick(OnWorlds):
    """Score models on held-out simulated worlds, next to baselines on the same points."""

    json: bool = False
    """Print one JSON object for each model and family instead of a table."""
    sheet: bool = False
    """Draw the worst, some random and the best answers of each model."""

    def run(self) -> int:
        """Make the set, ask the models, print the scores."""
        from spelke.benchmarks.held_out import HeldOutSettings, default_cache

        contestants = self.contestants()
        made = make_worlds(HeldOutSettings(num_points=self.points), self.workers)
        folder = self.out or default_cache() / "answers" / "quick"
        outcome = ask(contestants, made.items, folder)
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

        contestants = find_contestants(self.models, not self.alone, False, self.device)
        photos = read_photos(self.data, self.sources)
        for name, reason in photos.skipped.items():
            say(f"skipped {name}: {reason}")
        folder = self.out or default_cache() / "answers" / "real"
        outcome = ask(contestants, photos.items, folder)
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
    count: int = 40
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
        with progress() as track:
            page = draw_gallery(
                observer, track(photos, "looking"), title=f"{self.model}, seed {self.seed}"
            )
        write_picture(self.out, page)
        credits = sorted({f"{photo.credit} ({photo.licence})" for photo in photos})
        say(f"wrote {self.out}; pictures: {', '.join(credits)}")
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

        from spelke.benchmarks.held_out import HeldOutSettings
        from spelke.benchmarks.tuning import tune

        made = make_worlds(HeldOutSettings(num_points=self.points, split="train"), self.workers)
        chosen, _ = tune(made.items, lambda trial: print(json.dumps(asdict(trial)), flush=True))
        print(json.dumps({"chosen": asdict(chosen)}))
        return 1 if made.broken else 0


Command = Annotated[
    Annotated[Quick, tyro.conf.subcommand("quick")]
    | Annotated[Real, tyro.conf.subcommand("real")]
    | Annotated[Renderers, tyro.conf.subcommand("renderers")]
    | Annotated[Textures, tyro.conf.subcommand("textures")]
    | Annotated[Motion, tyro.conf.subcommand("motion")]
    | Annotated[Gallery, tyro.conf.subcommand("gallery")]
    | Annotated[Tune, tyro.conf.subcommand("tune")]
    | Annotated[Models, tyro.conf.subcommand("models")]
    | Annotated[Inspect, tyro.conf.subcommand("inspect")]
    | Annotated[Pack, tyro.conf.subcommand("pack")]
    | Annotated[Run, tyro.conf.subcommand("run")]
    | Annotated[Score, tyro.conf.subcommand("score")]
    | Annotated[Compare, tyro.conf.subcommand("compare")]
    | Annotated[Report, tyro.conf.subcommand("report")],
    tyro.conf.OmitArgPrefixes,
]


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """Measure models: on held-out worlds, on real photographs, by eye; or tune the baselines."""

    command: Command


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    return parse(BenchOptions, "bench", argv, _EXAMPLES).command.run()


def _report(
    outcome: Outcome, items: list[TestItem], folder: Path, title: str, verb: Quick | Real
) -> None:
    from spelke.benchmarks.quick import write_sheets
    from spelke.benchmarks.report import draw_tables

    if verb.json:
        for row in outcome.rows:
            print(json.dumps({**row.to_json(), "set": outcome.set_fingerprint}))
    table_console(verb.json).print(draw_tables(outcome.rows, title))
    if verb.sheet:
        for path in write_sheets(outcome, items, folder):
            say(f"wrote {path}")
    say(f"answers and scores are in {folder}")
