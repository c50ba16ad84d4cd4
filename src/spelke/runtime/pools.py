"""Workers that load something once and answer many jobs: what all kinds of them have in common.

They are this process (`Here`), processes of this machine (`process_pool`), or processes of a Ray
cluster (`ray_pool`). Entry points: `Pool`, `Here`, `ask_each`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

Answer = Callable[[Any], Any]
"""What answers a job. Once it has a true attribute `is_spent`, its worker is replaced."""
Make = Callable[[], tuple[Answer, Any]]
"""Called once in each worker: what answers a job there, and a greeting for who asked."""

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class Lost:
    """In the place of a result: the job took its workers down.

    Attributes:
        reason: how the last of them ended.
    """

    reason: str


@runtime_checkable
class Pool(Protocol):
    """Workers; a context manager, so that none is left behind."""

    def __enter__(self) -> Pool: ...

    def __exit__(self, *error: Any) -> None: ...

    def greeting(self) -> Any:
        """Wait for the first worker and return its greeting.

        Raises:
            SpelkeError: what `Make` raised. Unavailable: workers die before they greet.
        """
        ...

    def map(self, jobs: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """Yield jobs with their results, or with `Lost`, in any order; jobs are read as needed.

        Raises:
            see `greeting`.
        """
        ...


class Here:
    """This process: nothing to start, but what a job crashes is the run itself.

    Args:
        make: see `Make`.
    """

    def __init__(self, make: Make):
        self.make = make
        self._made: tuple[Answer, Any] | None = None

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *error: Any) -> None:
        self._made = None

    def greeting(self) -> Any:
        """See `Pool`."""
        if self._made is None:
            self._made = self.make()
        return self._made[1]

    def map(self, jobs: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """See `Pool`; results come in the order of the jobs."""
        self.greeting()
        assert self._made is not None
        for job in jobs:
            yield job, self._made[0](job)


def ask_each(pool: Pool, groups: Iterable[list[Thing]]) -> Iterator[tuple[Thing, Any]]:
    """Yield things with their results, or with `Lost`.

    Args:
        pool: its jobs are lists of things, its results lists of as many answers.
        groups: the jobs. Things that were lost together are asked again, each alone, to know which
            it was.
    """
    alone: list[list[Thing]] = []
    for jobs in (groups, alone):
        for some, found in pool.map(jobs):
            if not isinstance(found, Lost):
                yield from zip(some, found, strict=True)
            elif len(some) == 1:
                yield some[0], found
            else:
                alone.extend([one] for one in some)


def in_groups(things: Iterable[Thing], size: int) -> Iterator[list[Thing]]:
    """Cut a stream into lists of `size`; the last may be shorter."""
    some: list[Thing] = []
    for thing in things:
        some.append(thing)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some
