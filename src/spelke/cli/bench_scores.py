"""`spelke bench score|compare|report`: what predictions are worth, once they are on the disk.

Numbers go to standard output, everything else to standard error. Exit status: 0, or 1 if an image
had no usable prediction.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spelke.cli.bench_parts import progress, say, table_console
from spelke.errors import InvalidInput

if TYPE_CHECKING:
    from tyro.conf import Positional

    from spelke.benchmarks.scoring import Problem, RunScores
else:
    from tyro.conf import Positional

_MAX_NAMED = 5
"""Images that are named for each kind of problem; `--json` and reports list all."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """Score folders of predictions, one file for each image."""

    folders: Positional[tuple[Path, ...]]
    """Folders of predictions, each a run; its name is the run's."""
    dataset: Path | None = None
    """The dataset (HDF5): its truth counts, and images without a prediction score zero."""
    json: bool = False
    """Print one JSON object for each run and part instead of a table."""
    csv: bool = False
    """Print CSV instead of a table."""
    latex: bool = False
    """Print a LaTeX table instead of a table for people."""
    seed: int = 0
    """Of the bootstrap."""

    def run(self) -> int:
        """Score and print."""
        from spelke.benchmarks.breakdown import break_down_all
        from spelke.benchmarks.score_tables import draw_scores, plain_rows, to_csv, to_latex

        if self.json + self.csv + self.latex > 1:
            raise InvalidInput("--json, --csv and --latex exclude each other: give one of them")
        runs = score_folders(self.folders, self.dataset)
        parts = break_down_all(runs, self.seed)
        if self.json:
            for row in plain_rows(parts, ()):
                print(json.dumps(row))
        elif self.csv:
            print(to_csv(plain_rows(parts, ())), end="")
        elif self.latex:
            print(to_latex(parts, ()), end="")
        else:
            table_console(False).print(draw_scores(parts))
        return 1 if any(run.num_failed for run in runs) else 0


@dataclass(frozen=True, kw_only=True)
class Compare:
    """Compare two runs image by image: the difference and how sure it is."""

    folders: Positional[tuple[Path, Path]]
    """Folders of predictions of the two runs."""
    dataset: Path | None = None
    """The dataset (HDF5); see `bench score`."""
    json: bool = False
    """Print one JSON object for each number and part instead of a table."""
    seed: int = 0
    """Of the bootstrap."""

    def run(self) -> int:
        """Score both, compare and print."""
        from spelke.benchmarks.compare import compare
        from spelke.benchmarks.score_tables import draw_comparison

        first, second = score_folders(self.folders, self.dataset)
        found = compare(first, second, self.seed)
        tell_problems(f"{first.name} and {second.name}", found.problems)
        if self.json:
            for difference in found.differences:
                names = {"first_run": first.name, "second_run": second.name}
                print(json.dumps({**names, **difference.to_json()}))
        else:
            table_console(False).print(draw_comparison(found))
        return 1 if found.problems or first.num_failed or second.num_failed else 0


@dataclass(frozen=True, kw_only=True)
class Report:
    """Write one HTML page about runs, and its table as JSON, CSV and LaTeX."""

    folders: Positional[tuple[Path, ...]]
    """Folders of predictions, each a run; its name is the run's."""
    out: Path = Path("report")
    """Folder for report.html, report.json, report.csv and report.tex."""
    title: str = "SpelkeBench report"
    """Heading of the page."""
    dataset: Path | None = None
    """The dataset (HDF5); see `bench score`."""
    cases: int = 6
    """Best, and as many worst, cases of each run that are shown."""
    no_published: bool = False
    """Leave out the published numbers."""
    seed: int = 0
    """Of the bootstrap."""

    def run(self) -> int:
        """Score, draw and write."""
        from spelke.benchmarks.html_report import ReportOptions, write_report

        runs = score_folders(self.folders, self.dataset)
        options = ReportOptions(
            title=self.title, num_cases=self.cases, published=not self.no_published, seed=self.seed
        )
        path = write_report(runs, self.out, options)
        say(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB), and its table beside it")
        return 1 if any(run.num_failed for run in runs) else 0


def score_folders(folders: Sequence[Path], dataset: Path | None) -> list[RunScores]:
    """Score folders under names that differ, and say what was wrong with each.

    Raises:
        InvalidInput: no folder, or the same one twice.
    """
    from spelke.benchmarks.scoring import score_run
    from spelke.data.spelkebench import SpelkeBenchFile

    if not folders:
        raise InvalidInput("no folder of predictions is named; give at least one")
    names = distinct_names(folders)
    images = SpelkeBenchFile(dataset) if dataset else None
    with progress() as track:
        runs = [
            score_run(folder, images, name, track)
            for folder, name in zip(folders, names, strict=True)
        ]
    for run in runs:
        tell_problems(run.name, run.problems)
    return runs


def distinct_names(folders: Sequence[Path]) -> list[str]:
    """Name each folder by as few of its last parts as tell it from the others.

    Raises:
        InvalidInput: a folder is named twice.
    """
    paths = [folder.expanduser().resolve() for folder in folders]
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice:
        raise InvalidInput(f"{twice} is named twice; a run is scored once")
    for count in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-count:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


def tell_problems(name: str, problems: Sequence[Problem]) -> None:
    """Say how many images had which problem, and name the first."""
    kinds: dict[str, list[Any]] = {}
    for problem in problems:
        kinds.setdefault(problem.kind, []).append(problem)
    for kind, found in kinds.items():
        for problem in found[:_MAX_NAMED]:
            say(f"{name}: {kind}: {problem}")
        if len(found) > _MAX_NAMED:
            say(f"{name}: {kind}: and {len(found) - _MAX_NAMED} more, {len(found)} in all")
