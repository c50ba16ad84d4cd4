"""Jobs on processes of this machine, each with what it loaded in its own memory.

A process that a job takes down (a crash, `os._exit`, no answer in time) costs that job; a new
process takes its place. Entry points: `ProcessPool`, `Place`, `local_places`, `gpu_places`.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from spelke.errors import InvalidInput, SpelkeError, Unavailable
from spelke.runtime.pools import Lost, Make

MAX_LOST = 10
"""Processes in a row that may die without an answer before all is given up."""

_PATIENCE = 60
"""Seconds that a process may take to end, on a busy machine, before it is killed."""
_FOR_EVER = float("inf")


@dataclass(frozen=True, slots=True)
class Place:
    """Where one worker runs.

    Attributes:
        title: for people: "worker 0", "GPU 2".
        device: for the model; None leaves it to the model.
        environment: set in the process before anything is imported.
    """

    title: str
    device: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def local_places(count: int, device: str | None = None) -> list[Place]:
    """Return places for so many workers on one device; several share the cores of a machine."""
    threads = {"OMP_NUM_THREADS": "1"} if count > 1 else {}
    return [Place(f"worker {index}", device, threads) for index in range(count)]


def gpu_places(gpus: Sequence[int]) -> list[Place]:
    """One place for each GPU; its process sees no other, whatever the model asks for.

    Where `CUDA_VISIBLE_DEVICES` is set, numbers count the GPUs that it names.

    Raises:
        InvalidInput: a number is negative, there twice, or more than are visible.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    visible = named.split(",") if named else None
    if len(set(gpus)) < len(gpus) or min(gpus, default=0) < 0:
        raise InvalidInput(f"GPUs are different numbers from 0, got {list(gpus)}")
    if visible is not None and max(gpus, default=0) >= len(visible):
        raise InvalidInput(
            f"GPU {max(gpus)} was asked for, but CUDA_VISIBLE_DEVICES={named} names {len(visible)}"
        )
    return [
        Place(
            f"GPU {gpu}", "cuda:0", {"CUDA_VISIBLE_DEVICES": visible[gpu] if visible else f"{gpu}"}
        )
        for gpu in gpus
    ]


@dataclass(slots=True, eq=False)
class _Worker:
    """One process and what it is busy with."""

    place: Place
    process: Any
    pipe: Connection
    is_ready: bool = False
    is_busy: bool = False
    job: Any = None
    seconds: float = _FOR_EVER
    deadline: float = _FOR_EVER


