"""Jobs on a Ray cluster: workers that keep what they loaded, and jobs that outlive their workers.

Which nodes there are, and whether more are started, is Ray's business. A job whose worker died,
with its process or its node, is given to another one; a job that takes several workers down is
given up. Entry point: `RayPool`.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, redirect_stdout, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from spelke.errors import InvalidInput, MissingExtra, SpelkeError, Unavailable
from spelke.runtime.pools import Answer, Lost, Make

_PATIENCE = 30
"""Seconds without a worker after which a user is told that the cluster has none."""
MAX_LOST = 20
"""Workers in a row that may die without an answer before all is given up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RayOptions:
    """Where jobs run.

    Attributes:
        address: of the cluster; "auto" finds the one that this machine belongs to, "local" starts
            one on this machine alone.
        workers: how many; those that the cluster has no room for wait, or make it grow.
        cpus: of one worker.
        gpus: likewise; parts of one are possible.
        retries: how often a job is given to another worker after one died with it.
        working_dir: folder that is sent to all nodes, for code that is not installed there; None
            uses the present folder where a node has it too.
    """

    address: str = "auto"
    workers: int = 1
    cpus: float = 1.0
    gpus: float = 0.0
    retries: int = 2
    working_dir: str | None = None

    def __post_init__(self) -> None:
        if self.workers < 1 or self.cpus < 0 or self.gpus < 0 or self.retries < 0:
            raise InvalidInput(
                "Ray needs at least 1 worker, and CPUs, GPUs and retries of 0 or more, got "
                f"{self.workers}, {self.cpus:g}, {self.gpus:g} and {self.retries}"
            )


class _OursAlone:
    """Standard output for this thread; Ray's threads, which tell of lost nodes, have the other."""

    def __init__(self) -> None:
        self.stream, self.thread = sys.stdout, threading.current_thread()

    def write(self, text: str) -> int:
        """Write where it belongs."""
        is_ours = threading.current_thread() is self.thread
        return (self.stream if is_ours else sys.stderr).write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class _Worker:
    """What runs on the cluster."""

    def __init__(self, make: Make, folder: str):
        self.make, self.folder = make, folder
        self.answer_job: Answer | None = None

    def greet(self) -> Any:
        """Load what answers jobs."""
        if Path(self.folder).is_dir():
            os.chdir(self.folder)
            sys.path.insert(0, self.folder)
        self.answer_job, greeting = self.make()
        return greeting

    def answer(self, job: Any) -> tuple[Any, bool]:
        """Answer one job, and say whether that was the last one it can answer."""
        assert self.answer_job is not None
        return self.answer_job(job), bool(getattr(self.answer_job, "is_spent", False))


@dataclass(slots=True, eq=False)
class _Task:
    """What a worker is busy with; without a job it loads."""

    worker: Any
    job: Any = None
    is_job: bool = False
    losses: int = 0


@dataclass(slots=True)
class _Round:
    """The jobs of one `map`."""

    left: Iterator[Any]
    again: deque[tuple[Any, int]] = field(default_factory=deque)
    is_empty: bool = False

    def next(self) -> tuple[Any, int] | None:
        """The next job and how many workers died with it."""
        if self.again:
            return self.again.popleft()
        for job in self.left:
            return job, 0
        self.is_empty = True
        return None


