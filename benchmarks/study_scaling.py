"""How loss and AR follow training FLOPs: fits, how far they may be trusted, and a picture.

Loss is fitted by a + b C^-c. For AR, which cannot pass 1, there are two: what is missing, 1 - AR,
falls as a power of the compute; or AR grows by the same amount with every doubling. Where the two
part, nobody knows. Rows that have not yet noticed the poke are drawn and not fitted. Intervals
come from fits to resampled pictures, or without one of the rows.
Entry points: `fit_power`, `predict_recall`, `predict`, `draw_scaling`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.study_report import Result, total_of
from jaxtyping import Float

from spelke.errors import InvalidInput
from spelke.runtime.files import atomic_write

RESAMPLES = 1000
AHEAD = (10.0, 100.0)
"""How many times the compute of the largest row is predicted for."""
FREE = 3
"""Numbers in a power law with a floor: through so many points it passes, whatever they are."""
NOTICED = 0.3
"""Held-out `follow` from which on a row uses the poke; before, no law of what comes after holds."""
EXPONENTS = np.linspace(0.02, 1.5, 297)


@dataclass(frozen=True, slots=True)
class Power:
    """loss = floor + scale * (FLOPs / reference) ** -exponent."""

    floor: float
    scale: float
    exponent: float
    reference: float

    def at(self, flops: float) -> float:
        """The loss that it says."""
        return self.floor + self.scale * (flops / self.reference) ** -self.exponent


def fit_power(flops: Sequence[float], losses: Sequence[float]) -> Power:
    """Least squares with a floor that is not negative; for each exponent the rest is linear.

    Raises:
        InvalidInput: fewer than three points.
    """
    if len(flops) < FREE:
        raise InvalidInput(f"a power law with a floor needs {FREE} points, got {len(flops)}")
    x, y = np.asarray(flops, float), np.asarray(losses, float)
    reference = float(np.exp(np.log(x).mean()))
    best: tuple[float, Power] | None = None
    for exponent in EXPONENTS:
        column = (x / reference) ** -exponent
        design = np.stack([np.ones_like(x), column], 1)
        (floor, scale), *_ = np.linalg.lstsq(design, y, rcond=None)
        if floor < 0:
            floor, scale = 0.0, float(column @ y / (column @ column))
        error = float(np.square(floor + scale * column - y).sum())
        if best is None or error < best[0]:
            best = error, Power(float(floor), float(scale), float(exponent), reference)
    assert best is not None
    return best[1]


def predict_recall(
    flops: Sequence[float], recalls: Sequence[float], at: float
) -> tuple[float, float]:
    """AR at `at` FLOPs if 1 - AR is a power of compute, and if AR is a line in its logarithm."""
    x = np.log(np.asarray(flops, float))
    y = np.asarray(recalls, float)
    missing = np.polyfit(x, np.log(1 - y), 1)
    line = np.polyfit(x, y, 1)
    there = np.log(at)
    return 1 - float(np.exp(np.polyval(missing, there))), float(np.polyval(line, there))


@dataclass(frozen=True, slots=True)
class Point:
    """One row of the study in the plane of compute and quality."""

    name: str
    flops: float
    loss: float
    recalls: Float[np.ndarray, " picture"]
    recall: float
    low: float
    high: float
    follow: float = 1.0


def fitted(points: Sequence[Point]) -> list[Point]:
    """Those that use the poke; none where they are all of one compute."""
    using = [point for point in points if point.follow >= NOTICED]
    return using if len({point.flops for point in using}) > 1 else []


def series_of(results: Mapping[str, Result]) -> dict[str, list[Point]]:
    """Rows that differ in compute, by the size of their pictures; in the order of compute.

    Loss is comparable within a series only: a code tells of 4x4 pixels, whatever they show.

    Raises:
        InvalidInput: there are none, or some answered other points than others.
    """
    series: dict[str, list[Point]] = {}
    sets: dict[str, set[str]] = {}
    for result in sorted(results.values(), key=lambda result: result["flops"]):
        row = result["row"]
        if row["part"] != "scaling":
            continue
        total, pictures = total_of(result), result["recall"]["pictures"]
        point = Point(
            name=row["name"],
            flops=result["flops"],
            loss=result["held_out"]["loss"],
            recalls=np.array([pictures[key][0] for key in sorted(pictures)]),
            recall=total["AR"],
            low=total["AR_low"],
            high=total["AR_high"],
            follow=result["held_out"].get("follow", 0.0),
        )
        title = f"{row['samples'].get('image_size', 128)} pixels"
        series.setdefault(title, []).append(point)
        sets.setdefault(title, set()).add(result["recall"]["set"])
    for title, asked in sets.items():
        if len(asked) > 1:
            raise InvalidInput(
                f"rows of {title} were asked about different sets of worlds "
                f"({', '.join(sorted(asked))}); remove the results of one set and run them again, "
                "what they have learned is kept"
            )
    if not series:
        raise InvalidInput("no row of the part scaling has a result; run some")
    return series


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a series says about more compute.

    Attributes:
        times: multiple of its largest compute.
        flops: the same.
        loss: of the power law; None with fewer than four points, which it would pass through.
        losses_without: the smallest and largest that the law says without one of the points.
        recalls: of the two laws, see `predict_recall`; each with its 95 % interval over pictures.
    """

    times: float
    flops: float
    loss: float | None
    losses_without: tuple[float, float] | None
    recalls: tuple[tuple[float, float, float], ...]


