"""Does a single picture tell what moves next? Affordance, displacement and segments, scored.

The truth is the clip: which pixels moved (its masks) and how far (measured by optical flow).
Entry points: `score_affordance`, `score_field`, `rows_of_part`, `draw_parts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.metrics import average_precision_score, roc_auc_score

from spelke.benchmarks.bootstrap import bootstrap_interval, span
from spelke.benchmarks.breakdown import plain_number
from spelke.benchmarks.clips import Moment
from spelke.benchmarks.report import ALL

Values = Mapping[str, Mapping[str, float]]
"""Name of the picture to name of a number to its value."""
LEADING = {"affordance": "AP", "displacement": "IoU", "segments": "AR"}
"""Parts of the benchmark, and the number that orders the methods of each."""
COMPARED = {"affordance": ("AUC", "AP"), "displacement": ("IoU", "AP"), "segments": ("AR", "mIoU")}
"""Numbers in which world models are compared with the best of the others."""
HALF = 0.5
"""Share of the push from which on a pixel counts as moved."""


def score_affordance(moment: Moment, values: Float[np.ndarray, "height width"]) -> dict[str, float]:
    """AUC and average precision of a ranking of pixels: those that move next above still ones."""
    moving = np.any(moment.things, axis=0)
    counted = moving | moment.still
    truth, ranked = moving[counted], values[counted]
    return {
        "AUC": float(roc_auc_score(truth, ranked)),
        "AP": float(average_precision_score(truth, ranked)),
    }


def score_field(
    moment: Moment, index: int, field: Float[np.ndarray, "2 height width"]
) -> dict[str, float]:
    """How well a displacement field covers the thing that was pushed, and it alone.

    Args:
        moment: the picture.
        index: which of its things was pushed by its measured shift.
        field: what is said to follow.

    Returns:
        IoU of what moves by half of the push with the thing; average precision of the length of
        the displacement; end-point error inside, against the measured flow, and the mean length
        outside, both in pixels and counted on the thing and the still background only.
    """
    thing = moment.things[index]
    counted = thing | moment.still
    length = np.hypot(*field)
    moved = (length >= HALF * np.hypot(*moment.shifts[index])) & counted
    union = (moved | thing).sum()
    return {
        "IoU": float((moved & thing).sum() / union),
        "AP": float(average_precision_score(thing[counted], length[counted])),
        "inside": float(np.hypot(*(field - moment.flow))[thing].mean()),
        "outside": float(length[moment.still].mean()) if moment.still.any() else 0.0,
    }


def mean_of(scores: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each number over the points of one picture."""
    return {name: float(np.mean([score[name] for score in scores])) for name in scores[0]}


@dataclass(frozen=True, slots=True)
class MotionRow:
    """Scores of one method in one part on one source.

    Attributes:
        part: one of `LEADING`. model: its name. source: folder of the clips, or `ALL`.
        numbers: name to (mean over pictures, low, high), 95 % bootstraps over clips.
        num_points, num_images: that were asked about.
    """

    part: str
    model: str
    source: str
    numbers: Mapping[str, tuple[float, float, float]]
    num_points: int
    num_images: int

    def to_json(self) -> dict[str, Any]:
        """Return plain values under the names that the command line prints."""
        plain: dict[str, Any] = {"part": self.part, "model": self.model, "source": self.source}
        for name, numbers in self.numbers.items():
            value, low, high = (plain_number(number, 4) for number in numbers)
            plain |= {name: value, f"{name}_low": low, f"{name}_high": high}
        return {**plain, "n": self.num_points, "images": self.num_images}


def rows_of_part(
    part: str, model: str, moments: Sequence[Moment], values: Values, seed: int = 0
) -> list[MotionRow]:
    """Summarise one method by source, and at last over all pictures."""
    rows = []
    for source in [*dict.fromkeys(moment.source for moment in moments), ALL]:
        chosen = [moment for moment in moments if source in (ALL, moment.source)]
        clips = [moment.clip for moment in chosen]
        names = values[chosen[0].key]
        columns = {
            name: np.array([values[moment.key][name] for moment in chosen]) for name in names
        }
        numbers = {
            name: (
                float(column.mean()),
                *bootstrap_interval(column, np.random.default_rng(seed), clips),
            )
            for name, column in columns.items()
        }
        points = sum(moment.asked for moment in chosen)
        rows.append(MotionRow(part, model, source, numbers, points, len(chosen)))
    return rows


