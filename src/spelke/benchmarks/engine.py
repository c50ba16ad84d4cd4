"""Where models run: the interface of all engines, and the simplest of them.

Entry points: `Engine`, `InProcess`; with processes of their own: `workers`; on clusters: `on_ray`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, runtime_checkable

from spelke.benchmarks.answers import Answer
from spelke.benchmarks.asking import ModelCard, ModelSpec, answer_items
from spelke.data.test_item import TestItem
from spelke.runtime.pools import in_groups

Answered = tuple[TestItem, Answer]


@runtime_checkable
class Engine(Protocol):
    """Where models run."""

    def card(self) -> ModelCard:
        """Make the model, if that has not been done, and say what it is."""
        ...

    def answers(self, items: Iterable[TestItem]) -> Iterator[Answered]:
        """Answer pictures, in any order; they are read as they are needed."""
        ...


class InProcess:
    """The model in this process: nothing to start, but what it crashes is the run itself.

    Args:
        spec: the model.
        model: the `SegmentationModel` where it is made already; None makes it when it is needed.
    """

    def __init__(self, spec: ModelSpec, model: Any = None):
        self.spec = spec
        self._model = model

    def card(self) -> ModelCard:
        """See `Engine`."""
        if self._model is None:
            self._model = self.spec.load()
        return ModelCard.of(self._model, self.spec.seed)

    def answers(self, items: Iterable[TestItem]) -> Iterator[Answered]:
        """See `Engine`."""
        at_once = self.card().at_once
        for some in in_groups(items, at_once):
            yield from zip(some, answer_items(self._model, some, self.spec.seed), strict=True)