class RayPool:
    """Workers on a Ray cluster; see `Pool`.

    Args:
        make: see `Make`; it must be picklable, its module installed on the nodes.
        options: where.
        notice: told what a user should know.
    """

    def __init__(
        self, make: Make, options: RayOptions, notice: Callable[[str], None] = lambda _: None
    ):
        self.make, self.options, self.notice = make, options, notice
        self._tasks: dict[Any, _Task] = {}
        self._idle: list[Any] = []
        self._greetings: list[Any] = []
        self._lost_in_a_row = 0

    def __enter__(self) -> RayPool:
        self._ray = _import_ray()
        with ExitStack() as stack:
            stack.enter_context(redirect_stdout(_OursAlone()))  # type: ignore[type-var]
            if not self._ray.is_initialized():
                self._connect()
                stack.callback(self._disconnect)
            self._kind: Any = self._ray.remote(
                num_cpus=self.options.cpus, num_gpus=self.options.gpus, max_restarts=0
            )(_Worker)
            for _ in range(self.options.workers):
                self._start()
            self._ending = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in [*self._idle, *(task.worker for task in self._tasks.values())]:
            with suppress(Exception):
                self._ray.kill(worker)
        self._tasks, self._idle = {}, []
        self._ending.close()

    def greeting(self) -> Any:
        """See `Pool`."""
        while not self._greetings:
            self._wait(None)
        return self._greetings[0]

    def map(self, jobs: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """See `Pool`."""
        todo = _Round(iter(jobs))
        while True:
            while self._idle and (some := todo.next()):
                job, losses = some
                worker = self._idle.pop()
                self._tasks[worker.answer.remote(job)] = _Task(worker, job, True, losses)
            busy = any(task.is_job for task in self._tasks.values())
            if todo.is_empty and not todo.again and not busy:
                return
            yield from self._wait(todo)

    def _connect(self) -> None:
        folder = self.options.working_dir
        try:
            self._ray.init(
                address=self.options.address,
                log_to_driver=False,
                runtime_env={"working_dir": folder} if folder else None,
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise Unavailable(
                f"no Ray cluster answers at {self.options.address!r} ({error}); start one with "
                '`ray start --head`, name its address, or use "local"'
            ) from error

    def _disconnect(self) -> None:
        with redirect_stdout(sys.stderr):  # what Ray has not yet said, it says now
            self._ray.shutdown()

    def _start(self) -> None:
        worker = self._kind.remote(self.make, os.getcwd())
        self._tasks[worker.greet.remote()] = _Task(worker)

    def _wait(self, jobs: _Round | None) -> list[tuple[Any, Any]]:
        """Hear what workers have to say; results of jobs are returned."""
        done, _ = self._ray.wait(list(self._tasks), num_returns=1, timeout=_PATIENCE)
        if not done and not self._greetings:
            room = self._ray.cluster_resources()
            self.notice(
                f"no worker has started yet: each asks for {self.options.cpus:g} CPUs and "
                f"{self.options.gpus:g} GPUs, the cluster has {room.get('CPU', 0):g} and "
                f"{room.get('GPU', 0):g}"
            )
        heard = [self._hear(self._tasks.pop(future), future, jobs) for future in done]
        return [one for some in heard for one in some]

    def _hear(self, task: _Task, future: Any, jobs: _Round | None) -> list[tuple[Any, Any]]:
        """What came of one task: its job with the result, if it has one."""
        try:
            said = self._ray.get(future)
        except self._ray.exceptions.RayActorError as error:
            lost = self._bury(task, str(error), jobs)
            return [(task.job, lost)] if task.is_job and lost else []
        except self._ray.exceptions.RayTaskError as error:
            raise _cause_of(error) from error
        self._lost_in_a_row = 0
        if not task.is_job:
            self._greetings.append(said)
            self._idle.append(task.worker)
            return []
        result, is_spent = said
        if is_spent:
            self._ray.kill(task.worker)
            self._start()
        else:
            self._idle.append(task.worker)
        return [(task.job, result)]

    def _bury(self, task: _Task, reason: str, jobs: _Round | None) -> Lost | None:
        """Start another worker for a dead one; None if its job will be tried again."""
        self._lost_in_a_row += 1
        reason = " ".join(reason.split())
        if self._lost_in_a_row >= MAX_LOST:
            raise Unavailable(
                f"{MAX_LOST} workers in a row died on the cluster; the last: {reason}"
            )
        self._start()
        if not task.is_job or task.losses >= self.options.retries:
            return Lost(f"the process died: {reason}")
        assert jobs is not None
        jobs.again.append((task.job, task.losses + 1))
        return None


def _cause_of(error: Any) -> Exception:
    """The exception of ours that a worker raised, or one that says what it was."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, SpelkeError):
        return cause
    return Unavailable(f"a worker on the cluster failed: {error}")


def _import_ray() -> Any:
    try:
        ray = import_module("ray")
        import_module("ray.exceptions")  # part of what is used
    except ImportError as error:
        raise MissingExtra(
            "running on a cluster needs Ray: pip install 'spelke[ray]', on all of its nodes"
        ) from error
    return ray
