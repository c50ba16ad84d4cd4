"""Do other settings of discovery win? `python benchmarks/ideas.py [--only "second zoom" ...]`.

Asks a model about points of held-out worlds of the training split with the settings that it ships
with and with alternatives, all by public settings. Half A (even scene numbers) is to choose by,
half B (odd ones) to confirm; test worlds and real photographs are not touched. Prints for each: AR
and mIoU, the gain in AR over the shipped settings with the 95 % interval of the paired difference
over pictures, and the processor time of a point. `docs/ideas.md` tells what was tried, and how.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from spelke.benchmarks.bootstrap import bootstrap_interval, span
from spelke.benchmarks.held_out import HeldOutSettings, make_test_set
from spelke.benchmarks.segment_metrics import score_image
from spelke.benchmarks.test_set import TestItem
from spelke.discovery.load import load
from spelke.discovery.observer import Observer
from spelke.discovery.settings import DiscoverySettings
from spelke.rollout.base import WorldModel

Change = Callable[[DiscoverySettings], DiscoverySettings]

IDEAS: dict[str, Change] = {
    "sensitivity": lambda s: replace(s, evidence="sensitivity"),
    "correlation": lambda s: replace(s, evidence="correlation"),
    "dot and otsu": lambda s: replace(s, evidence="dot", threshold="otsu"),
    "cut 0.4": lambda s: replace(s, threshold_ratio=0.4),
    "cut 0.5": lambda s: replace(s, threshold_ratio=0.5),
    "cut at half the point's": lambda s: replace(s, threshold="relative"),
    "16 directions": lambda s: replace(s, final=replace(s.final, num_directions=16)),
    "twice as long pokes": lambda s: replace(
        s,
        final=replace(
            s.final, min_length=2 * s.final.min_length, max_length=2 * s.final.max_length
        ),
    ),
    "companion together": lambda s: replace(s, final=replace(s.final, companion="together")),
    "companion apart": lambda s: replace(s, final=replace(s.final, companion="apart")),
    "shifted and mirrored look": lambda s: replace(s, num_looks=2),
    "eight looks": lambda s: replace(s, num_looks=8),
    "no still corners": lambda s: replace(s, corner_pokes="none"),
    "second zoom": lambda s: replace(s, zoom_steps=2),
    "both levels": lambda s: replace(s, combine_levels=True),
    "less room in the zoom": lambda s: replace(s, zoom_padding=8 / 128),
    "unrefined": lambda s: replace(s, refine=None),
}


@dataclass(frozen=True)
class Row:
    """What settings give: AR and mIoU of each picture, and seconds for a point."""

    name: str
    scores: Float[np.ndarray, "picture 2"]
    seconds: float


def half_of(items: Sequence[TestItem], half: str) -> list[TestItem]:
    """The pictures with even ("A") or odd ("B") scene numbers."""
    return [item for item in items if int(item.key.rsplit("-", 1)[1]) % 2 == "AB".index(half)]


def measure(
    name: str, model: WorldModel, settings: DiscoverySettings, items: Sequence[TestItem]
) -> Row:
    """Ask about all points and score the pictures."""
    observer, start = Observer(model, settings), time.process_time()
    found = [
        observer.look(item.image).segments([(float(x), float(y)) for x, y in item.points])
        for item in items
    ]
    seconds = time.process_time() - start
    scores = [
        score_image(item.segments, np.array([one.mask for one in some]), item.ignore)
        for item, some in zip(items, found, strict=True)
    ]
    points = sum(len(item.points) for item in items)
    pairs = [(score.average_recall, score.mean_iou) for score in scores]
    return Row(name, np.array(pairs), seconds / points)


def line(row: Row, base: Row) -> str:
    """One line of the table; `base` is what the row is compared with."""
    recall, overlap = row.scores.mean(0)
    gain = row.scores[:, 0] - base.scores[:, 0]
    interval = span(bootstrap_interval(gain, np.random.default_rng(0)), "+.3f")
    return (
        f"| {row.name} | {recall:.3f} / {overlap:.3f} | {gain.mean():+.3f} "
        f"({interval}) | {row.seconds * 1000:.0f} |"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="spelke-small")
    parser.add_argument("--points", type=int, default=480, help="of both halves together")
    parser.add_argument("--half", choices=("A", "B"), default="A")
    parser.add_argument("--only", nargs="*", choices=tuple(IDEAS), default=tuple(IDEAS))
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    made = make_test_set(HeldOutSettings(num_points=options.points, split="train")).items
    items = half_of(made, options.half)
    observer = load(options.model, options.device)
    base = measure("as shipped", observer.world_model, observer.settings, items)
    print("| settings | AR / mIoU | gain in AR | ms |\n|---|---|---|---|")
    print(line(base, base), flush=True)
    for name in options.only:
        settings = IDEAS[name](observer.settings)
        if settings == observer.settings:
            continue  # this is how the model ships
        print(line(measure(name, observer.world_model, settings, items), base), flush=True)


if __name__ == "__main__":
    main()
