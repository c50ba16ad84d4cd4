"""How many pokes does stopping early save? `python benchmarks/settle.py [--repetitions 3]`.

Segments the points of held-out worlds of the training split (those of `spelke bench tune`) with all
planned pokes and with several values of `DiscoverySettings.settle`. Prints for each value: the mean
number of pokes of the final round; the mean overlap (intersection over union) with the segment of
all pokes, and the overlap that nine of ten segments reach; AR and mIoU against the truth.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from spelke.benchmarks.held_out import HeldOutSettings, make_test_set
from spelke.benchmarks.segment_metrics import score_image
from spelke.benchmarks.test_set import TestItem
from spelke.discovery.discover import overlap
from spelke.discovery.load import load
from spelke.discovery.observer import Observer
from spelke.types import Segment

VALUES = (0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class Row:
    """What one value of `settle` gives; None asks all pokes."""

    settle: float | None
    pokes: float
    overlap: float
    most_overlap: float
    average_recall: float
    mean_iou: float


def segment_all(observer: Observer, items: Sequence[TestItem]) -> list[list[Segment]]:
    """The segments of all points; every picture has a seed of its own, so that lengths vary."""
    return [
        list(observer.look(item.image).segments([(float(x), float(y)) for x, y in item.points], n))
        for n, item in enumerate(items)
    ]


def row_of(
    settle: float | None,
    items: Sequence[TestItem],
    found: Sequence[Sequence[Segment]],
    full: Sequence[Sequence[Segment]],
) -> Row:
    """Compare segments with those of all pokes and with the truth."""
    overlaps = [
        overlap(one.mask, other.mask) if one.area or other.area else 1.0
        for some, others in zip(found, full, strict=True)
        for one, other in zip(some, others, strict=True)
    ]
    scores = [
        score_image(item.segments, np.array([one.mask for one in some]), item.ignore)
        for item, some in zip(items, found, strict=True)
    ]
    return Row(
        settle,
        float(np.mean([len(one.pokes) for some in found for one in some])),
        float(np.mean(overlaps)),
        float(np.quantile(overlaps, 0.1)),
        float(np.mean([score.average_recall for score in scores])),
        float(np.mean([score.mean_iou for score in scores])),
    )


def measure(
    observer: Observer, items: Sequence[TestItem], values: Sequence[float] = VALUES
) -> list[Row]:
    """One row for all pokes and one for each value."""
    full = segment_all(observer, items)
    rows = [row_of(None, items, full, full)]
    for value in values:
        settings = replace(observer.settings, settle=value)
        found = segment_all(Observer(observer.world_model, settings), items)
        rows.append(row_of(value, items, found, full))
    return rows


def report(rows: Sequence[Row]) -> str:
    """A table for people."""
    lines = ["| settle | pokes | overlap with all pokes | nine of ten | AR | mIoU |"]
    lines.append("|---|---|---|---|---|---|")
    lines += [
        f"| {row.settle or 'all pokes'} | {row.pokes:.1f} | {row.overlap:.3f} | "
        f"{row.most_overlap:.3f} | {row.average_recall:.3f} | {row.mean_iou:.3f} |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="spelke-small")
    parser.add_argument("--points", type=int, default=250)
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    items = make_test_set(HeldOutSettings(num_points=options.points, split="train")).items
    observer = load(options.model, options.device)
    final = replace(observer.settings.final, num_seeds=options.repetitions)
    observer.settings = replace(observer.settings, final=final)
    print(report(measure(observer, items)))


if __name__ == "__main__":
    main()
