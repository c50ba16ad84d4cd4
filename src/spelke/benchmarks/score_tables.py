"""Scores of runs as tables: for a terminal, as CSV, and as LaTeX.

Measured rows come first, oracles below the models; published ones follow on their own. Oracles and
published rows are marked in every form.
Entry points: `draw_scores`, `draw_comparison`, `plain_rows`, `to_csv`, `to_latex`.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from spelke.benchmarks.breakdown import METRICS, Estimate, Metric, Part
from spelke.benchmarks.compare import Comparison, Difference
from spelke.benchmarks.published_scores import SOURCE, PublishedScore

MEASURED, REPORTED = "measured", "published"
"""Values of the column `source`."""
TOLD = "told the truth"
"""How an oracle is marked."""
SIZE_NOTES = {
    "size": "size: area below 32 x 32, below 96 x 96 pixels, or more",
    "share": "share: area below 1/300, below 3 % of the picture, or more",
}
_TITLES = {metric.name: metric.title for metric in METRICS}
_LATEX_COLUMNS = ("AR", "mIoU", "AR_ten_thresholds", "boundary_F")
_LATEX_SPECIALS = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
    }
)


def plain_rows(parts: Sequence[Part], published: Sequence[PublishedScore]) -> list[dict[str, Any]]:
    """Return every row as plain values, with its `source`: measured or published."""
    rows = [{"source": MEASURED, **part.to_json()} for part in parts]
    return rows + [
        {
            "source": REPORTED,
            "run": score.model,
            "kind": "all",
            "group": "all",
            "AR": score.average_recall,
            "mIoU": score.mean_iou,
        }
        for score in published
    ]


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write plain rows as CSV with one header; what a row lacks is empty."""
    names = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def to_latex(parts: Sequence[Part], published: Sequence[PublishedScore]) -> str:
    """Write the scores over all images as a LaTeX table (package booktabs)."""
    totals = best_first(parts)
    head = ["Model", *(_TITLES[name] for name in _LATEX_COLUMNS), "Images", "Segments"]
    lines = [
        r"% Brackets: 95 % bootstrap intervals, images of one clip drawn together.",
        r"\begin{tabular}{l" + "r" * (len(head) - 1) + "}",
        r"\toprule",
        " & ".join(map(_escape, head)) + r" \\",
        r"\midrule",
    ]
    for index, part in enumerate(totals):
        if part.is_oracle and (index == 0 or not totals[index - 1].is_oracle):
            note = f"Oracles: {TOLD}, measured here as bounds"
            rule = [r"\midrule"] if index else []
            lines += [*rule, rf"\multicolumn{{{len(head)}}}{{l}}{{{note}}} \\"]
        cells = [_latex_cell(part.estimates[name]) for name in _LATEX_COLUMNS]
        counts = [str(part.num_images), str(part.num_truths)]
        lines.append(" & ".join([_escape(part.run), *cells, *counts]) + r" \\")
    if published:
        note = f"Published, not measured here: {SOURCE}"
        lines += [r"\midrule", rf"\multicolumn{{{len(head)}}}{{l}}{{{_escape(note)}}} \\"]
        blanks = [""] * (len(head) - 3)
        for score in published:
            cells = [f"{score.average_recall:.4f}", f"{score.mean_iou:.4f}", *blanks]
            lines.append(" & ".join([_escape(score.model), *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def draw_scores(parts: Sequence[Part]) -> Any:
    """Lay scores out for people: runs over all images, then AR of every part.

    Returns:
        A `rich` group of two tables; the best run comes first, oracles last.
    """
    from rich.console import Group
    from rich.table import Table

    totals = best_first(parts)
    overall = Table(
        title="All images",
        caption="means over images, 95 % bootstrap intervals, images of one clip drawn together; "
        "AR, mIoU and AP as published (nine thresholds)",
    )
    overall.add_column("run", overflow="fold")
    metrics = telling_metrics(totals)
    for metric in metrics:
        overall.add_column(metric.title, justify="right")
    for name in ("images", "segments", "failed", "s / image"):
        overall.add_column(name, justify="right")
    for part in totals:
        cells = (cell(part.estimates[metric.name]) for metric in metrics)
        counts = (str(part.num_images), str(part.num_truths), str(part.num_failed))
        time = "–" if math.isnan(part.seconds) else f"{part.seconds:.2f}"
        overall.add_row(_label(part), *cells, *counts, time)
    by_part = Table(title="AR by part", caption="; ".join(SIZE_NOTES.values()))
    by_part.add_column("part (segments)", no_wrap=True)
    for part in totals:
        by_part.add_column(_label(part), justify="right", overflow="fold")
    for (kind, group), found in by_group(parts).items():
        if kind != "all":
            count = max(part.num_truths for part in found.values())
            cells = (
                cell(found[total.run].estimates["AR"]) if total.run in found else ""
                for total in totals
            )
            by_part.add_row(f"{kind}: {group} ({count})", *cells)
    return Group(overall, by_part)


def draw_comparison(comparison: Comparison) -> Any:
    """Lay a comparison out for people: all numbers over all images, then AR of every part."""
    from rich.table import Table

    table = Table(
        title=f"{comparison.first} against {comparison.second}, image by image",
        caption="difference: first minus second, with the 95 % bootstrap interval of the paired "
        "difference; p: Wilcoxon signed rank, two-sided, not corrected for the number of rows",
    )
    table.add_column("", no_wrap=True)
    for name in ("first", "second", "difference", "better / worse", "images", "p"):
        table.add_column(name, justify="right")
    for found in comparison.differences:
        if found.kind == "all" or found.metric == "AR":
            title = _TITLES[found.metric]
            label = title if found.kind == "all" else f"{title}, {found.kind}: {found.group}"
            table.add_row(label, *_comparison_cells(found))
    return table


def best_first(parts: Sequence[Part]) -> list[Part]:
    """Return the parts over all images, the highest AR first, oracles below all models."""
    totals = [part for part in parts if part.kind == "all"]
    return sorted(totals, key=lambda part: (part.is_oracle, -part.estimates["AR"].value))


def telling_metrics(totals: Sequence[Part]) -> list[Metric]:
    """Return the metrics without precisions if these are the recalls: one answer for each truth."""

    def values(name: str) -> list[float]:
        return [part.estimates[name].value for part in totals]

    twins = {"AP": "AR", "AP_ten_thresholds": "AR_ten_thresholds"}
    same = {name for name, twin in twins.items() if values(name) == values(twin)}
    return [metric for metric in METRICS if metric.name not in same]


def by_group(parts: Sequence[Part]) -> dict[tuple[str, str], dict[str, Part]]:
    """Return the parts of every kind and group by the name of their run."""
    found: dict[tuple[str, str], dict[str, Part]] = {}
    for part in parts:
        found.setdefault((part.kind, part.group), {})[part.run] = part
    return found


def cell(estimate: Estimate) -> str:
    """Write a mean with three digits and its interval: `0.412 (0.365-0.460)`; – if unknown."""
    value, low, high = estimate
    if math.isnan(value):
        return "–"
    return f"{value:.3f}" if math.isnan(low) else f"{value:.3f} ({low:.3f}-{high:.3f})"


def p_text(value: float) -> str:
    """Write a p-value with as many digits as it deserves."""
    if math.isnan(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _label(part: Part) -> str:
    return f"{part.run} ({TOLD})" if part.is_oracle else part.run


def _comparison_cells(found: Difference) -> list[str]:
    value, low, high = found.difference
    interval = "" if math.isnan(low) else f" ({low:+.3f} to {high:+.3f})"
    return [
        f"{found.first:.3f}",
        f"{found.second:.3f}",
        f"{value:+.3f}{interval}",
        f"{found.num_better} / {found.num_worse}",
        str(found.num_images),
        p_text(found.p_value),
    ]


def _latex_cell(estimate: Estimate) -> str:
    value, low, high = estimate
    if math.isnan(value):
        return "--"
    return f"{value:.4f}" if math.isnan(low) else f"{value:.4f} [{low:.3f}, {high:.3f}]"


def _escape(text: str) -> str:
    return text.translate(_LATEX_SPECIALS)
