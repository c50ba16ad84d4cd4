"""What the subcommands of `spelke bench` share: who is asked, progress, and messages."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spelke.errors import InvalidInput

if TYPE_CHECKING:
    from spelke.benchmarks.held_out import HeldOut, HeldOutSettings
    from spelke.benchmarks.quick import Outcome
    from spelke.benchmarks.test_set import TestItem


@dataclass(frozen=True, kw_only=True)
class OnWorlds:
    """What every comparison on held-out worlds asks for."""

    models: tuple[str, ...] = ("spelke-small",)
    """Checkpoints (names or folders) and baselines to measure."""
    alone: bool = False
    """Measure nothing but --models, no baselines and no oracle."""
    points: int = 250
    """At least so many points, spread evenly over the families."""
    out: Path | None = None
    """Folder for answers and scores; a later run with it asks only what is missing."""
    workers: int | None = None
    """Processes that render worlds; one for each core unless given."""
    device: str | None = None
    """cpu, cuda or mps; the best that is here unless given."""

    def contestants(self) -> list[Any]:
        """Who is asked.

        Raises:
            InvalidInput: there is nothing to ask, or nobody.
        """
        if self.points < 1:
            raise InvalidInput(f"--points must be at least 1, got {self.points}")
        return find_contestants(self.models, not self.alone, True, self.device)


def make_worlds(settings: HeldOutSettings, workers: int | None) -> HeldOut:
    """Make a set of worlds, with a progress bar; what could not be made is named."""
    from spelke.benchmarks.held_out import make_test_set

    with rendering() as track:
        made = make_test_set(settings, workers=workers or cores(), track=track)
    for key, reason in made.broken.items():
        say(f"the scene {key} could not be made and is left out: {reason}")
    return made


def find_contestants(
    models: Sequence[str], baselines: bool, oracle: bool, device: str | None
) -> list[Any]:
    """The models that were asked for, by names that `load_segmenter` knows, each once.

    Raises:
        InvalidInput: none is named, or an oracle where there is none.
    """
    from spelke.benchmarks.load_segmenter import load_segmenter
    from spelke.benchmarks.quick import BASELINES
    from spelke.benchmarks.segmenters.oracles import ORACLES

    names = [*models, *(BASELINES if baselines else ())]
    told = [name for name in ORACLES if name in models]
    if not oracle and told:
        raise InvalidInput(
            f"{told[0]} needs worlds whose truth is more than an outline: use `bench quick`"
        )
    unique = dict.fromkeys(name for name in names if oracle or name not in ORACLES)
    if not unique:
        raise InvalidInput("no model is named; give --models, or leave --alone out")
    return [load_segmenter(name, device) for name in unique]


def ask(contestants: Sequence[Any], items: list[TestItem], folder: Path) -> Outcome:
    """Ask and score, with a progress bar."""
    from spelke.benchmarks.quick import run_models

    with answering() as (notice, advance):
        return run_models(
            contestants,
            items,
            folder,
            notice=notice,
            advance=lambda name, so_far: advance(name, so_far.num_done, len(items)),
        )


@contextmanager
def answering() -> Iterator[tuple[Callable[[str], None], Callable[[str, int, int], None]]]:
    """Messages, and a progress bar for each model, on standard error.

    Yields:
        What says a sentence, and what is told (model, pictures done, pictures).
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks: dict[str, Any] = {}

        def notice(text: str) -> None:
            bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

        def advance(name: str, done: int, wanted: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=wanted)
            bar.update(tasks[name], completed=done)

        yield notice, advance


@contextmanager
def progress() -> Iterator[Any]:
    """A progress bar on standard error for each list that is tracked."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:

        def track(things: Sequence[Any], title: str) -> Iterable[Any]:
            yield from bar.track(things, description=title)

        yield track


@contextmanager
def rendering() -> Iterator[Any]:
    """A progress bar on standard error for the points of each family."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def track(family: str, found: int, wanted: int) -> None:
            if family not in tasks:
                tasks[family] = bar.add_task(f"worlds: {family}", total=wanted)
            bar.update(tasks[family], completed=found)

        yield track


def say(message: str) -> None:
    """Tell a person something on standard error."""
    print(message, file=sys.stderr)


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def table_console(is_beside_json: bool) -> Any:
    """Where tables go: standard output, or standard error where JSON goes to the former."""
    from rich.console import Console

    # A pipe is no reason to cut columns, a terminal is.
    return Console(stderr=is_beside_json, width=None if sys.stdout.isatty() else 200)