class ProcessPool:
    """One process for each place; see `Pool`.

    Args:
        make_for: a place to what its worker calls first; both must be picklable.
        places: where.
        seconds: how long a job may take.
        check: told a worker's title and greeting and the first greeting; may raise.

    Attributes:
        exit_codes: title of a place to the exit codes of its processes, in their order; a
            negative one is the signal that ended it.
    """

    def __init__(
        self,
        make_for: Callable[[Place], Make],
        places: Sequence[Place],
        seconds: Callable[[Any], float] = lambda _: _FOR_EVER,
        check: Callable[[str, Any, Any], None] = lambda *_: None,
    ):
        self.make_for, self.places, self.seconds, self.check = make_for, places, seconds, check
        self.exit_codes: dict[str, list[int]] = {place.title: [] for place in places}
        self._workers: list[_Worker] = []
        self._greetings: list[Any] = []
        self._lost_in_a_row = 0

    def __enter__(self) -> ProcessPool:
        self._workers = [self._start(place) for place in self.places]
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for worker in self._workers:
            worker.pipe.close()  # a worker that waits for work ends well
            if kind is not None or worker.is_busy or not worker.is_ready:
                worker.process.terminate()
        for worker in self._workers:
            self._end(worker)
        self._workers = []

    def greeting(self) -> Any:
        """See `Pool`."""
        while not self._greetings:
            for worker in self._wait():
                self._receive(worker)
        return self._greetings[0]

    def map(self, jobs: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """See `Pool`.

        Raises:
            Unavailable: `MAX_LOST` processes in a row died (besides what `greeting` raises).
        """
        left, is_empty = iter(jobs), False
        while True:
            for worker in self._workers:
                if worker.is_ready and not worker.is_busy and not is_empty:
                    try:
                        self._give(worker, next(left))
                    except StopIteration:
                        is_empty = True
            if is_empty and not any(worker.is_busy for worker in self._workers):
                return
            for worker in self._wait():
                yield from self._receive(worker)

    def _give(self, worker: _Worker, job: Any) -> None:
        worker.job, worker.is_busy, worker.seconds = job, True, self.seconds(job)
        worker.deadline = time.monotonic() + worker.seconds
        with suppress(OSError):  # it has died meanwhile, which `_wait` will tell
            worker.pipe.send(job)

    def _wait(self) -> list[_Worker]:
        """Workers that have said something, died, or taken too long."""
        first = min(worker.deadline for worker in self._workers)
        seconds = None if first == _FOR_EVER else max(0.0, first - time.monotonic())
        heard = wait(
            [part for w in self._workers for part in (w.pipe, w.process.sentinel)], seconds
        )
        now = time.monotonic()
        return [
            w
            for w in self._workers
            if w.pipe in heard or w.process.sentinel in heard or w.deadline <= now
        ]

    def _receive(self, worker: _Worker) -> list[tuple[Any, Any]]:
        """Hear what a worker says; its job with the result is returned, if it has one."""
        says = worker.pipe.poll()
        late = not says and worker.deadline <= time.monotonic()
        try:
            message = worker.pipe.recv() if says else None
        except (EOFError, OSError):
            message = None
        if isinstance(message, Exception):
            raise message
        if message is None:
            return self._replace(worker, late)
        found, is_spent = message
        if not worker.is_ready:
            worker.is_ready = True
            self._greetings.append(found)
            self.check(worker.place.title, found, self._greetings[0])
            return []
        job, worker.job = worker.job, None
        worker.is_busy, worker.deadline, self._lost_in_a_row = False, _FOR_EVER, 0
        worker.is_ready = not is_spent  # it ends by itself; its end is heard next
        return [(job, found)]

    def _replace(self, worker: _Worker, late: bool) -> list[tuple[Any, Any]]:
        """Put a new process in the place of one that is gone; the job that it took is returned."""
        if late:
            worker.process.kill()
        end = name_of_exit(self._end(worker))
        how = f"no answer in {worker.seconds:g} s" if late else f"the process died ({end})"
        self._lost_in_a_row += worker.is_busy
        if self._lost_in_a_row >= MAX_LOST or (not worker.is_busy and not self._greetings):
            raise Unavailable(
                f"{worker.place.title}: {how} while it "
                f"{'answered' if worker.is_busy else 'made the model'}; "
                f"{self._lost_in_a_row or 1} in a row died, so the run is given up. What was "
                "finished is kept; the system's log tells if memory ran out"
            )
        self._workers[self._workers.index(worker)] = self._start(worker.place)
        return [(worker.job, Lost(how))] if worker.is_busy else []

    def _start(self, place: Place) -> _Worker:
        # Forking a process that holds a GPU or torch's threads can hang.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self.make_for(place)))
        before = dict(os.environ)
        os.environ.update(place.environment)  # numpy looks at it when it is imported
        try:
            process.start()
        finally:
            os.environ.clear()
            os.environ.update(before)
        theirs.close()
        return _Worker(place, process, ours)

    def _end(self, worker: _Worker) -> int:
        """Wait for the end of a process and note its exit code."""
        worker.process.join(_PATIENCE)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        code = worker.process.exitcode
        self.exit_codes[worker.place.title].append(code)
        worker.pipe.close()
        return code


def name_of_exit(code: int) -> str:
    """An exit code in words: the signal's name where it was one."""
    try:
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"
    except ValueError:
        return f"exit code {code}"


def _work(pipe: Connection, make: Make) -> None:
    """The life of a worker: load, answer until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    os.dup2(2, 1)  # what a model prints must not mix with what the program prints
    sys.stdout = sys.stderr
    try:
        answer, greeting = make()
        pipe.send((greeting, False))
        while True:
            try:
                job = pipe.recv()
            except (EOFError, OSError):
                return
            found = answer(job)
            is_spent = bool(getattr(answer, "is_spent", False))
            pipe.send((found, is_spent))
            if is_spent:
                return
    except SpelkeError as error:
        pipe.send(error)
    except Exception as error:
        text = f"a worker failed: {type(error).__name__}: {error}\n{traceback.format_exc()}"
        pipe.send(Unavailable(text))
