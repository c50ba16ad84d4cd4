"""Answers into numbers: one row for each model and family.

Entry points: `rows_of`, `draw_tables`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spelke.benchmarks.answers import Answer
from spelke.benchmarks.bootstrap import span
from spelke.benchmarks.breakdown import plain_number
from spelke.benchmarks.score_tables import TOLD
from spelke.benchmarks.segment_metrics import ImageScore, Summary, score_image, summarise
from spelke.benchmarks.test_set import TestItem

ALL = "all"
"""The family that is every family."""


@dataclass(frozen=True, slots=True)
class Row:
    """Scores of one model on one family.

    Attributes:
        model: name of the model.
        family: kind of scene, or `ALL`.
        summary: the means and their intervals.
        num_failed: pictures without an answer; they score zero.
        seconds_per_image: median wall time.
        is_oracle: the model is told the truth.
    """

    model: str
    family: str
    summary: Summary
    num_failed: int
    seconds_per_image: float
    is_oracle: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return plain values under the names that the command line prints."""
        summary = self.summary
        return {
            "model": self.model,
            "family": self.family,
            "AR": _rounded(summary.average_recall),
            "mIoU": _rounded(summary.mean_iou),
            "n": summary.num_points,
            "images": summary.num_images,
            "clips": summary.num_clips,
            "AR_low": _rounded(summary.recall_interval[0]),
            "AR_high": _rounded(summary.recall_interval[1]),
            "mIoU_low": _rounded(summary.iou_interval[0]),
            "mIoU_high": _rounded(summary.iou_interval[1]),
            "AP": _rounded(summary.average_precision),
            "AR_own_point": _rounded(summary.own_recall),
            "mIoU_own_point": _rounded(summary.own_iou),
            "failed": self.num_failed,
            "seconds_per_image": _rounded(self.seconds_per_image),
            "oracle": self.is_oracle,
        }


def score_answers(
    items: Sequence[TestItem], answers: Mapping[str, Answer]
) -> dict[str, ImageScore]:
    """Score every picture; a picture without masks scores zero, it is not left out."""
    scores = {}
    for item in items:
        answer = answers.get(item.key)
        if answer is None or answer.masks is None:
            nothing = np.zeros_like(item.segments)
            scores[item.key] = score_image(item.segments, nothing, item.ignore)
        else:
            scores[item.key] = score_image(item.segments, answer.masks, item.ignore)
    return scores


def rows_of(
    model: str,
    items: Sequence[TestItem],
    answers: Mapping[str, Answer],
    is_oracle: bool = False,
    seed: int = 0,
) -> list[Row]:
    """Summarise one model by family (in alphabetical order), and at last over all of them.

    Args:
        model: name to report.
        items: the pictures.
        answers: by key of the picture.
        is_oracle: see `Row`.
        seed: of the bootstrap.
    """
    scores = score_answers(items, answers)
    clip_of = {item.key: item.clip for item in items}
    families = sorted({item.family for item in items})
    rows = []
    for family in [*families, ALL]:
        keys = [item.key for item in items if family in (ALL, item.family)]
        given = [answers[key] for key in keys if key in answers]
        times = [answer.seconds for answer in given if answer.masks is not None]
        clips = [clip_of[key] for key in keys]
        summary = summarise([scores[key] for key in keys], np.random.default_rng(seed), clips)
        rows.append(
            Row(
                model=model,
                family=family,
                summary=summary,
                num_failed=len(keys) - len(times),
                seconds_per_image=float(np.median(times)) if times else 0.0,
                is_oracle=is_oracle,
            )
        )
    return rows


def draw_tables(rows: Sequence[Row], title: str) -> Any:
    """Lay rows out for people: models over all points, then models by families.

    Returns:
        A `rich` group of two tables; the best model comes first, oracles last.
    """
    from rich.console import Group
    from rich.table import Table

    totals = sorted(
        (row for row in rows if row.family == ALL),
        key=lambda row: (row.is_oracle, -row.summary.average_recall),
    )
    overall = Table(
        title=title, caption="95 % interval of AR; pictures of one clip are drawn together"
    )
    overall.add_column("model", no_wrap=True)
    for name in ("points", "AR", "interval", "mIoU", "s / picture"):
        overall.add_column(name, justify="right")
    for row in totals:
        overall.add_row(
            f"{row.model} ({TOLD})" if row.is_oracle else row.model,
            str(row.summary.num_points),
            f"{row.summary.average_recall:.3f}{_failed(row)}",
            span(row.summary.recall_interval, between="-"),
            f"{row.summary.mean_iou:.3f}",
            f"{row.seconds_per_image:.2f}",
        )
    by_family = Table(title="AR by family", padding=(0, 0, 0, 1))
    by_family.add_column("family (points)", no_wrap=True)
    for total in totals:
        by_family.add_column(total.model, justify="right", overflow="fold")
    for family in dict.fromkeys(row.family for row in rows):
        found = {row.model: row for row in rows if row.family == family}
        count = max(row.summary.num_points for row in found.values())
        cells = (_recall(found.get(total.model)) for total in totals)
        by_family.add_row(f"{family} ({count})", *cells)
    return Group(overall, by_family)


def _recall(row: Row | None) -> str:
    return "" if row is None else f"{row.summary.average_recall:.3f}"


def _failed(row: Row) -> str:
    return f" ({row.num_failed} failed)" if row.num_failed else ""


def _rounded(value: float) -> float | None:
    return plain_number(value, 4)
