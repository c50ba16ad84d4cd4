"""Parameters for the baselines, chosen on worlds of the training split.

Entry point: `tune`. The values in `baselines.TUNED` are its result; see there for the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from spelke.benchmarks.baselines import Baseline, BaselineSettings
from spelke.benchmarks.segment_metrics import score_image
from spelke.benchmarks.test_set import TestItem

GRID: dict[str, dict[str, tuple[float, ...]]] = {
    "disc": {"disc_radius": (20.0, 23.0, 26.0, 30.0, 35.0, 40.0)},
    "flood-fill": {"flood_tolerance": (8.0, 13.0, 16.0, 20.0, 25.0, 30.0, 40.0)},
    "felzenszwalb": {
        "felzenszwalb_scale": (400.0, 800.0, 1600.0, 3200.0),
        "felzenszwalb_sigma": (0.25, 0.5, 0.8),
    },
    "slic-merge": {
        "slic_regions": (100, 200, 400),
        "slic_tolerance": (6.0, 9.0, 12.0, 16.0, 21.0, 28.0),
    },
    "random-walker": {
        "walker_beta": (300.0, 1000.0, 3000.0),
        "walker_reach": (2.0, 3.0, 4.0, 6.0),
    },
    "grabcut": {"grabcut_radius": (0.35, 0.5, 0.75, 1.0), "grabcut_reach": (1.75, 2.5, 3.5, 5.0)},
}
"""For each baseline, the values of its own parameters that are tried, in all combinations."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One combination and its scores on the tuning set, means over pictures."""

    method: str
    values: dict[str, float]
    average_recall: float
    mean_iou: float


def tune(
    items: Sequence[TestItem], told: Callable[[Trial], None] | None = None
) -> tuple[BaselineSettings, list[Trial]]:
    """Choose for each baseline the combination of `GRID` with the best AR (then mIoU).

    The disc comes first: its radius, the mean object size, is what random walker and GrabCut
    measure their reach by.

    Args:
        items: pictures of the training split.
        told: each trial as it ends.

    Returns:
        The settings, and every trial.
    """
    settings = BaselineSettings()
    trials = []
    for method, grid in GRID.items():
        own = []
        for values in product(*grid.values()):
            chosen = dict(zip(grid, values, strict=True))
            trial = _try(method, chosen, replace(settings, **chosen), items)
            own.append(trial)
            if told:
                told(trial)
        best = max(own, key=lambda trial: (trial.average_recall, trial.mean_iou))
        settings = replace(settings, **best.values)
        trials += own
    return settings, trials


def _try(
    method: str, values: dict[str, float], settings: BaselineSettings, items: Sequence[TestItem]
) -> Trial:
    baseline = Baseline(method, settings)
    scores = [
        score_image(item.segments, baseline.segment_points(item.image, item.points), item.ignore)
        for item in items
    ]
    return Trial(
        method,
        values,
        float(np.mean([score.average_recall for score in scores])),
        float(np.mean([score.mean_iou for score in scores])),
    )
