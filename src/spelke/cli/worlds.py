"""`spelke worlds make` and `spelke worlds show`: physical scenes with exact truth, made and looked at."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from spelke.errors import InvalidInput, SpelkeError
from spelke.worlds.generate import SceneOptions, make_scene
from spelke.worlds.layout import FAMILIES


@dataclass(frozen=True)
class Make:
    """Make scenes: WebDataset shards for training, or one HDF5 file for evaluation.

    Shards that are already there and whole are kept, so the same command resumes. Ctrl-C leaves whole
    shards only. The scenes depend on the seed and on nothing else, not on the number of workers.
    """

    out: tyro.conf.Positional[Path]
    """Folder for shards, or the .h5 file."""
    scenes: int = 1000
    """How many."""
    split: Literal["train", "test"] = "train"
    """test draws from textures, photographs and shapes that train never shows."""
    families: tuple[str, ...] = FAMILIES
    """Scene families to draw from."""
    workers: int = 2
    """Processes; one per core."""
    pokes: int = 8
    """Pokes for each scene."""
    size: int = 256
    """Side of the image, pixels."""
    seed: int = 0
    """Scene number i is drawn from seed + i."""
    format: Literal["webdataset", "hdf5"] = "webdataset"
    """webdataset: .tar shards. hdf5: one file."""
    groups: int = 0
    """Label Spelke groups by simulation with this many drag directions (8 for evaluation); 0: no labels."""
    after_frames: bool = True
    """Render what each poke leads to."""
    shard_size: int = 500
    """Scenes in one shard."""


def make(command: Make) -> int:
    """Run `spelke worlds make`."""
    if command.scenes < 1 or command.workers < 1 or command.shard_size < 1:
        raise InvalidInput("--scenes, --workers and --shard-size must be at least 1")
    if command.seed < 0:
        raise InvalidInput(f"--seed must not be negative, got {command.seed}")
    options = SceneOptions(
        families=command.families,
        split=command.split,
        size=command.size,
        pokes=command.pokes,
        after_frames=command.after_frames,
        groups=command.groups,
    )
    make_scene(command.seed, options)  # fails here, clearly, if this machine cannot render
    jobs = list(_jobs(command, options))
    started, before = time.monotonic(), 0
    todo = []
    for job in jobs:
        if job.finished():
            before += job.count
        else:
            todo.append(job)
    if before:
        print(f"{before} scenes are there already", file=sys.stderr)
    _run(todo, command.workers)
    if command.format == "hdf5":
        _join(jobs, command.out)
    made = command.scenes - before
    seconds = time.monotonic() - started
    print(
        f"{command.scenes} scenes in {command.out} "
        f"({made} made in {seconds:.0f} s, {made / max(seconds, 1e-9):.1f} scenes/s)",
        file=sys.stderr,
    )
    return 0


@dataclass(frozen=True)
class _Job:
    """One shard: scenes `first` to `first + count`."""

    path: Path
    first: int
    count: int
    options: SceneOptions

    def finished(self) -> bool:
        from spelke.data.worlds import count_shard

        return count_shard(self.path) == self.count

    def scenes(self) -> Iterator[tuple[str, object]]:
        for seed in range(self.first, self.first + self.count):
            yield f"{self.options.split}-{seed:09d}", make_scene(seed, self.options)


def _jobs(command: Make, options: SceneOptions) -> Iterator[_Job]:
    folder = command.out
    size = command.shard_size
    if command.format == "hdf5":
        folder = command.out.with_name(command.out.name + ".parts")
        size = min(size, max(1, -(-command.scenes // (4 * command.workers))))
    elif folder.suffix in (".h5", ".hdf5", ".tar") or folder.is_file():
        raise InvalidInput(f"{folder} must be a folder for shards; for one file: --format hdf5")
    for start in range(0, command.scenes, size):
        first = command.seed + start
        path = folder / f"{command.split}-{first:09d}.tar"
        yield _Job(path, first, min(size, command.scenes - start), options)


def _make_shard(job: _Job, ticks) -> int:
    from spelke.data.worlds import write_shard

    def ticking():
        for pair in job.scenes():
            yield pair
            ticks.put(1)

    return write_shard(job.path, ticking())


def _run(jobs: list[_Job], workers: int) -> None:
    """Make shards side by side, with a progress bar on stderr."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    if not jobs:
        return
    context = multiprocessing.get_context("spawn")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    total = sum(job.count for job in jobs)
    with (
        context.Manager() as manager,
        Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar,
    ):
        ticks = manager.Queue()
        task = bar.add_task("scenes", total=total)
        pool = ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context)
        try:
            waiting: set[Future[int]] = {pool.submit(_make_shard, job, ticks) for job in jobs}
            started, done = time.monotonic(), 0
            while waiting:
                finished, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                while not ticks.empty():
                    done += ticks.get()
                speed = done / (time.monotonic() - started)
                bar.update(task, completed=done, description=f"{speed:.1f} scenes/s")
                for future in finished:
                    future.result()
        except BaseException:
            for process in list((pool._processes or {}).values()):
                process.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()


def main(argv: list[str]) -> int:
    """Run `spelke worlds ...`.

    Returns:
        0; 2 for bad input or a missing library; 130 after Ctrl-C.
    """
    parsed = tyro.cli(Make, args=argv[1:], prog="spelke worlds make")
    try:
        return make(parsed)
    except KeyboardInterrupt:
        print("stopped; finished shards are whole", file=sys.stderr)
        return 130
    except SpelkeError as error:
        print(f"spelke worlds: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
