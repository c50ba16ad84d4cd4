"""Making shards of worlds by workers, here or on a Ray cluster, with a progress bar.

Entry point: `make_shards`.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from spelke.cli.cluster import ClusterOptions
from spelke.data.shard_jobs import ShardJob
from spelke.errors import InvalidInput, MissingExtra, Unavailable
from spelke.runtime.files import write_bytes
from spelke.runtime.pools import Here, Lost, Pool
from spelke.runtime.process_pool import ProcessPool, local_places
from spelke.runtime.ray_pool import RayPool
from spelke.worlds.generate import make_scene

if TYPE_CHECKING:
    from rich.console import Console


def make_shards(jobs: list[ShardJob], workers: int, cluster: ClusterOptions) -> int:
    """Make shards side by side; one that fails is named, and the others are made.

    Args:
        jobs: what is to be made.
        workers: how many processes; one of this machine is this process.
        cluster: where.

    Returns:
        How many failed.

    Raises:
        SpelkeError: nothing can be rendered, or written, there.
    """
    made = multiprocessing.get_context("spawn").Value("q", 0)
    failed = 0
    with _progress(sum(job.count for job in jobs), made) as console:

        def say(text: str) -> None:
            console.print(text, markup=False, highlight=False, soft_wrap=True)

        with _pool(jobs, workers, cluster, made, say) as pool:
            for job, found in pool.map(jobs):
                if isinstance(found, bytes):
                    write_bytes(job.path, found)
                    _add(made, job.count)
                elif found:
                    failed += 1
                    reason = found.reason if isinstance(found, Lost) else found
                    say(f"{job.path} could not be made: {reason}")
    return failed


def _pool(
    jobs: list[ShardJob],
    workers: int,
    cluster: ClusterOptions,
    made: Any,
    say: Callable[[str], None],
) -> Pool:
    if cluster.engine == "ray":
        return RayPool(partial(make_sender, jobs[0]), cluster.ray_options(workers), say)
    make_scene(jobs[0].first, jobs[0].options)  # fails here if this machine cannot render
    workers = min(workers, len(jobs))
    if workers == 1:
        return Here(lambda: (partial(_write, made), None))
    return ProcessPool(lambda _: partial(make_writer, made), local_places(workers))


def make_writer(made: Any) -> tuple[Callable[[ShardJob], str], None]:
    """What makes and writes shards in a process of this machine; `made` counts scenes."""
    # An ordinary exit, so that the half-written shard is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    return partial(_write, made), None


def make_sender(first: ShardJob) -> tuple[Callable[[ShardJob], bytes | str], None]:
    """What makes shards on a cluster and sends them back, so that no disk need be shared.

    Raises:
        SpelkeError: the node cannot render.
    """
    make_scene(first.first, first.options)
    return partial(_named, ShardJob.encoded), None


def _write(made: Any, job: ShardJob) -> str:
    return _named(lambda one: one.make(lambda: _add(made, 1)), job) or ""


def _named(work: Callable[[ShardJob], Any], job: ShardJob) -> Any:
    """Do the work, or say why it cannot be done for this shard."""
    try:
        return work(job)
    except (Unavailable, MissingExtra, InvalidInput, MemoryError):
        raise  # it would be the same with every shard
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _add(made: Any, count: int) -> None:
    with made.get_lock():
        made.value += count


@contextmanager
def _progress(total: int, made: Any) -> Iterator[Console]:
    """A bar on standard error that shows how many scenes are made, by whoever."""
    from rich.console import Console
    from rich.progress import Progress

    done = threading.Event()
    with Progress(console=Console(stderr=True)) as bar:
        task, started = bar.add_task("scenes", total=total), time.monotonic()

        def show() -> None:
            speed = made.value / max(time.monotonic() - started, 1e-9)
            bar.update(task, completed=made.value, description=f"{speed:.1f} scenes/s")

        def watch() -> None:
            while not done.wait(0.5):
                show()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield bar.console
            show()
        finally:
            done.set()
            watcher.join()