def predict(points: Sequence[Point], times: float) -> Prediction:
    """Extrapolate a series of at least two points."""
    flops = [point.flops for point in points]
    losses = [point.loss for point in points]
    at = times * max(flops)
    loss, without = None, None
    if len(points) > FREE:
        loss = fit_power(flops, losses).at(at)
        others = [fit_power(_drop(flops, n), _drop(losses, n)).at(at) for n in range(len(flops))]
        without = min(others), max(others)
    count, rng = len(points[0].recalls), np.random.default_rng(0)
    resampled = [
        predict_recall(flops, [point.recalls[draw].mean() for point in points], at)
        for draw in rng.integers(count, size=(RESAMPLES, count))
    ]
    recalls = predict_recall(flops, [point.recall for point in points], at)
    low, high = np.percentile(resampled, [2.5, 97.5], axis=0)
    laws = tuple((m, float(a), float(b)) for m, a, b in zip(recalls, low, high, strict=True))
    return Prediction(times, at, loss, without, laws)


def _drop(values: Sequence[float], number: int) -> list[float]:
    return [value for n, value in enumerate(values) if n != number]


def draw_scaling(results: Mapping[str, Result], path: Path) -> str:
    """Draw loss and AR against FLOPs with their fits; return what is predicted, as Markdown."""
    series = series_of(results)
    with atomic_write(path) as temporary:
        _plot(series).savefig(temporary, dpi=110)
    lines = [
        "| series | compute | FLOPs | loss (without one row) | AR if 1 − AR is a power (95 %) "
        "| AR if it is a line (95 %) |",
        "|---|---|---|---|---|---|",
    ]
    for title, every in series.items():
        points = fitted(every)
        for times in AHEAD if points else ():
            one = predict(points, times)
            loss = ""
            if one.loss is not None and one.losses_without is not None:
                loss = f"{one.loss:.2f} ({one.losses_without[0]:.2f}–{one.losses_without[1]:.2f})"
            recalls = [f"{mean:.2f} ({low:.2f}–{high:.2f})" for mean, low, high in one.recalls]
            cells = (title, f"{times:.0f} ×", f"{one.flops:.1e}", loss, *recalls)
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _plot(series: Mapping[str, Sequence[Point]]) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for number, (title, points) in enumerate(series.items()):
        color = f"C{number}"
        _draw_points(left, right, points, title, color)
        points = fitted(points)  # noqa: PLW2901
        if not points:
            continue
        flops = [point.flops for point in points]
        curve = np.geomspace(min(flops), AHEAD[-1] * max(flops), 200)
        known = curve <= max(flops)
        laws = [predict_recall(flops, [point.recall for point in points], at) for at in curve]
        shown = [(right, [law[0] for law in laws], "-"), (right, [law[1] for law in laws], "--")]
        if len(points) > FREE:
            power = fit_power(flops, [point.loss for point in points])
            shown.append((left, [power.at(at) for at in curve], "-"))
        for axes, values, style in shown:
            y = np.array(values)
            axes.plot(curve[known], y[known], style, color=color, linewidth=1.2)
            axes.plot(curve[~known], y[~known], style, color=color, linewidth=1.2, alpha=0.3)
    left.set_ylabel("held-out loss, nats; the line is a + b C$^{-c}$")
    right.set_ylabel("AR; solid: 1 − AR is a power of C, dashed: a line in log C")
    right.set_ylim(0, 1)
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_xlabel("training FLOPs C; pale beyond what was run; hollow: ignores the poke")
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right" if axes is right else "upper right")
    return figure


def _draw_points(left: Any, right: Any, points: Sequence[Point], title: str, color: str) -> None:
    x = [point.flops for point in points]
    recall = np.array([point.recall for point in points])
    error = [recall - [p.low for p in points], [p.high for p in points] - recall]
    left.plot(x, [point.loss for point in points], "o", color=color, label=title)
    right.errorbar(x, recall, error, fmt="o", color=color, capsize=3, label=title)
    for number, point in enumerate(points):
        if point.follow < NOTICED:
            left.plot(point.flops, point.loss, "o", color="white", markersize=4)
            right.plot(point.flops, point.recall, "o", color="white", markersize=4, zorder=3)
        for axes, value in ((left, point.loss), (right, point.recall)):
            axes.annotate(
                point.name, (point.flops, value), (6, 6 if number % 2 == 0 else -12),
                textcoords="offset points", fontsize=7, color=color,
            )  # fmt: skip
