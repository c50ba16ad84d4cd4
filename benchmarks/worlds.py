"""How fast are worlds made? `python -m benchmarks.worlds [--scenes 40] [--renderers gl raycast]`.

A pair is a picture before and a picture after a poke, with ids, depth, flow and visibility, encoded
as in a shard. Pairs per core-hour are counted by the process's own clock, so that others on the
machine disturb little. `two, wall` says how many times sooner two processes side by side have made
the same scenes than one alone: by the clock on the wall, as that is what one waits for, so it means
something only on an idle machine with two cores or more. The last table sets the numbers beside
those of a study of other ways (one core of a server without a GPU, 128 pixels): MuJoCo's OpenGL as
it was tried there, with anti-aliasing and steps of 2 ms where ours are of 4 ms, and Blender's
Cycles, by which Kubric renders, with 16 to 24 samples and denoising, of which only the pictures are
counted.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import torch

import spelke.worlds.generate as generate
import spelke.worlds.poking as poking
from spelke.data.world_records import encode
from spelke.worlds.generate import SceneOptions, make_scene
from spelke.worlds.raycast import CastRenderer
from spelke.worlds.render import Renderer
from spelke.worlds.renderers import RENDERERS

FAMILIES = ("primitives", "compounds", "stacks", "trays", "mixed")
STUDY = {"gl, 4 samples, 2 ms, K = 4": 66_000, "gl, 2 x 2, 2 ms, K = 4": 74_000}
_PATIENCE = 120.0
"""Seconds that one process waits for the others to be warm."""
CYCLES_FRAMES = 3_000
"""Frames for each core-hour in the study."""

STAGES: dict[str, tuple[tuple[Any, str], ...]] = {
    "build": tuple(
        (generate, name) for name in ("draw_layout", "draw_look", "write_mjcf", "compile_model")
    ),
    "settle": ((generate, "settle"),),
    "roll-outs": ((poking, "roll"),),
    "open": ((Renderer, "__init__"), (CastRenderer, "__init__")),
    "colour": ((Renderer, "colour"), (CastRenderer, "colour")),
    "ids, depth": ((Renderer, "parts_and_depth"), (CastRenderer, "parts_and_depth"),
                   (CastRenderer, "ids_and_depth")),
    "flow": ((poking, "move_pixels"), (poking, "visibility"), (poking, "flow_at")),
}  # fmt: skip


@dataclass
class Cost:
    """What some scenes took; seconds of the process, and of the wall."""

    pairs: int = 0
    process: float = 0.0
    wall: float = 0.0
    stages: Counter[str] = field(default_factory=Counter)

    @property
    def per_hour(self) -> float:
        """Pairs for each core-hour."""
        return 3600 * self.pairs / self.process


def watch(stages: Counter[str]) -> None:
    """From now on add the time of every stage to `stages`."""

    def timed(function: Callable, stage: str) -> Callable:
        @wraps(function)
        def run(*args, **kwargs):
            started = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                stages[stage] += time.process_time() - started

        return run

    for stage, places in STAGES.items():
        for owner, name in places:
            setattr(owner, name, timed(getattr(owner, name), stage))


def make(seeds: Sequence[int], options: SceneOptions, ready: Any = None) -> Cost:
    """Make and encode scenes in this process; another one, not counted, warms up.

    With a barrier, wait there until others are warm too.
    """
    torch.set_num_threads(1)
    stages: Counter[str] = Counter()
    make_scene(0, options)
    watch(stages)
    if ready is not None:
        ready.wait()
    cost = Cost(stages=stages)
    started, clock = time.monotonic(), time.process_time()
    for seed in seeds:
        scene = make_scene(seed, options)
        before = time.process_time()
        encode(scene, f"{seed:09d}")
        stages["writing"] += time.process_time() - before
        cost.pairs += len(scene.pokes)
    cost.process, cost.wall = time.process_time() - clock, time.monotonic() - started
    stages["other"] = cost.process - sum(stages.values())
    return cost


_ready: Any = None
"""Where the processes wait for each other; set in each."""


def _share(ready: Any) -> None:
    global _ready  # noqa: PLW0603
    _ready = ready


def _child(seeds: Sequence[int], options: SceneOptions) -> Cost:
    return make(seeds, options, _ready)


def shares(scenes: int, processes: int) -> list[range]:
    """The same scenes however many processes share them: seeds 1 to `scenes`, dealt in turn."""
    return [range(1 + first, 1 + scenes, processes) for first in range(processes)]


def measure(processes: int, scenes: int, options: SceneOptions) -> list[Cost]:
    """Some scenes, shared by fresh processes that start together."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(processes, timeout=_PATIENCE)
    with ProcessPoolExecutor(processes, context, initializer=_share, initargs=(ready,)) as pool:
        asked = [pool.submit(_child, share, options) for share in shares(scenes, processes)]
        return [one.result() for one in asked]


def scaling(alone: Cost, together: Sequence[Cost]) -> float:
    """How many times sooner some processes had made the scenes that one alone made.

    Not from processor time: each of two processes on one core still gets its own seconds of it.
    """
    assert alone.pairs == sum(cost.pairs for cost in together)
    return alone.wall / max(cost.wall for cost in together)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns in line; the first one to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [text.rjust(width) for text, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=40)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--pokes", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--renderers", nargs="+", choices=RENDERERS, default=list(RENDERERS))
    parser.add_argument("--families", nargs="+", default=list(FAMILIES))
    asked = parser.parse_args(argv)
    if asked.scenes < 2:
        parser.error(f"--scenes must be at least 2, one for each process, got {asked.scenes}")
    speed = [["", "pairs / core-hour", "ms / pair", "wall ms / pair", "two, wall"]]
    parts = [["ms / pair", *STAGES, "writing", "other"]]
    other = [["pairs / core-hour", "ours", "study", "ours / study"]]
    for renderer in asked.renderers:
        for pokes in asked.pokes:
            name = f"{renderer}, K = {pokes}"
            print(name, file=sys.stderr)
            options = SceneOptions(
                tuple(asked.families), size=asked.size, pokes=pokes, renderer=renderer
            )
            (alone,), both = (measure(n, asked.scenes, options) for n in (1, 2))
            speed.append([
                name, f"{alone.per_hour:,.0f}", f"{1e3 * alone.process / alone.pairs:.1f}",
                f"{1e3 * alone.wall / alone.pairs:.1f}", f"{scaling(alone, both):.2f}",
            ])  # fmt: skip
            parts.append([name, *(f"{1e3 * alone.stages[stage] / alone.pairs:.1f}"
                                  for stage in parts[0][1:])])  # fmt: skip
            cycles = {f"Cycles, K = {pokes}": CYCLES_FRAMES / (1 + 1 / pokes)}
            for way, theirs in {**(STUDY if pokes == 4 else {}), **cycles}.items():
                other.append([f"{name} : {way}", f"{alone.per_hour:,.0f}", f"{theirs:,.0f}",
                              f"{alone.per_hour / theirs:.2f}"])  # fmt: skip
    print(f"{asked.scenes} scenes of {asked.size} pixels, {os.cpu_count()} cores\n")
    print("\n\n".join(map(table, (speed, parts, other))))


if __name__ == "__main__":
    main()
