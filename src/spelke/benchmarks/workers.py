"""Worker processes that answer for a model, each with the model in its own memory.

A process that a picture takes down (a crash, `os._exit`, no answer in time) costs that picture; a
new process takes its place. Entry point: `Workers`, an `Engine`.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from typing import Any

from spelke.benchmarks.answers import Answer
from spelke.benchmarks.asking import ModelCard, ModelSpec, answer_items, is_poisoned, lost
from spelke.benchmarks.engine import Answered, Place, chunks
from spelke.data.test_item import TestItem
from spelke.errors import BadModel, SpelkeError, Unavailable

MAX_LOST = 10
"""Processes in a row that may die without an answer before the run is given up."""

_PATIENCE = 60
"""Seconds that a process may take to end, on a busy machine, before it is killed."""


@dataclass(slots=True, eq=False)
class _Worker:
    """One process and what it is busy with."""

    place: Place
    process: Any
    pipe: Connection
    is_ready: bool = False
    asked: list[TestItem] = field(default_factory=list)
    deadline: float = float("inf")


class Workers:
    """One process for each place; a context manager, so that none is left behind.

    Args:
        spec: the model.
        places: where.
        timeout: seconds for one picture; None waits for ever.

    Attributes:
        exit_codes: title of a place to the exit codes of its processes, in their order; a
            negative one is the signal that ended it.
    """

    def __init__(self, spec: ModelSpec, places: Sequence[Place], timeout: float | None = None):
        self.spec, self.places, self.timeout = spec, places, timeout
        self.exit_codes: dict[str, list[int]] = {place.title: [] for place in places}
        self._workers: list[_Worker] = []
        self._card: ModelCard | None = None
        self._lost_in_a_row = 0

    def __enter__(self) -> Workers:
        self._workers = [self._start(place) for place in self.places]
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for worker in self._workers:
            worker.pipe.close()  # a worker that waits for work ends well
            if kind is not None or worker.asked or not worker.is_ready:
                worker.process.terminate()
        for worker in self._workers:
            self._end(worker)
        self._workers = []

    def card(self) -> ModelCard:
        """See `Engine`.

        Raises:
            SpelkeError: the model cannot be made.
            Unavailable: the process died while it was made.
        """
        while self._card is None:
            for worker in self._wait():
                self._receive(worker)
        return self._card

    def answers(self, items: Iterable[TestItem]) -> Iterator[Answered]:
        """See `Engine`.

        Raises:
            SpelkeError: see `card`, also of a process that was started later.
            Unavailable: `MAX_LOST` processes in a row died.
        """
        left = chunks(items, self.card().at_once)
        again: deque[list[TestItem]] = deque()
        is_empty = False
        while True:
            for worker in self._workers:
                if worker.is_ready and not worker.asked:
                    some = again.popleft() if again else next(left, [])
                    is_empty = is_empty or not some
                    self._give(worker, some)
            if is_empty and not again and not any(worker.asked for worker in self._workers):
                return
            for worker in self._wait():
                asked = worker.asked
                answers = self._receive(worker)
                if answers is None and len(asked) > 1:
                    again.extend([item] for item in asked)  # alone, to know which it was
                elif answers:
                    yield from zip(asked, answers, strict=True)

    def _give(self, worker: _Worker, items: list[TestItem]) -> None:
        if not items:
            return
        worker.asked = items
        if self.timeout is not None:
            worker.deadline = time.monotonic() + self.timeout * len(items)
        with suppress(OSError):  # it has died meanwhile, which `_wait` will tell
            worker.pipe.send(items)

    def _wait(self) -> list[_Worker]:
        """Workers that have said something, died, or taken too long."""
        first = min(worker.deadline for worker in self._workers)
        seconds = None if first == float("inf") else max(0.0, first - time.monotonic())
        heard = wait(
            [part for w in self._workers for part in (w.pipe, w.process.sentinel)], seconds
        )
        now = time.monotonic()
        return [
            w
            for w in self._workers
            if w.pipe in heard or w.process.sentinel in heard or w.deadline <= now
        ]

    def _receive(self, worker: _Worker) -> list[Answer] | None:
        """What a worker says: its answers, [] for anything else, None if it took them along."""
        says = worker.pipe.poll()
        late = not says and worker.deadline <= time.monotonic()
        try:
            message = worker.pipe.recv() if says else None
        except (EOFError, OSError):
            message = None
        if isinstance(message, Exception):
            raise message
        if isinstance(message, ModelCard):
            worker.is_ready, self._card = True, self._card or message
            _check_same(self._card, message, worker.place)
            return []
        if message is None:
            return self._replace(worker, late)
        worker.asked, worker.deadline, self._lost_in_a_row = [], float("inf"), 0
        if is_poisoned(message):
            worker.is_ready = False  # it ends by itself; its end is heard next
        return message

    def _replace(self, worker: _Worker, late: bool) -> list[Answer] | None:
        """Put a new process in the place of one that is gone."""
        asked = worker.asked
        if late:
            worker.process.kill()
        end = name_of_exit(self._end(worker))
        how = f"no answer in {self.timeout:g} s" if late else f"the process died ({end})"
        if asked:
            self._lost_in_a_row += 1
        if self._lost_in_a_row >= MAX_LOST or (not asked and self._card is None):
            raise Unavailable(
                f"{worker.place.title}: {how} while it "
                f"{'answered' if asked else 'made the model'}; {self._lost_in_a_row or 1} in a "
                "row died, so the run is given up. What was finished is kept; the system's log "
                "tells if memory ran out"
            )
        self._workers[self._workers.index(worker)] = self._start(worker.place)
        if len(asked) == 1:
            return [lost(asked[0], how)]
        return None if asked else []

    def _start(self, place: Place) -> _Worker:
        # Forking a process that holds a GPU or torch's threads can hang.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        spec = replace(self.spec, device=place.device or self.spec.device)
        process = context.Process(target=_work, args=(theirs, spec))
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


def _check_same(first: ModelCard, other: ModelCard, place: Place) -> None:
    if first.identity != other.identity:
        raise BadModel(
            f"{place.title} made another model than the first worker (identity {other.identity}, "
            f"not {first.identity}); was its code or were its weights changed meanwhile?"
        )


def _work(pipe: Connection, spec: ModelSpec) -> None:
    """The life of a worker: make the model, answer until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    os.dup2(2, 1)  # what a model prints must not mix with what the program prints
    sys.stdout = sys.stderr
    try:
        model = spec.load()
        pipe.send(ModelCard.of(model, spec.seed))
    except SpelkeError as error:
        pipe.send(error)
        return
    except BaseException as error:
        text = f"{spec.name} could not be made: {type(error).__name__}: {error}"
        pipe.send(BadModel(f"{text}\n{traceback.format_exc()}"))
        return
    while True:
        try:
            items = pipe.recv()
        except (EOFError, OSError):
            return
        answers = answer_items(model, items, spec.seed)
        pipe.send(answers)
        if is_poisoned(answers):
            return
