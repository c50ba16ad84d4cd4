"""Every model that needs no foreign weights, on both of our SpelkeBench files.

    python -m benchmarks.side_by_side [--photos photos] [--out runs/side] [--models grabcut ...]

Packs `spelkebench-worlds.h5` and, with `--photos`, `spelkebench-real.h5`, asks the models, writes
an HTML report of each file and puts the tables into `docs/side-by-side.md`, between marks such as
`<!-- worlds-all -->` and `<!-- end -->`. Everything is kept under `--out`, so that after new
weights only the models that changed are asked again.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.study_report import markdown_table
from benchmarks.transfer import replaced

from benchmarks import carried

PAGE = Path(__file__).parents[1] / "docs" / "side-by-side.md"
MODELS = (
    "spelke-small", "spelke-tiny", "grabcut", "random-walker", "felzenszwalb", "slic-merge",
    "flood-fill", "disc", "whole-image", "instance-oracle", "part-oracle",
)  # fmt: skip
WORLDS_ONLY = ("instance-oracle", "part-oracle")
"""Masks of photographs do not tell an object from what it carries, nor its parts."""
OUTLINES = "instance-oracle"
"""Knows which pixels are the poked object, and so which are carried."""
COLUMNS = {"mIoU": "mIoU", "AR_ten_thresholds": "AR, 10 thresholds", "boundary_F": "boundary F"}


def main() -> None:
    """Pack, ask, score, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, help="folder of photographs with a manifest")
    parser.add_argument("--out", type=Path, default=Path("runs/side"))
    parser.add_argument("--pictures", type=int, default=512, help="of worlds (%(default)s)")
    parser.add_argument("--models", nargs="+", default=MODELS)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    files = {"worlds": ["worlds", "--pictures", asked.pictures]}
    if asked.photos:
        files["real"] = ["photos", "--data", asked.photos]
    for name, (source, *options) in files.items():
        file = asked.out / f"spelkebench-{name}.h5"
        if not file.exists():
            spelke("pack", source, file, *options)
        models = [model for model in asked.models if name == "worlds" or model not in WORLDS_ONLY]
        tabulate(name, file, models, asked.out / name)


def tabulate(name: str, file: Path, models: Sequence[str], out: Path) -> None:
    """Ask the models about a file and put their scores into the page."""
    runs = [out / Path(model).name for model in models]
    for model, run in zip(models, runs, strict=True):
        spelke("run", model, file, "--out", run)
    spelke("report", *runs, "--dataset", file, "--out", out / "report", "--no-published")
    rows = [json.loads(line) for line in spelke("score", *runs, "--dataset", file, "--json")]
    text = replaced(PAGE.read_text(encoding="utf-8"), f"{name}-all", overall(rows))
    for kind in ("family", "size"):
        text = replaced(text, f"{name}-{kind}", by_group(rows, kind))
    if OUTLINES in models:
        outlines = carried.read_outlines(out / OUTLINES)
        answers = {
            _named(row): carried.read_carried(out / row["run"], outlines)
            for row in best_first(rows)
        }
        text = replaced(text, f"{name}-carried", carried.overall(answers))
        text = replaced(text, f"{name}-carried-family", carried.by_family(answers))
        for what in ("wrong", "right"):
            table = carried.recall_by_family(answers, wrong=what == "wrong")
            text = replaced(text, f"{name}-{what}-family", table)
    PAGE.write_text(text, encoding="utf-8")


def spelke(verb: str, *arguments: Any) -> list[str]:
    """Run `spelke bench VERB` and return the lines of its standard output."""
    command = [sys.executable, "-m", "spelke", "bench", verb, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()


def overall(rows: Sequence[dict[str, Any]]) -> str:
    """The table of all models, best first, oracles last."""
    totals = best_first(rows)
    head = ["model", "AR", "95 % of AR", *COLUMNS.values(), "s a picture"]
    lines = []
    for row in totals:
        numbers = [f"{row[name]:.3f}" for name in COLUMNS]
        known = row["AR_low"] is not None  # a handful of pictures has no interval
        between = f"{row['AR_low']:.3f} to {row['AR_high']:.3f}" if known else ""
        seconds = f"{row['seconds_per_image']:.3f}"
        lines.append([_named(row), f"{row['AR']:.3f}", between, *numbers, seconds])
    counts = f"{totals[0]['images']} pictures, {totals[0]['truths']} segments"
    return f"{counts}\n\n" + markdown_table(head, lines)


def by_group(rows: Sequence[dict[str, Any]], kind: str) -> str:
    """AR of every model on each part of one kind, in the order of their AR over all."""
    order = best_first(rows)
    parts = [row for row in rows if row["kind"] == kind]
    groups = {row["group"]: row["truths"] for row in parts}
    lines = []
    for group, count in groups.items():
        found = {row["run"]: f"{row['AR']:.3f}" for row in parts if row["group"] == group}
        lines.append([f"{group} ({count})", *(found.get(row["run"], "") for row in order)])
    return markdown_table([f"AR by {kind} (segments)", *map(_named, order)], lines)


def best_first(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows over everything, by AR, oracles last."""
    totals = [row for row in rows if row["kind"] == "all"]
    return sorted(totals, key=lambda row: (row["oracle"], -row["AR"]))


def _named(row: dict[str, Any]) -> str:
    return f"*{row['run']}*" if row["oracle"] else f"`{row['run']}`"


if __name__ == "__main__":
    main()
