"""One page about runs, for people: tables with intervals, curves, cases, and what was wrong.

The page holds everything it shows and asks no server for anything; its table lies beside it as
JSON, CSV and LaTeX. Oracles and published numbers have rows of their own and are marked.
Entry point: `write_report`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from spelke.benchmarks.bootstrap import MIN_CLIPS
from spelke.benchmarks.breakdown import METRICS, Estimate, Part, break_down_all
from spelke.benchmarks.case_pictures import choose_cases
from spelke.benchmarks.compare import Comparison, compare
from spelke.benchmarks.published_scores import DATASET, PUBLISHED, SOURCE
from spelke.benchmarks.score_tables import (
    best_first,
    by_group,
    p_text,
    plain_rows,
    telling_metrics,
    to_csv,
    to_latex,
)
from spelke.benchmarks.scoring import RunScores
from spelke.errors import InvalidInput
from spelke.runtime.files import write_json, write_text

SCHEMA = "spelke-report-1"
_COLORS = 8
_SECTIONS = {
    "size": (
        "AR by size in pixels",
        "Size",
        "COCO's sizes: small below 32 x 32 pixels, medium below 96 x 96, large from there on.",
    ),
    "share": (
        "AR by share of the picture",
        "Share",
        "The same sizes relative to a picture of 640 x 480: small below 1/300 of its area, medium "
        "below 3 %, large from there on. They compare pictures of different resolutions.",
    ),
    "family": ("AR by family", "Family", "Kinds of scenes, or sources of the pictures."),
}
_CHART = {"left": 64.0, "top": 30.0, "width": 560.0, "height": 222.0}


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportOptions:
    """What a report shows.

    Attributes:
        title: heading of the page.
        num_cases: pictures of each band (worst, at random, best) of each run.
        published: whether published numbers are shown.
        seed: of the bootstrap and of the cases at random.
    """

    title: str = "SpelkeBench report"
    num_cases: int = 6
    published: bool = True
    seed: int = 0


def write_report(
    runs: Sequence[RunScores],
    folder: str | os.PathLike[str],
    options: ReportOptions = ReportOptions(),
) -> Path:
    """Write `report.html`, `report.json`, `report.csv` and `report.tex`.

    Args:
        runs: what was scored; their names are unique.
        folder: for the files; it is made if absent.
        options: what is shown.

    Returns:
        The page.

    Raises:
        InvalidInput: no runs, or two of one name.
        Unavailable: the disk is full or the folder may not be written.
    """
    names = [run.name for run in runs]
    if not names or len(set(names)) < len(names):
        raise InvalidInput(
            f"a report needs runs of different names, got {', '.join(names) or 'none'}"
        )
    folder = Path(folder)
    parts = break_down_all(runs, options.seed)
    published = PUBLISHED if options.published else ()
    rows = plain_rows(parts, published)
    problems = [
        {"run": run.name, "key": found.key, "kind": found.kind, "text": found.text}
        for run in runs
        for found in run.problems
    ]
    write_json(folder / "report.json", {"schema": SCHEMA, "rows": rows, "problems": problems})
    write_text(folder / "report.csv", to_csv(rows))
    write_text(folder / "report.tex", to_latex(parts, published))
    write_text(folder / "report.html", render(runs, parts, options))
    return folder / "report.html"


def render(runs: Sequence[RunScores], parts: Sequence[Part], options: ReportOptions) -> str:
    """Return the page."""
    environment = Environment(
        loader=PackageLoader("spelke.benchmarks", "report_page"),
        autoescape=True,
        undefined=StrictUndefined,
    )
    page = environment.get_template("page.html")
    # Our own file, not a user's text: `>` in it must stay `>`.
    style = Markup(environment.loader.get_source(environment, "style.css")[0])  # type: ignore
    totals = best_first(parts)
    colors = {part.run: number % _COLORS for number, part in enumerate(totals)}
    ordered = sorted(runs, key=lambda run: list(colors).index(run.name))
    return page.render(
        title=options.title,
        style=style,
        runs=runs,
        num_images=max(part.num_images for part in totals),
        num_truths=max(part.num_truths for part in totals),
        num_failed=sum(part.num_failed for part in totals),
        metrics=telling_metrics(totals),
        all_metrics=METRICS,
        models=[_total(part, colors[part.run]) for part in totals if not part.is_oracle],
        oracles=[_total(part, colors[part.run]) for part in totals if part.is_oracle],
        published=[
            {**score._asdict(), "estimate": _shown(Estimate(score.average_recall, *_NO_RANGE))}
            for score in (PUBLISHED if options.published else ())
        ],
        published_dataset=DATASET,
        published_source=SOURCE,
        chart=_chart(ordered, colors),
        parts=_sections(parts, list(colors)),
        best=ordered[0].name,
        differences=_differences(ordered, options.seed),
        cases=_cases(ordered, colors, options),
        problems=_problems(runs),
        seed=options.seed,
        min_clips=MIN_CLIPS,
        num_clips=max(part.num_clips for part in totals),
        version=version("spelke"),
    )


_NO_RANGE = (math.nan, math.nan)


def _shown(estimate: Estimate, signed: bool = False) -> dict[str, Any]:
    """An estimate as the page shows it; `at` and its like are places between 0 and 1."""
    value, low, high = estimate
    digits = "+.3f" if signed else ".3f"
    if math.isnan(value):
        return {"known": False}
    has_range = not math.isnan(low)
    return {
        "known": True,
        "value": format(value, digits),
        "range": f"{low:{digits}} to {high:{digits}}" if has_range else "",
        "at": f"{value:.4f}",
        "low_at": f"{low if has_range else value:.4f}",
        "high_at": f"{high if has_range else value:.4f}",
    }


def _total(part: Part, color: int) -> dict[str, Any]:
    return {
        "run": part.run,
        "color": color,
        "oracle": part.is_oracle,
        "estimates": {name: _shown(found) for name, found in part.estimates.items()},
        "images": part.num_images,
        "failed": part.num_failed,
        "seconds": "–" if math.isnan(part.seconds) else f"{part.seconds:.2g}",
    }


def _sections(parts: Sequence[Part], names: Sequence[str]) -> list[dict[str, Any]]:
    groups = by_group(parts)
    sections = []
    for kind, (title, head, explanation) in _SECTIONS.items():
        rows = [_group(name, found, names) for (its, name), found in groups.items() if its == kind]
        if rows:
            found = {"kind": kind, "title": title, "head": head, "explanation": explanation}
            sections.append({**found, "rows": rows})
    return sections


def _group(name: str, found: Mapping[str, Part], names: Sequence[str]) -> dict[str, Any]:
    nothing = {"known": False}
    return {
        "name": name,
        "images": max(part.num_images for part in found.values()),
        "truths": max(part.num_truths for part in found.values()),
        "cells": [_shown(found[run].estimates["AR"]) if run in found else nothing for run in names],
    }


def _chart(runs: Sequence[RunScores], colors: Mapping[str, int]) -> dict[str, Any]:
    """Recall against the overlap that is asked for, as SVG paths."""
    left, top, width, height = _CHART.values()
    thresholds = np.linspace(0, 1, 51)
    lines = []
    for run in runs:
        scores = [result.score for result in run.results]
        recall = [
            np.mean([score.recall(np.array([threshold])) for score in scores])
            for threshold in thresholds
        ]
        points = (
            f"{left + x * width:.1f},{top + (1 - y) * height:.1f}"
            for x, y in zip(thresholds, recall, strict=True)
        )
        path = "M" + "L".join(points)
        line = {"run": run.name, "color": colors[run.name], "oracle": run.is_oracle}
        lines.append({**line, "path": path})
    ticks = [
        {"label": f"{share:g}", "x": left + share * width, "y": top + (1 - share) * height}
        for share in (0, 0.25, 0.5, 0.75, 1)
    ]
    return {**_CHART, "lines": lines, "ticks": ticks}


def _differences(runs: Sequence[RunScores], seed: int) -> list[dict[str, Any]]:
    rows = []
    for other in runs[1:]:
        try:
            comparison = compare(runs[0], other, seed)
        except InvalidInput:  # no image in common
            continue
        rows += _difference_rows(comparison, other.is_oracle)
    return rows


def _difference_rows(comparison: Comparison, is_oracle: bool) -> list[dict[str, Any]]:
    titles = {metric.name: metric.title for metric in METRICS}
    wanted = ("AR", "mIoU", "boundary_F")
    return [
        {
            "run": comparison.second,
            "oracle": is_oracle,
            "metric": titles[found.metric],
            **_shown(found.difference, signed=True),
            "better": found.num_better,
            "worse": found.num_worse,
            "equal": found.num_images - found.num_better - found.num_worse,
            "p": p_text(found.p_value),
        }
        for found in comparison.differences
        if found.kind == "all" and found.metric in wanted
    ]


def _cases(
    runs: Sequence[RunScores], colors: Mapping[str, int], options: ReportOptions
) -> list[dict[str, Any]]:
    found = [
        {
            "run": run.name,
            "color": colors[run.name],
            "oracle": run.is_oracle,
            "bands": choose_cases(run, options.num_cases, options.seed),
        }
        for run in runs
    ]
    return [run for run in found if run["bands"]]


def _problems(runs: Sequence[RunScores]) -> list[dict[str, Any]]:
    rows = []
    for run in runs:
        for kind in sorted({problem.kind for problem in run.problems}):
            members = [problem for problem in run.problems if problem.kind == kind]
            row = {"run": run.name, "kind": kind, "count": len(members)}
            rows.append({**row, "text": str(members[0])})
    return rows
