"""How fast is the engine? `python -m benchmarks.engine [--size tiny|wide|1b|7b] [--device cuda]`.

Compares, in one run and at equal output, the published world model with the naive path of the same
random weights (`benchmarks.naive`): a zoom-stage call (four still corners and one poke, expected
displacement), a final-stage call (two pokes, patches drawn one after another, sampled flow) and one
whole segment of a discovery preset. Every measurement has a process of its own, in which memory is
read from after the weights are loaded; ceilings are those of the same machine in the same run. The
naive path is measured on one call and multiplied. Answers that differ in float32 are an error, and
nothing is printed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from benchmarks.engine_cases import (
    Case,
    ceiling_of,
    greedy_regret,
    isolated,
    measure,
    measure_segment,
    segment_settings,
)
from benchmarks.engine_report import (
    Machine,
    Run,
    distance_line,
    ratio,
    ratio_line,
    record,
    segment_line,
    segment_record,
    table,
)
from benchmarks.random_model import SIZES, Setup, layout_of, num_parameters

from spelke.benchmarks.cost import NetworkSize, scene_tokens
from spelke.discovery.settings import PRESETS
from spelke.errors import SpelkeError, Unavailable
from spelke.runtime.device import choose_device, free_bytes

FIELD_TOLERANCE, LOGIT_TOLERANCE = 1e-4, 1e-3
"""How far answers in float32 may be apart: pixels of expected flow, and logits by which a greedily
chosen code may miss the best one."""
SPREAD = 1.1
"""Of the memory that is reckoned, for what is not."""
PATHS = ("naive", "engine")
CHECKED_PATCHES = 4
"""Drawn one after another where greedy choices are checked."""


def cases_of(sequential: int, batches: Sequence[int]) -> list[Case]:
    """A zoom stage on a new and on a known picture, and final stages of several sizes."""
    return [
        Case("zoom stage, 5 pokes, new picture", 5, pokes=1, reads_picture=True),
        Case("zoom stage, 5 pokes, known picture", 5, pokes=1),
        *(
            Case(f"final stage, {count} pokes, {sequential} drawn", count, 2, sequential)
            for count in batches
        ),
    ]


def compare(
    setup: Setup, cases: Sequence[Case], repeat: int, run: Callable[..., Any] = isolated
) -> list[tuple[Run, Run]]:
    """The naive path and the engine for each case; cases with equal questions share the former.

    Raises:
        RuntimeError: in float32 the answers differ, so no ratio means anything.
    """
    exact = replace(setup, dtype="float32")
    check_choices(run(greedy_regret, exact, Case("", 2, 2, CHECKED_PATCHES))[0])
    naive: dict[tuple[int, int | None], Run] = {}
    pairs = []
    for case in cases:
        key = case.pokes, case.sequential
        if key not in naive:
            naive[key] = run(measure, setup, case, "naive", repeat)
            if case.sequential is None and exact != setup:
                check_answers(*(run(measure, exact, case, path, 0) for path in PATHS))
        pairs.append((naive[key], run(measure, setup, case, "engine", repeat)))
        if case.sequential is None and exact == setup:
            check_answers(*pairs[-1])
    return pairs


def check_memory(setup: Setup) -> None:
    """Refuse what would not fit, before anything is loaded.

    Raises:
        Unavailable: with the memory that is needed and the memory that is free.
    """
    setup = replace(setup, dtype="float32")  # in which answers are compared, at least once
    config, layout = SIZES[setup.size], layout_of(setup.size)
    itemsize = getattr(torch, setup.dtype).itemsize
    # All logits exist twice when they are stacked; then the reading of one call.
    logits = 2 * 4 * layout.num_patches * config.vocab_size
    reading = 2 * config.depth * config.embed_dim * scene_tokens(2 * layout.num_patches)
    needed = int(SPREAD * itemsize * (num_parameters(config) + logits + reading))
    free = free_bytes(torch.device(setup.device))
    if free is not None and needed > free:
        raise Unavailable(
            f"size {setup.size!r} in {setup.dtype} needs about {needed / 1e9:.0f} GB on "
            f"{setup.device} for the naive path ({num_parameters(config) / 1e9:.1f} G weights, "
            f"{itemsize * logits / 1e9:.1f} GB of logits) and {free / 1e9:.0f} GB are free; take "
            "--size wide or tiny, or a machine with more memory"
        )


def check_answers(naive: Run, engine: Run) -> float:
    """How far the two are apart, in pixels.

    Raises:
        RuntimeError: more than rounding explains, so no ratio of the two means anything.
    """
    apart = float(np.abs(naive.answer - engine.answer).max())
    if not apart <= FIELD_TOLERANCE:
        raise RuntimeError(
            f"{engine.title}: the paths answer {apart:.2g} pixels apart, allowed are "
            f"{FIELD_TOLERANCE:g}; no ratio of them means anything"
        )
    return apart


def check_choices(regret: float) -> None:
    """See `greedy_regret`.

    Raises:
        RuntimeError: the engine chose a code that the naive network likes less than another.
    """
    if not regret <= LOGIT_TOLERANCE:
        raise RuntimeError(
            f"a code of the engine misses the naive path's best logit by {regret:.2g}, allowed "
            f"are {LOGIT_TOLERANCE:g}; no ratio of them means anything"
        )


def as_text(
    setup: Setup, machine: Machine, pairs: Sequence[tuple[Run, Run]], segment: dict[str, Any] | None
) -> str:
    """Everything, for people."""
    config, ceiling = SIZES[setup.size], machine.ceiling
    naive = list({id(slow): slow for slow, _ in pairs}.values())
    lines = [
        f"{setup.size}: {config.depth} layers x {config.embed_dim}, random weights, {setup.dtype}, "
        f"{_name(torch.device(setup.device))}, {setup.threads} thread(s)",
        f"measured here: products {ceiling.products / 1e9:,.0f} GFLOP/s, of the head "
        f"{ceiling.head / 1e9:,.0f}, attention {ceiling.attention / 1e9:,.0f}; copy "
        f"{ceiling.bandwidth / 1e9:,.0f} GB/s",
        table([*naive, *(fast for _, fast in pairs)], machine),
        *(ratio_line(slow, fast, machine) for slow, fast in pairs),
        *(distance_line(fast, machine) for _, fast in pairs),
    ]
    return "\n".join(lines if segment is None else [*lines, segment_line(segment)])


def as_json(
    setup: Setup, machine: Machine, pairs: Sequence[tuple[Run, Run]], segment: dict[str, Any] | None
) -> str:
    """Everything, for programs."""
    return json.dumps(
        {
            "setup": asdict(setup),
            "ceiling": asdict(machine.ceiling),
            "cases": [
                {
                    "naive": record(slow, machine),
                    "engine": record(fast, machine),
                    "ratio": ratio(slow, fast, machine),
                }
                for slow, fast in pairs
            ],
            "segment": segment,
        }
    )


def _told(work: Callable[..., Any], *arguments: Any) -> Any:
    """`isolated`, and a line about it: a large naive path takes minutes."""
    start = time.perf_counter()
    result = isolated(work, *arguments)
    what = f"{result.title}, {result.path}" if isinstance(result, Run) else work.__name__
    print(f"{time.perf_counter() - start:6.0f} s for {what}", file=sys.stderr, flush=True)
    return result


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=list(SIZES), default="tiny")
    parser.add_argument("--device", help="the best that is here if not given")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="float32 on a CPU")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    parser.add_argument("--sequential", type=int, default=16, help="patches drawn one by one")
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 24], help="of final stages")
    parser.add_argument("--table", type=int, help="entries of the flow table; every code if absent")
    parser.add_argument("--full-quantizers", action="store_true", help="of the published width")
    parser.add_argument("--preset", choices=list(PRESETS), help="measure a whole segment too")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = _options()
    device = choose_device(options.device).device
    setup = Setup(
        size=options.size,
        device=str(device),
        dtype=options.dtype or ("bfloat16" if device.type == "cuda" else "float32"),
        threads=options.threads,
        quantizer_width=512 if options.full_quantizers else 32,
        table=options.table,
    )
    check_memory(setup)
    preset, sequential = options.preset, options.sequential
    settings = None if preset is None else segment_settings(preset, sequential)
    config = SIZES[setup.size]
    machine = Machine(
        NetworkSize(config.embed_dim, config.depth, config.vocab_size),
        _told(ceiling_of, setup),
        getattr(torch, setup.dtype).itemsize,
    )
    pairs = compare(setup, cases_of(sequential, options.batches), options.repeat, _told)
    segment = None
    if settings is not None:
        took = _told(measure_segment, setup, settings)
        segment = segment_record(took, pairs[0][0], pairs[-1][0])
    show = as_json if options.json else as_text
    print(show(setup, machine, pairs, segment))


if __name__ == "__main__":
    try:
        main()
    except SpelkeError as error:
        raise SystemExit(str(error)) from error
