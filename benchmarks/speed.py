"""How long does a point take? `python benchmarks/speed.py [--model NAME] [--photo FILE]`.

Prints, for one checkpoint on this machine's CPU (or `--device`): the time of the first point on a
new photo and of further points on the same photo; the tokens and FLOPs that they took, by the cost
model of `spelke.benchmarks.cost`; and the ratio to the naive path (the picture encoded again for
every poke, one poke at a time), measured in the same run and checked to give the same segments.
Times are medians; `--json` prints one object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from spelke.benchmarks.cost import (
    SPELKENET_1B,
    Cost,
    prefix_ask,
    prefix_look,
    published_cached_segment,
    published_segment,
)
from spelke.discovery.load import load
from spelke.discovery.observer import Observer
from spelke.models.prefix import PrefixWorld
from spelke.rollout.base import Ask, Sampling
from spelke.rollout.packs import BatchShape
from spelke.rollout.prefix import PrefixWorldModel

PHOTO = Path(__file__).parents[1] / "examples" / "photos" / "coffee.jpg"


@dataclass
class Meter:
    """What a network was asked to compute."""

    looks: int = 0
    questions: int = 0
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True)
class Timing:
    """One way to ask."""

    seconds: float
    looks: int
    questions: int
    tokens: int
    gflop: float


@contextmanager
def metered(network: PrefixWorld) -> Iterator[Meter]:
    """Count the looks and questions that a network answers inside of the block."""
    meter = Meter()
    look, ask = network.look, network.ask

    def counted_look(image):
        meter.looks += len(image)
        meter.cost += len(image) * prefix_look(network.config)
        return look(image)

    def counted_ask(view, conditions, patches):
        questions, pointers = patches.shape[0] * patches.shape[1], patches.shape[2]
        meter.questions += questions
        known = conditions.patches.shape[2]
        meter.cost += prefix_ask(network.config, known, pointers, questions)
        return ask(view, conditions, patches)

    with (
        mock.patch.object(network, "look", counted_look),
        mock.patch.object(network, "ask", counted_ask),
    ):
        yield meter


class NaiveModel:
    """A world model that keeps nothing: every poke alone, on a picture encoded anew."""

    def __init__(self, model: PrefixWorldModel) -> None:
        # The batch is not filled up: a naive path would not do that.
        self.model = PrefixWorldModel(model.network, model.choice, BatchShape(1, 1))
        self.size, self.patch_size = model.size, model.patch_size
        self.batching = "every question alone"

    def look(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Remember the images, no more."""
        return list(images)

    def _each(
        self, asks: Sequence[Ask], answer: Callable[[list[Ask]], torch.Tensor]
    ) -> torch.Tensor:
        return torch.cat(
            [answer([Ask(self.model.look(image[None])[0], query)]) for image, query in asks]
        )

    def motion_affordance(self, asks: Sequence[Ask]) -> torch.Tensor:
        """See `rollout.base.WorldModel`."""
        return self._each(asks, self.model.motion_affordance)

    def entropy(self, asks: Sequence[Ask]) -> torch.Tensor:
        """See `rollout.base.WorldModel`."""
        return self._each(asks, self.model.entropy)

    def expected_displacement(self, asks: Sequence[Ask]) -> torch.Tensor:
        """See `rollout.base.WorldModel`."""
        return self._each(asks, self.model.expected_displacement)

    def sample_flow(
        self, asks: Sequence[Ask], num_sequential: int, sampling: Sampling
    ) -> torch.Tensor:
        """See `rollout.base.WorldModel`."""
        return self._each(asks, lambda one: self.model.sample_flow(one, num_sequential, sampling))


def spread_points(image_size: tuple[int, int], count: int) -> list[tuple[float, float]]:
    """Points on a spiral around the middle of a picture, all inside, in pixels."""
    height, width = image_size
    turns = np.arange(count) * 2.4
    reach = 0.35 * np.sqrt((np.arange(count) + 0.5) / count)
    x, y = width * (0.5 + reach * np.cos(turns)), height * (0.5 + reach * np.sin(turns))
    return [(float(a), float(b)) for a, b in zip(x, y, strict=True)]


def measure(
    observer: Observer, photo: Any, points: Sequence[tuple[float, float]], repeat: int
) -> dict[str, Timing]:
    """Time the first point, further points and the naive path; the first run of each is warm-up.

    Raises:
        RuntimeError: the naive path found other segments, so the two cannot be compared.
    """
    network = observer.world_model.network  # type: ignore[attr-defined]
    naive = Observer(NaiveModel(observer.world_model), observer.settings)  # type: ignore[arg-type]

    def first() -> Any:
        return observer.look(photo).segment(points[0])

    scene = observer.look(photo)
    scene.segment(points[0])
    rest = iter(points[1:])
    result = {
        "first point on a new photo": _timed(network, first, repeat),
        "further point on the same photo": _timed(
            network, lambda: scene.segment(next(rest)), len(points) - 2
        ),
        "naive: first point": _timed(network, lambda: naive.look(photo).segment(points[0]), 1),
    }
    apart = np.mean(first().mask != naive.look(photo).segment(points[0]).mask)
    if apart > 0.001:  # rounding may move a border pixel
        raise RuntimeError(f"the naive path differs in {apart:.1%} of the pixels")
    return result


def _timed(network: PrefixWorld, work: Callable[[], Any], repeat: int) -> Timing:
    work()
    seconds = []
    for _ in range(repeat):
        with metered(network) as meter:
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
    return Timing(
        statistics.median(seconds),
        meter.looks,
        meter.questions,
        meter.cost.tokens,
        meter.cost.flops / 1e9,
    )


def report(timings: dict[str, Timing], title: str) -> str:
    """Lay the numbers out for people."""
    lines = [title, f"{'':34}{'seconds':>9}{'looks':>7}{'pokes':>7}{'tokens':>9}{'GFLOP':>9}"]
    lines += [
        f"{name:34}{one.seconds:9.3f}{one.looks:7}{one.questions:7}{one.tokens:9}{one.gflop:9.2f}"
        for name, one in timings.items()
    ]
    first, further, naive = timings.values()
    lines += [
        f"naive / first point: {naive.seconds / first.seconds:.1f} x the time, "
        f"{naive.gflop / first.gflop:.1f} x the FLOPs",
        f"naive / further point: {naive.seconds / further.seconds:.1f} x the time, "
        f"{naive.gflop / further.gflop:.1f} x the FLOPs",
    ]
    for name, cost in (
        ("reference", published_segment(SPELKENET_1B)),
        ("cached", published_cached_segment(SPELKENET_1B)),
    ):
        lines.append(
            f"for comparison, one segment by the published 1B network, {name}: "
            f"{cost.tokens:,} tokens, {cost.flops / 1e12:,.0f} TFLOP (computed)"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="spelke-small")
    parser.add_argument("--photo", type=Path, default=PHOTO)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    observer = load(options.model, options.device)
    points = spread_points(observer.look(options.photo).image_size, options.repeat + 2)
    timings = measure(observer, options.photo, points, options.repeat)
    if options.json:
        print(json.dumps({name: asdict(one) for name, one in timings.items()}))
        return
    choice = observer.world_model.choice  # type: ignore[attr-defined]
    title = f"{options.model} on {choice}, {torch.get_num_threads()} threads, {options.photo.name}"
    print(report(timings, title))


if __name__ == "__main__":
    main()
