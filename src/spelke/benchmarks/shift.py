"""The same points asked in several versions of the same pictures: what does a version cost?

Versions are compared picture by picture, so the difficulty of the scenes drops out of the
interval of a difference. Entry points: `compare`, `draw_table`, `draw_versions`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from spelke.benchmarks.answers import Answer
from spelke.benchmarks.bootstrap import (
    Interval,
    bootstrap_interval,
    percentile_interval,
    resampled_means,
    span,
)
from spelke.benchmarks.breakdown import plain_number
from spelke.benchmarks.report import score_answers
from spelke.benchmarks.sheet import Case, draw_case
from spelke.benchmarks.test_set import TestItem
from spelke.errors import MissingData
from spelke.viz.sheet import Panel, arrange


@dataclass(frozen=True, slots=True)
class ShiftRow:
    """Scores of one model in one version, next to its own in the version of reference.

    Attributes:
        model: its name. version, reference: names of versions.
        recall, iou: mean over pictures, of those that every version has.
        recall_interval, iou_interval: 95 % bootstraps over pictures.
        change: of the recall from the reference. change_interval: of the paired difference.
        kept: the recall as a share of the reference's. kept_interval: paired likewise.
        num_points, num_images: that were compared.
    """

    model: str
    version: str
    reference: str
    recall: float
    recall_interval: Interval
    iou: float
    iou_interval: Interval
    change: float
    change_interval: Interval
    kept: float
    kept_interval: Interval
    num_points: int
    num_images: int

    def to_json(self) -> dict[str, Any]:
        """Return plain values under the names that the command line prints."""
        plain: dict[str, Any] = {"model": self.model, "version": self.version}
        for name, value, (low, high) in (
            ("AR", self.recall, self.recall_interval),
            ("mIoU", self.iou, self.iou_interval),
            ("AR_change", self.change, self.change_interval),
            ("AR_kept", self.kept, self.kept_interval),
        ):
            plain |= {name: value, f"{name}_low": low, f"{name}_high": high}
        rounded = {
            name: plain_number(value, 4) if isinstance(value, float) else value
            for name, value in plain.items()
        }
        return {
            **rounded,
            "reference": self.reference,
            "n": self.num_points,
            "images": self.num_images,
        }


def in_all(versions: Mapping[str, Sequence[TestItem]]) -> dict[str, list[TestItem]]:
    """Keep the pictures that every version has, in the order of the first version.

    Raises:
        MissingData: no picture is in all of them.
    """
    keys = [{item.key for item in items} for items in versions.values()]
    shared = set.intersection(*keys)
    if not shared:
        counts = ", ".join(f"{name} {len(items)}" for name, items in versions.items())
        raise MissingData(f"no picture is there in all versions; pictures: {counts}")
    first = next(iter(versions.values()))
    order = [item.key for item in first if item.key in shared]
    by_key = {name: {item.key: item for item in items} for name, items in versions.items()}
    return {name: [found[key] for key in order] for name, found in by_key.items()}


def compare(
    model: str,
    versions: Mapping[str, Sequence[TestItem]],
    answers: Mapping[str, Mapping[str, Answer]],
    seed: int = 0,
) -> list[ShiftRow]:
    """Score one model in every version.

    Args:
        model: name to report.
        versions: version to pictures, the same ones in each (`in_all`); the first is the reference.
        answers: version to answers by key.
        seed: of the bootstrap.
    """
    scores = {
        name: list(score_answers(items, answers[name]).values()) for name, items in versions.items()
    }
    recalls = {
        name: np.array([score.average_recall for score in found]) for name, found in scores.items()
    }
    reference = next(iter(versions))
    clips = [item.clip for item in versions[reference]]

    def interval(values: np.ndarray) -> Interval:
        return bootstrap_interval(values, np.random.default_rng(seed), clips)

    rows = []
    for name, found in scores.items():
        overlaps = np.array([score.mean_iou for score in found])
        change = recalls[name] - recalls[reference]
        rows.append(
            ShiftRow(
                model=model,
                version=name,
                reference=reference,
                recall=float(recalls[name].mean()),
                recall_interval=interval(recalls[name]),
                iou=float(overlaps.mean()),
                iou_interval=interval(overlaps),
                change=float(change.mean()),
                change_interval=interval(change),
                kept=_share(recalls[name].mean(), recalls[reference].mean()),
                kept_interval=_share_interval(recalls[name], recalls[reference], clips, seed),
                num_points=sum(score.num_points for score in found),
                num_images=len(found),
            )
        )
    return rows


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else float("nan")


def _share_interval(
    values: np.ndarray, reference: np.ndarray, clips: Sequence[str], seed: int
) -> Interval:
    """Percentile bootstrap of a ratio of means: the same pictures are drawn for both."""
    above, below = (
        resampled_means(column, np.random.default_rng(seed), clips)
        for column in (values, reference)
    )
    if not (below > 0).all():
        return float("nan"), float("nan")
    return percentile_interval(above / below)


def draw_table(rows: Sequence[ShiftRow], title: str) -> Any:
    """Lay rows out as a `rich` table that is Markdown too; the best model comes first."""
    from rich.box import MARKDOWN
    from rich.table import Table

    versions = list(dict.fromkeys(row.version for row in rows))
    reference = rows[0].reference
    found = {(row.model, row.version): row for row in rows}
    count = f"{rows[0].num_points} points, {rows[0].num_images} pictures"
    table = Table(title=f"{title} ({count}): AR / mIoU", box=MARKDOWN)
    table.add_column("model", no_wrap=True)
    for version in versions:
        table.add_column(version, justify="right", no_wrap=True)
        if version != reference:
            table.add_column(f"change from {reference}, 95 %", justify="right", no_wrap=True)
            table.add_column("kept, 95 %", justify="right", no_wrap=True)
    models = dict.fromkeys(row.model for row in rows)
    for model in sorted(models, key=lambda name: -found[name, reference].recall):
        cells = [model]
        for version in versions:
            row = found[model, version]
            cells.append(f"{row.recall:.3f} / {row.iou:.3f}")
            if version != reference:
                cells.append(f"{row.change:+.3f} ({span(row.change_interval, '+.3f')})")
                kept = f"{row.kept:.0%} ({span(row.kept_interval, '.0%')})"
                cells.append(kept if found[model, reference].recall > 0 else "-")
        table.add_row(*cells)
    return table


def draw_versions(
    versions: Mapping[str, Sequence[TestItem]],
    answers: Mapping[str, Mapping[str, Answer]],
    generator: np.random.Generator,
    count: int = 12,
    scenes_per_row: int = 2,
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw one point of some pictures in every version: the answer tinted, the truth outlined.

    Args:
        versions: as in `compare`.
        answers: of one model, version to answers by key.
        generator: draws pictures and points.
        count: pictures to show.
        scenes_per_row: pictures side by side, each with all its versions.
    """
    first = next(iter(versions.values()))
    panels = []
    for number in sorted(generator.permutation(len(first))[:count].tolist()):
        row = int(generator.integers(len(first[number].points)))
        for name, items in versions.items():
            answer = answers[name].get(items[number].key)
            if answer is None or answer.masks is None:
                panels.append(Panel(items[number].image, note=f"{name}: no answer"))
                continue
            case = Case(items[number], row, 0.0, answer.masks[row])
            panels.append(Panel(draw_case(case), note=f"{items[number].key} {name}"))
    return arrange(panels, columns=scenes_per_row * len(versions), cell_height=176)
