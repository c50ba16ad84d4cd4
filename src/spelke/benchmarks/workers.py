"""Models in worker processes. Their answers come back to the process that asked.

A process that a picture takes down (a crash, `os._exit`, no answer in time) costs that picture; a
new process takes its place. Entry point: `Workers`, an `Engine`; on a cluster: `on_ray`.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from spelke.benchmarks.answers import Answer
from spelke.benchmarks.asking import ModelCard, ModelSpec, answer_items, is_poisoned, lost
from spelke.benchmarks.engine import Answered
from spelke.data.test_item import TestItem
from spelke.errors import BadModel, SpelkeError
from spelke.runtime.pools import Lost, Pool, ask_each, in_groups
from spelke.runtime.process_pool import Place, ProcessPool


class PooledModels:
    """A model on each of several workers; a context manager.

    Args:
        pool: of workers that `make_asker` made.
    """

    def __init__(self, pool: Pool):
        self._pool = pool

    def __enter__(self) -> PooledModels:
        self._pool.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._pool.__exit__(*error)

    def card(self) -> ModelCard:
        """See `Engine`; see `Pool.greeting` for what it raises."""
        return self._pool.greeting()

    def answers(self, items: Iterable[TestItem]) -> Iterator[Answered]:
        """See `Engine`; see `Pool.map` for what it raises."""
        for item, found in ask_each(self._pool, in_groups(items, self.card().at_once)):
            yield item, lost(item, found.reason) if isinstance(found, Lost) else found


class Workers(PooledModels):
    """A process of this machine for each place.

    Args:
        spec: the model.
        places: where.
        timeout: seconds for one picture; None waits for ever.
    """

    def __init__(self, spec: ModelSpec, places: Sequence[Place], timeout: float | None = None):
        seconds = float("inf") if timeout is None else timeout

        def make_for(place: Place) -> partial[tuple[Asker, ModelCard]]:
            return partial(make_asker, replace(spec, device=place.device or spec.device))

        self._processes = ProcessPool(
            make_for, places, lambda items: seconds * len(items), _check_same
        )
        super().__init__(self._processes)

    @property
    def exit_codes(self) -> dict[str, list[int]]:
        """See `ProcessPool`."""
        return self._processes.exit_codes


class Asker:
    """Asks a model until its GPU fails for good.

    Attributes:
        is_spent: whether it has.
    """

    def __init__(self, model: Any, seed: int):
        self.model, self.seed = model, seed
        self.is_spent = False

    def __call__(self, items: list[TestItem]) -> list[Answer]:
        """Answer some pictures."""
        answers = answer_items(self.model, items, self.seed)
        self.is_spent = is_poisoned(answers)
        return answers


def make_asker(spec: ModelSpec) -> tuple[Asker, ModelCard]:
    """Make the model, in a worker.

    Raises:
        SpelkeError: see `load_segmenter`. BadModel: its code raises something else.
    """
    try:
        model = spec.load()
        return Asker(model, spec.seed), ModelCard.of(model, spec.seed)
    except SpelkeError:
        raise
    except BaseException as error:  # a user's module may also call sys.exit
        text = f"{spec.name} could not be made: {type(error).__name__}: {error}"
        raise BadModel(f"{text}\n{traceback.format_exc()}") from error


def _check_same(title: str, card: ModelCard, first: ModelCard) -> None:
    if first.identity != card.identity:
        raise BadModel(
            f"{title} made another model than the first worker (identity {card.identity}, not "
            f"{first.identity}); was its code or were its weights changed meanwhile?"
        )
