"""Models that answer on a Ray cluster. Answers come back here and are kept here.

Entry point: `RayWorkers`, an `Engine`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from spelke.benchmarks.answers import Answer
from spelke.benchmarks.asking import ModelCard, ModelSpec, answer_items, is_poisoned, lost
from spelke.benchmarks.engine import Answered, chunks
from spelke.data.test_item import TestItem
from spelke.runtime.ray_pool import Lost, RayOptions, RayPool

_POISONED = 70
"""Exit status of a worker that ends itself because its GPU answers no more."""


class RayWorkers:
    """A model on each of several workers of a cluster; a context manager.

    Args:
        spec: the model; on GPUs it gets the one that Ray gives its worker.
        options: where.
        notice: told what a user should know.
    """

    def __init__(
        self, spec: ModelSpec, options: RayOptions, notice: Callable[[str], None] = lambda _: None
    ):
        if options.gpus > 0:
            spec = replace(spec, device="cuda:0")
        self._pool = RayPool(partial(make_asker, spec), options, notice)

    def __enter__(self) -> RayWorkers:
        self._pool.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.__exit__(*error)

    def card(self) -> ModelCard:
        """See `Engine`; see `RayPool.greeting` for what it raises."""
        return self._pool.greeting()

    def answers(self, items: Iterable[TestItem]) -> Iterator[Answered]:
        """See `Engine`; pictures that were lost together are asked again, each alone."""
        alone: list[list[TestItem]] = []
        for jobs in (chunks(items, self.card().at_once), alone):
            for some, found in self._pool.map(jobs):
                if not isinstance(found, Lost):
                    yield from zip(some, found, strict=True)
                elif len(some) == 1:
                    yield some[0], lost(some[0], f"the process died: {found.reason}")
                else:
                    alone.extend([item] for item in some)


class Asker:
    """Asks a model until its GPU fails for good; the next question then ends the process."""

    def __init__(self, model: Any, seed: int):
        self.model, self.seed = model, seed
        self.is_poisoned = False

    def __call__(self, items: list[TestItem]) -> list[Answer]:
        """Answer some pictures."""
        if self.is_poisoned:
            os._exit(_POISONED)
        answers = answer_items(self.model, items, self.seed)
        self.is_poisoned = is_poisoned(answers)
        return answers


def make_asker(spec: ModelSpec) -> tuple[Asker, ModelCard]:
    """Make the model, in a worker."""
    model = spec.load()
    return Asker(model, spec.seed), ModelCard.of(model, spec.seed)
