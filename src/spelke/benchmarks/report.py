"""Answers into numbers: one row for each model and family.

Entry points: `rows_of`, `draw_table`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spelke.benchmarks.answers import Answer
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
    families = sorted({item.family for item in items})
    rows = []
    for family in [*families, ALL]:
        keys = [item.key for item in items if family in (ALL, item.family)]
        given = [answers[key] for key in keys if key in answers]
        times = [answer.seconds for answer in given if answer.masks is not None]
        summary = summarise([scores[key] for key in keys], np.random.default_rng(seed))
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


def draw_table(rows: Sequence[Row], title: str) -> Any:
    """Lay rows out for people: models by families, AR over mIoU, best AR of the others first.

    Returns:
        A `rich` table.
    """
    from rich.table import Table

    families = list(dict.fromkeys(row.family for row in rows))
    table = Table(title=title, caption="AR / mIoU; 95 % interval of the AR over pictures")
    table.add_column("model")
    for family in families:
        count = max(row.summary.num_points for row in rows if row.family == family)
        table.add_column(f"{family}\n{count} points", justify="right")
    table.add_column("interval\nof AR", justify="right")
    table.add_column("s / picture", justify="right")
    overall = [row for row in rows if row.family == ALL]
    for total in sorted(overall, key=lambda row: (row.is_oracle, -row.summary.average_recall)):
        cells = {row.family: row for row in rows if row.model == total.model}
        low, high = total.summary.recall_interval
        table.add_row(
            f"{total.model} (told the truth)" if total.is_oracle else total.model,
            *(_cell(cells.get(family)) for family in families),
            f"{low:.3f}-{high:.3f}",
            f"{total.seconds_per_image:.2f}",
        )
    return table


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    failed = f" ({row.num_failed} failed)" if row.num_failed else ""
    return f"{row.summary.average_recall:.3f} / {row.summary.mean_iou:.3f}{failed}"


def _rounded(value: float) -> float:
    return round(float(value), 4)
