"""What `benchmarks.engine` measures: the cases, and one measurement of each kind.

Every function builds its own model, so that it can be called in a process of its own.
"""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from benchmarks.engine_report import Run, SegmentRun
from benchmarks.machine import Ceiling, MemoryGauge, measure_ceiling, timed
from benchmarks.naive import NaiveWorldModel
from benchmarks.random_model import SIZES, Setup, build, layout_of

from spelke.benchmarks.cost import Pass, engine_call, published_call, published_scene
from spelke.discovery.observer import Observer
from spelke.discovery.settings import PRESETS, DiscoverySettings
from spelke.errors import InvalidInput
from spelke.rollout.base import Ask, Glance, Query, Sampling
from spelke.rollout.budget import CPU_LANES
from spelke.tokens.patches import to_patches
from spelke.types import Poke

PHOTO = Path(__file__).parents[1] / "examples" / "photos" / "coffee.jpg"
CORNERS = 4


@dataclass(frozen=True)
class Case:
    """Questions of one kind that are asked in one call."""

    title: str
    questions: int
    pokes: int
    sequential: int | None = None
    """None: expected displacement; else sampled flow with so many patches one after another."""
    reads_picture: bool = False
    """The time to read the picture belongs to it."""

    def asks(self, glance: Glance, size: int) -> list[Ask]:
        """Pokes around the compass near the middle of a picture, all patches apart."""
        asks = []
        for number in range(self.questions):
            angle, length = math.tau * number / self.questions, size * (10 + number % 4 * 5) / 256
            push = (length * math.cos(angle), length * math.sin(angle))
            points = ((0.4 * size, 0.4 * size), (0.6 * size, 0.4 * size))[: self.pokes]
            pokes = tuple(Poke(point, push) for point in points)
            asks.append(Ask(glance, Query(pokes, seed=1000 + number)))
        return asks


def measure(setup: Setup, case: Case, path: str, repeat: int) -> Run:
    """Build the model and time one path; the naive one is asked the first question only."""
    model = build(setup)
    world = NaiveWorldModel(model) if path == "naive" else model
    if path == "naive":
        case = replace(case, questions=1)
    picture = torch.rand(1, 3, model.size, model.size, generator=torch.Generator().manual_seed(1))
    gauge = MemoryGauge(model.device)

    def answer(asks: list[Ask]) -> torch.Tensor:
        if case.sequential is None:
            return world.expected_displacement(asks)
        return world.sample_flow(asks, case.sequential, Sampling())

    if case.reads_picture or path == "naive":
        timing = timed(
            lambda: answer(case.asks(world.look(picture)[0], model.size)), model.device, repeat
        )
    else:
        asks = case.asks(world.look(picture)[0], model.size)
        world.expected_displacement(asks[:1])  # reads the picture
        timing = timed(lambda: answer(asks), model.device, repeat)
    return Run(
        case.title,
        path,
        case.sequential,
        case.questions,
        timing.seconds,
        timing.runs,
        gauge.before,
        gauge.peak(),
        passes_of(setup, case, path),
        timing.result[0].numpy(),
    )


def passes_of(setup: Setup, case: Case, path: str) -> list[Pass]:
    """What the network reads for a case."""
    layout, conditioned = layout_of(setup.size), CORNERS + case.pokes
    patches = layout.num_patches
    if path == "naive":
        return case.questions * published_call(conditioned, case.sequential or 0, patches)
    columns = len(layout.flow.codes)
    if case.sequential is None and setup.table is not None:
        columns = setup.table
    lanes = CPU_LANES if setup.device == "cpu" else None
    asked = engine_call(case.questions, conditioned, case.sequential, columns, patches, lanes)
    return published_scene(patches) + asked if case.reads_picture else asked


def greedy_regret(setup: Setup, case: Case) -> tuple[float, float]:
    """Does the engine choose what the naive network likes best, all tokens before being the same?

    Returns:
        the most by which a code misses the best logit, and the share of codes that miss none.
    """
    model = build(setup)
    picture = torch.rand(1, 3, model.size, model.size, generator=torch.Generator().manual_seed(1))
    asks = case.asks(model.look(picture)[0], model.size)
    decode, grids = model.decode_flow_codes, []

    def noted(codes: torch.Tensor) -> torch.Tensor:
        grids.append(codes)
        return decode(codes)

    with mock.patch.object(model, "decode_flow_codes", noted):
        model.sample_flow(asks, case.sequential or 0, Sampling(temperature=0.0))
    tokens = to_patches(grids[0][:1])[0] + model.layout.flow.codes.start
    naive = NaiveWorldModel(model)
    asked = Ask(naive.look(picture)[0], asks[0].query)
    missed = naive.regret(asked, tokens, case.sequential or 0)
    return float(missed.max()), float((missed == 0).float().mean())


class CountingModel:
    """A world model that notes how many pictures it is shown and questions it is asked."""

    def __init__(self, model: Any) -> None:
        self.model, self.size, self.patch_size = model, model.size, model.patch_size
        self.batching = model.batching
        self.counts = {"look": 0, "expected_displacement": 0, "sample_flow": 0}

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.model, name)
        if name not in self.counts:
            return method

        def counted(things: Sequence[Any], *arguments: Any, **named: Any) -> Any:
            self.counts[name] += len(things)
            return method(things, *arguments, **named)

        return counted


def measure_segment(setup: Setup, settings: DiscoverySettings) -> SegmentRun:
    """Time one segment of a photo that the model has not seen."""
    model = CountingModel(build(setup))
    gauge = MemoryGauge(model.model.device)
    observer = Observer(model, settings)
    timing = timed(
        lambda: observer.look(PHOTO).segment((290.0, 230.0)), model.model.device, repeat=0
    )
    return SegmentRun(*model.counts.values(), timing.seconds, gauge.before, gauge.peak())


def segment_settings(preset: str, sequential: int) -> DiscoverySettings:
    """A preset whose sampled flow has only so many patches drawn one after another.

    Raises:
        InvalidInput: the preset draws fewer, so the measured calls are not those of its segment.
    """
    settings = PRESETS[preset]()
    count = settings.final.num_sequential
    if count is None:
        return settings
    if sequential > count:
        raise InvalidInput(
            f"preset {preset!r} draws {count} patches one after another and {sequential} are to be "
            f"measured; give `--sequential {count}` or fewer"
        )
    return replace(settings, final=replace(settings.final, num_sequential=sequential))


def ceiling_of(setup: Setup) -> Ceiling:
    """See `measure_ceiling`."""
    torch.set_num_threads(setup.threads)
    config = SIZES[setup.size]
    return measure_ceiling(
        torch.device(setup.device), getattr(torch, setup.dtype), config.embed_dim, config.num_heads
    )


def isolated(work: Callable[..., Any], *arguments: Any) -> Any:
    """Do work in a fresh process, whose memory holds nothing else."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(work, *arguments).result()