@dataclass(frozen=True, slots=True)
class Lead:
    """How far a world model is ahead of the best of the methods without one.

    Attributes:
        part, model, rival: who is compared, in what.
        number: which number is compared.
        ahead: mean difference over pictures. low, high: its paired 95 % bootstrap over clips.
    """

    part: str
    model: str
    rival: str
    number: str
    ahead: float
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        """Return plain values under the names that the command line prints."""
        return {
            "part": self.part,
            "model": self.model,
            "best_baseline": self.rival,
            "number": self.number,
            "ahead": plain_number(self.ahead, 4),
            "low": plain_number(self.low, 4),
            "high": plain_number(self.high, 4),
        }


def leads_of(
    part: str,
    moments: Sequence[Moment],
    methods: Mapping[str, Values],
    rivals: Mapping[str, Values],
) -> list[Lead]:
    """Compare every method that is no rival with the best rival, in each of `COMPARED`."""
    return [
        lead_of(part, number, moments, method, values, rivals)
        for method, values in methods.items()
        if method not in rivals
        for number in COMPARED[part]
    ]


def lead_of(
    part: str,
    number: str,
    moments: Sequence[Moment],
    model: str,
    values: Values,
    rivals: Mapping[str, Values],
    seed: int = 0,
) -> Lead:
    """Compare one method with the best of its rivals, picture by picture."""
    keys, clips = [moment.key for moment in moments], [moment.clip for moment in moments]
    columns = {
        name: np.array([found[key][number] for key in keys]) for name, found in rivals.items()
    }
    rival = max(columns, key=lambda name: columns[name].mean())
    own = np.array([values[key][number] for key in keys])
    low, high = bootstrap_interval(own - columns[rival], np.random.default_rng(seed), clips)
    return Lead(part, model, rival, number, float((own - columns[rival]).mean()), low, high)


def draw_parts(rows: Sequence[MotionRow]) -> Any:
    """Lay rows out as `rich` tables that are Markdown too: for each part all numbers, then the
    leading one by source; the best method comes first.
    """
    from rich.console import Group

    tables = []
    for part, leading in LEADING.items():
        own = [row for row in rows if row.part == part]
        totals = sorted(
            (row for row in own if row.source == ALL), key=lambda row: -row.numbers[leading][0]
        )
        tables += [_overall(part, totals), _by_source(part, leading, own, totals)]
    return Group(*tables)


def draw_leads(leads: Sequence[Lead]) -> Any:
    """Lay out how far world models are ahead."""
    table = _table("ahead of the best method without a world model, 95 % paired")
    for name in ("part", "number", "best of the others", "ahead by"):
        table.add_column(name, no_wrap=True)
    for lead in leads:
        ahead = f"{lead.ahead:+.3f} ({span((lead.low, lead.high), '+.3f')})"
        table.add_row(lead.model, lead.part, lead.number, lead.rival, ahead)
    return table


def _overall(part: str, totals: Sequence[MotionRow]) -> Any:
    first = totals[0]
    table = _table(f"{part} ({first.num_images} pictures, {first.num_points} points)")
    for name in first.numbers:
        table.add_column(f"{name} (95 %)", justify="right", no_wrap=True)
    for row in totals:
        cells = (f"{value:.3f} ({span((low, high))})" for value, low, high in row.numbers.values())
        table.add_row(row.model, *cells)
    return table


def _by_source(
    part: str, leading: str, rows: Sequence[MotionRow], totals: Sequence[MotionRow]
) -> Any:
    table = _table(f"{part}: {leading} (95 %) by source (pictures, points)")
    found = {(row.model, row.source): row for row in rows}
    sources = [s for s in dict.fromkeys(row.source for row in rows) if s != ALL]
    for source in sources:
        row = found[totals[0].model, source]
        table.add_column(
            f"{source} ({row.num_images}, {row.num_points})", justify="right", no_wrap=True
        )
    for total in totals:
        numbers = (found[total.model, source].numbers[leading] for source in sources)
        cells = (f"{value:.3f} ({span((low, high))})" for value, low, high in numbers)
        table.add_row(total.model, *cells)
    return table


def _table(title: str) -> Any:
    from rich.box import MARKDOWN
    from rich.table import Table

    table = Table(title=title, box=MARKDOWN)
    table.add_column("method", no_wrap=True)
    return table
