"""Tables of what `benchmarks.engine` measured: times, ratios, and where the time goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from benchmarks.machine import Ceiling

from spelke.benchmarks.cost import NetworkSize, Pass, cost_of, least_seconds


@dataclass(frozen=True)
class Run:
    """What one path took for one case; `answer` is the flow that it gave to the first question.

    Seconds, tokens and FLOPs are those of all `calls`; bytes are None where they cannot be read.
    """

    title: str
    path: str
    sequential: int | None
    calls: int
    seconds: float
    runs: int
    bytes_before: int | None
    bytes_peak: int | None
    passes: Sequence[Pass]
    answer: np.ndarray

    @property
    def bytes_worked(self) -> int | None:
        """What was taken on top of the loaded weights."""
        if self.bytes_peak is None or self.bytes_before is None:
            return None
        return self.bytes_peak - self.bytes_before


@dataclass(frozen=True)
class SegmentRun:
    """One segment of a photo by the engine: what was asked, and what it took."""

    looks: int
    expected: int
    sampled: int
    seconds: float
    bytes_before: int | None
    bytes_peak: int | None


@dataclass(frozen=True)
class Machine:
    """The network, and the ceilings of the device that it ran on."""

    network: NetworkSize
    ceiling: Ceiling
    itemsize: int

    def least(self, passes: Sequence[Pass]) -> float:
        """Seconds below which these passes cannot be made here."""
        ceiling = self.ceiling
        return least_seconds(
            self.network, passes, ceiling.products, ceiling.bandwidth, self.itemsize
        )

    def parts(self, passes: Sequence[Pass]) -> dict[str, float]:
        """Seconds that arithmetic takes at the measured rates, by kind."""
        network, ceiling = self.network, self.ceiling
        pairs = sum(one.sequences * one.pairs for one in passes) * network.flops_per_pair
        head = sum(
            one.sequences * one.logit_rows * network.flops_per_logit_row(one.vocabulary)
            for one in passes
        )
        blocks = cost_of(network, passes).flops - pairs - head
        return {
            "blocks": blocks / ceiling.products,
            "attention": pairs / ceiling.attention,
            "head": head / ceiling.head,
        }


def record(run: Run, machine: Machine) -> dict[str, Any]:
    """A run as numbers, for one call."""
    cost = cost_of(machine.network, run.passes)
    return {
        "case": run.title,
        "path": run.path,
        "calls": run.calls,
        "runs": run.runs,
        "seconds_per_call": run.seconds / run.calls,
        "tokens_per_call": cost.tokens / run.calls,
        "flops_per_call": cost.flops / run.calls,
        "tokens_per_second": cost.tokens / run.seconds,
        "ceiling_share": machine.least(run.passes) / run.seconds,
        "bytes_before": run.bytes_before,
        "bytes_peak": run.bytes_peak,
        "bytes_worked": run.bytes_worked,
        "least_seconds_per_call": machine.least(run.passes) / run.calls,
        **{
            f"{kind}_seconds_per_call": seconds / run.calls
            for kind, seconds in machine.parts(run.passes).items()
        },
    }


def ratio(naive: Run, engine: Run, machine: Machine) -> dict[str, float | None]:
    """By how much the engine is better, for one call and, where it says so, for the whole run."""
    slow, fast = record(naive, machine), record(engine, machine)
    return {
        "time": slow["seconds_per_call"] / fast["seconds_per_call"],
        "flops": slow["flops_per_call"] / fast["flops_per_call"],
        "memory": _divided(naive.bytes_worked, engine.bytes_worked),
        "memory_with_weights": _divided(naive.bytes_peak, engine.bytes_peak),
    }


def segment_record(segment: SegmentRun, zoom: Run, final: Run) -> dict[str, Any]:
    """A segment beside as many naive calls; `zoom` and `final` are naive runs.

    The naive path is not run for a whole segment: it keeps nothing, so calls only add up.
    """
    naive = segment.expected * zoom.seconds / zoom.calls
    naive += segment.sampled * final.seconds / final.calls
    peak = max(zoom.bytes_peak or 0, final.bytes_peak or 0)
    return {
        **asdict(segment),
        "naive_seconds": naive,
        "time": naive / segment.seconds,
        "memory_with_weights": _divided(peak, segment.bytes_peak),
    }


def table(runs: Sequence[Run], machine: Machine) -> str:
    """One line for each run."""
    title = (
        f"{'for one call':40}{'path':>8}{'seconds':>10}{'tokens':>9}{'TFLOP':>9}"
        f"{'tokens/s':>10}{'ceiling':>9}{'GB':>7}{'GB all':>8}"
    )
    lines = [title]
    for run in runs:
        row = record(run, machine)
        lines.append(
            f"{run.title:40}{run.path:>8}{row['seconds_per_call']:10.3f}"
            f"{row['tokens_per_call']:9,.0f}{row['flops_per_call'] / 1e12:9.3f}"
            f"{row['tokens_per_second']:10,.0f}{row['ceiling_share']:9.0%}"
            f"{_gigabytes(run.bytes_worked):>7}{_gigabytes(run.bytes_peak):>8}"
        )
    return "\n".join(lines)


def ratio_line(naive: Run, engine: Run, machine: Machine) -> str:
    """The comparison in words."""
    ratios = ratio(naive, engine, machine)
    text = f"{engine.title}: {ratios['time']:.1f} x the speed, 1/{ratios['flops']:.1f} of the FLOPs"
    if ratios["memory"] is not None and ratios["memory_with_weights"] is not None:
        text += (
            f", 1/{ratios['memory']:.1f} of the working memory "
            f"(1/{ratios['memory_with_weights']:.1f} with the weights)"
        )
    return text


def distance_line(run: Run, machine: Machine) -> str:
    """Where the time of a run goes."""
    row = record(run, machine)
    kinds = ("blocks", "attention", "head")
    parts = {kind: row[f"{kind}_seconds_per_call"] for kind in kinds}
    least, seconds = row["least_seconds_per_call"], row["seconds_per_call"]
    told = ", ".join(f"{kind} {value:.3g}" for kind, value in parts.items())
    return (
        f"{run.title}: {seconds:.3g} s a call, {seconds / least:.1f} x the least ({least:.3g} s); "
        f"at the measured rates {told} s, all else {seconds - sum(parts.values()):.3g} s"
    )


def segment_line(row: dict[str, Any]) -> str:
    """A segment in words."""
    return (
        f"one segment, {row['looks']} views, {row['expected']} + {row['sampled']} calls: "
        f"{row['seconds']:.1f} s; as many naive calls {row['naive_seconds']:.0f} s (computed from "
        f"the calls above), {row['time']:.1f} x"
    )


def _divided(slow: int | None, fast: int | None) -> float | None:
    return slow / max(fast, 1) if slow is not None and fast is not None else None


def _gigabytes(value: int | None) -> str:
    return "-" if value is None else f"{value / 1e9:.2f}"
