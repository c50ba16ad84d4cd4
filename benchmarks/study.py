"""The training study: many short trainings at equal cost, each scored on the same held-out worlds.

  python -m benchmarks.study list
  python -m benchmarks.study run --data shards --held-out held-out --out study
  python -m benchmarks.study run base wide --data shards --held-out held-out --out study
  python -m benchmarks.study tables --out study --page docs/study.md
  python -m benchmarks.study plot --out study --to scaling.png
  python -m benchmarks.study logs --out study --to docs/training-logs/study

Rows are trained from their seed by the code of `spelke train`, in this process with one thread, so
that its processor time is what a row costs. A row that has its result is not repeated; one that was
stopped, by --max-minutes or Ctrl-C, goes on where it was. What the rows are and why: docs/study.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from benchmarks.study_report import tables, write_into, write_thin_logs
from benchmarks.study_rows import ROWS, Row, choose, recipe_of
from benchmarks.study_scaling import draw_scaling
from benchmarks.study_score import (
    Examined,
    codec_numbers,
    held_out_numbers,
    recall_numbers,
    step_flops,
)
from benchmarks.study_shards import shards_of

from spelke.benchmarks.held_out import HeldOutSettings, make_test_set
from spelke.benchmarks.test_set import TestItem
from spelke.data.world_records import Record
from spelke.errors import InvalidInput, SpelkeError
from spelke.runtime.files import write_json
from spelke.training.log import read_log
from spelke.training.run import train
from spelke.training.run_folder import versions
from spelke.training.shards import load_shards
from spelke.training.state import CHECKPOINT
from spelke.weights.load import load

SCHEMA = "spelke-study-1"
SPENT = "spent.json"
"""In a run's folder: processor seconds of all calls so far."""


@dataclass(frozen=True)
class Study:
    """Where the study finds its scenes and leaves its results.

    Attributes:
        data: folder of training shards.
        held_out: scenes for loss and motion.
        items: pictures and points for AR.
        out: `ROW.json` for each row, and everything that it was made of.
        rows: all rows there are.
    """

    data: Path
    held_out: Sequence[Record]
    items: Sequence[TestItem]
    out: Path
    rows: Sequence[Row] = ROWS

    def run(self, row: Row, deadline: float | None = None) -> bool:
        """Train and score a row, or what of it is missing; False where time did not suffice.

        Raises:
            InvalidInput: there is a result of a row of this name that was another.
        """
        path = self.out / f"{row.name}.json"
        if path.exists():
            before = json.loads(path.read_text())["row"]
            if before != json.loads(json.dumps(row.to_json())):
                raise InvalidInput(
                    f"{path} is of another row {row.name!r}; remove it, or name another --out"
                )
            return True
        folder = self.out / "rows" / row.name
        spent = 0.0
        checkpoint: str | Path | None = row.given
        if row.given is None:
            checkpoint = self._train(row, folder, deadline)
            if checkpoint is None or (deadline is not None and time.monotonic() >= deadline):
                return False
            spent = json.loads((folder / SPENT).read_text())["processor_seconds"]
        assert checkpoint is not None
        write_json(path, self._result(row, checkpoint, folder, spent))
        return True

    def _train(self, row: Row, folder: Path, deadline: float | None) -> Path | None:
        recipe = recipe_of(row)
        data = self.data
        if row.families:
            data = shards_of(self.data, row.families, self.out / "data")
        left = None if deadline is None else (deadline - time.monotonic()) / 60
        started = time.process_time()
        try:
            done = train(
                recipe,
                data,
                folder,
                quantizer=self._codec(row.quantizer),
                rgb_quantizer=self._codec(row.rgb_quantizer),
                max_minutes=left,
                resume=(folder / CHECKPOINT).exists(),
                report=lambda line: _tell(row, recipe.fit.num_steps, line),
                accelerator="cpu",
            )
        finally:
            _add_spent(folder, time.process_time() - started)
        steps = max((int(line["step"]) for line in read_log(folder)), default=0)
        return done if steps >= recipe.fit.num_steps else None

    def _codec(self, name: str | None) -> str | Path | None:
        """A quantizer by the name of the row that trains it; other names are checkpoints."""
        trained = {row.name: row for row in self.rows}
        if name not in trained:
            return name
        return self.out / "rows" / str(name) / trained[str(name)].recipe

    def _result(
        self, row: Row, checkpoint: str | Path, folder: Path, spent: float
    ) -> dict[str, Any]:
        recipe, loaded = recipe_of(row), load(checkpoint)
        flops = recipe.fit.num_steps * step_flops(recipe, loaded, self.held_out)
        examined = Examined.of(recipe, loaded, self.held_out)
        result: dict[str, Any] = {
            "schema": SCHEMA,
            "row": row.to_json(),
            "parameters": sum(p.numel() for p in loaded.network.parameters()),
            "processor_seconds": round(spent, 1),
            "flops": flops,
            "num_held_out": len(self.held_out),
            "versions": versions(),
        }
        if row.part == "quantizers":
            return {**result, "codec": codec_numbers(examined)}
        folder.mkdir(parents=True, exist_ok=True)
        held_out = held_out_numbers(examined, folder)
        recall = recall_numbers(row.name, checkpoint, self.items, self.out / "answers")
        return {**result, "held_out": held_out, "recall": recall}


