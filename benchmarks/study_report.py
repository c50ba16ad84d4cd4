"""Results of the training study as Markdown tables, and its logs, thinned.

Entry points: `tables`, `write_into`, `write_thin_logs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.study_rows import BASE, FIRST_FIVE, PARTS

from spelke.benchmarks.bootstrap import bootstrap_interval, span
from spelke.benchmarks.breakdown import Estimate
from spelke.benchmarks.compare import paired_difference
from spelke.benchmarks.report import ALL
from spelke.errors import InvalidInput
from spelke.runtime.files import write_text
from spelke.training.log import LOG

Result = Mapping[str, Any]
MARK = "<!-- tables -->"
"""Stands in a page before and after its tables."""
EVERY = 2
"""One line of a log in so many is kept, and the last."""


def total_of(result: Result) -> Mapping[str, Any]:
    """The scores over all families."""
    return next(row for row in result["recall"]["rows"] if row["family"] == ALL)


def gain_in_overlap(result: Result, base: Result) -> Estimate:
    """How much more mIoU than the base, and the 95 % interval over pictures that both answered.

    Of AR, most pictures have none after trainings as short as these, so it tells little.
    """
    ours, theirs = result["recall"]["pictures"], base["recall"]["pictures"]
    both = sorted(set(ours) & set(theirs))
    return paired_difference([ours[key][1] for key in both], [theirs[key][1] for key in both])[0]


def tables(results: Mapping[str, Result]) -> str:
    """One table for each part of the study that has results."""
    blocks = []
    for part, title in PARTS.items():
        some = [result for result in results.values() if result["row"]["part"] == part]
        if not some:
            continue
        if part != "scaling" and BASE in results and part != "quantizers":
            some = [results[BASE], *some]
        blocks.append(f"### {title}\n")
        blocks.append(_codecs(some) if part == "quantizers" else _worlds(some, results.get(BASE)))
        if part == "families":
            blocks.append(_by_family(some))
    return "\n".join(blocks)


def _worlds(some: Sequence[Result], base: Result | None) -> str:
    head = (
        "row", "what", "steps", "M parameters", "TFLOP", "minutes", "loss", "follow", "leak", "iou",
        "AR (95 %)", "mIoU", "mIoU − base (95 %)",
    )  # fmt: skip
    rows = []
    for result in some:
        row, held, total = result["row"], result["held_out"], total_of(result)
        minutes = result["processor_seconds"] / 60
        apart = ""
        if base is not None and row["name"] != BASE and _set_of(base) == _set_of(result):
            gain = gain_in_overlap(result, base)
            apart = f"{gain.value:+.3f} ({span(gain[1:], '+.3f')})"
        rows.append((
            f"`{row['name']}`", row["words"], f"{row['steps']:,}",
            f"{result['parameters'] / 1e6:.2f}", f"{result['flops'] / 1e12:,.1f}",
            f"{minutes:.1f}" if minutes else "", f"{held['loss']:.3f}",
            f"{held.get('follow', np.nan):.2f}", f"{held.get('leak', np.nan):.2f}",
            f"{held.get('iou', np.nan):.2f}",
            f"{total['AR']:.3f}{_between(total)}",
            f"{total['mIoU']:.3f}", apart,
        ))  # fmt: skip
    asked = dict.fromkeys(
        (_set_of(one), total_of(one)["n"], total_of(one)["images"]) for one in some
    )
    told = "; ".join(f"set `{name}`, {n} points on {images} pictures" for name, n, images in asked)
    return f"Held-out worlds: {told}.\n\n{markdown_table(head, rows)}"


def _between(total: Mapping[str, Any]) -> str:
    """The interval of an AR; a handful of pictures has none."""
    low, high = total["AR_low"], total["AR_high"]
    return "" if low is None else f" ({low:.3f}–{high:.3f})"


def _set_of(result: Result) -> str:
    return result["recall"]["set"]


def _codecs(some: Sequence[Result]) -> str:
    head = (
        "row", "what", "steps", "minutes", "codes used", "PSNR, dB",
        "error of the decoder, px: all / moving", "of the code's mean: all / moving", "motion, px",
    )  # fmt: skip
    rows = []
    for result in some:
        row, codec = result["row"], result["codec"]
        minutes = result["processor_seconds"] / 60
        errors = [
            f"{codec[f'{name}_epe']:.2f} / {codec[f'{name}_epe_moving']:.2f}"
            if f"{name}_epe" in codec
            else ""
            for name in ("decoder", "mean_of_code")
        ]
        rows.append((
            f"`{row['name']}`", row["words"], f"{row['steps']:,}",
            f"{minutes:.1f}" if minutes else "", f"{codec['codes_used']:.0f}",
            f"{codec['psnr']:.1f}" if "psnr" in codec else "", *errors,
            f"{codec['motion_px']:.1f}" if "motion_px" in codec else "",
        ))  # fmt: skip
    return markdown_table(head, rows)


def _by_family(some: Sequence[Result]) -> str:
    """Overlap on the families that the row of few families saw, and on the others."""
    groups = {"the first five families": True, "the other families": False}
    head = ("mIoU on", *(f"`{result['row']['name']}`" for result in some), "pictures")
    rows = []
    for title, is_first in groups.items():
        cells, count = [], 0
        for result in some:
            values = [
                numbers[1]
                for key, numbers in result["recall"]["pictures"].items()
                if (key.rpartition("-")[0] in FIRST_FIVE) == is_first
            ]
            interval = bootstrap_interval(np.array(values), np.random.default_rng(0))
            cells.append(f"{np.mean(values):.3f} ({span(interval, between='–')})")
            count = len(values)
        rows.append((title, *cells, str(count)))
    return markdown_table(head, rows)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, a line for each row and one below the head."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_into(page: Path, text: str) -> None:
    """Replace what stands between the two marks of a page.

    Raises:
        InvalidInput: the page has not exactly two marks.
    """
    parts = page.read_text(encoding="utf-8").split(MARK)
    if len(parts) != 3:
        raise InvalidInput(f"{page} must hold the mark {MARK} twice, it has {len(parts) - 1}")
    write_text(page, f"{parts[0]}{MARK}\n\n{text}\n{MARK}{parts[2]}")


def write_thin_logs(runs: Path, folder: Path) -> list[Path]:
    """Copy the log of every run to `folder/ROW.jsonl`, one line in `EVERY` and the last."""
    written = []
    for path in sorted(runs.glob(f"*/{LOG}")):
        lines = path.read_text().splitlines()
        kept = [line for n, line in enumerate(lines, 1) if n % EVERY == 0 or n == len(lines)]
        target = folder / f"{path.parent.name}.jsonl"
        write_text(target, "".join(f"{line}\n" for line in kept))
        written.append(target)
    return written