def _add_spent(folder: Path, seconds: float) -> None:
    path = folder / SPENT
    before = json.loads(path.read_text())["processor_seconds"] if path.exists() else 0.0
    write_json(path, {"processor_seconds": before + seconds})


def _tell(row: Row, steps: int, line: dict[str, float]) -> None:
    numbers = "  ".join(f"{name} {line[name]:.3g}" for name in ("loss", "follow") if name in line)
    print(f"{row.name}: step {int(line['step'])}/{steps}  {numbers}", file=sys.stderr, flush=True)


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.study",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("list", help="all rows: name, recipe, steps, what is special")
    run = verbs.add_parser("run", help="train and score rows")
    run.add_argument("rows", nargs="*", metavar="ROW", help="names; all rows if none is given")
    run.add_argument("--data", type=Path, required=True, help="folder of training shards")
    run.add_argument("--held-out", type=Path, required=True, help="folder of shards, split test")
    run.add_argument("--out", type=Path, required=True, help="folder of the study")
    run.add_argument(
        "--points", type=int, default=160, help="points of held-out worlds (%(default)s)"
    )
    run.add_argument("--max-minutes", type=float, help="stop after this time; call again to go on")
    show = verbs.add_parser("tables", help="print the results as Markdown")
    plot = verbs.add_parser(
        "plot", help="fit and draw loss and AR against FLOPs, print predictions"
    )
    logs = verbs.add_parser("logs", help="copy the logs, every second line of them")
    show.add_argument("--page", type=Path, help="put them there, between `<!-- tables -->` marks")
    for verb in (show, plot, logs):
        verb.add_argument("--out", type=Path, required=True, help="folder of the study")
    plot.add_argument("--to", type=Path, required=True, help="the picture to write")
    logs.add_argument("--to", type=Path, required=True, help="folder to write to")
    return parser


def run_rows(study: Study, rows: Sequence[Row], max_minutes: float | None = None) -> bool:
    """Run rows one after another; False if time was up before the last was done."""
    deadline = None if max_minutes is None else time.monotonic() + 60 * max_minutes
    for row in rows:
        if deadline is not None and time.monotonic() >= deadline:
            return False
        if not study.run(row, deadline):
            return False
    return True


def read_results(out: Path) -> dict[str, dict[str, Any]]:
    """Results by name of the row, in the order of the rows.

    Raises:
        InvalidInput: there are none.
    """
    names = [row.name for row in ROWS]
    found = {
        result["row"]["name"]: result
        for result in (json.loads(path.read_text()) for path in out.glob("*.json"))
        if result.get("schema") == SCHEMA
    }
    if not found:
        raise InvalidInput(f"{out} holds no results; make some with `run --out {out}`")
    order = [name for name in names if name in found]
    return {name: found[name] for name in [*order, *sorted(set(found) - set(order))]}


def _run(options: argparse.Namespace) -> None:
    rows = choose(options.rows, ROWS)
    torch.set_num_threads(1)
    study = Study(
        data=options.data,
        held_out=load_shards(options.held_out).records,
        items=make_test_set(HeldOutSettings(num_points=options.points)).items,
        out=options.out,
    )
    if not run_rows(study, rows, options.max_minutes):
        print("time is up; the same command goes on", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> None:
    options = _make_parser().parse_args(arguments)
    if options.verb == "list":
        for row in ROWS:
            print(f"{row.name:<14} {row.recipe:<15} {row.steps:>5} steps  {row.words}")
    elif options.verb == "run":
        _run(options)
    elif options.verb == "tables":
        text = tables(read_results(options.out))
        print(text) if options.page is None else write_into(options.page, text)
    elif options.verb == "plot":
        print(draw_scaling(read_results(options.out), options.to))
    else:
        write_thin_logs(options.out / "rows", options.to)


if __name__ == "__main__":
    try:
        main()
    except SpelkeError as error:
        raise SystemExit(str(error)) from error
