"""Where models run: the interface of all engines, the simplest of them, and places for workers.

Entry points: `Engine`, `InProcess`, `local_places`, `gpu_places`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from spelke.benchmarks.answers import Answer
from spelke.benchmarks.asking import ModelCard, ModelSpec, answer_items
from spelke.data.test_item import TestItem
from spelke.errors import InvalidInput

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


class InProcess:
    """The model in this process: nothing to start, but what it crashes is the run itself."""

    def __init__(self, spec: ModelSpec):
        self.spec = spec
        self._model: Any = None

    def card(self) -> ModelCard:
        """See `Engine`."""
        if self._model is None:
            self._model = self.spec.load()
        return ModelCard.of(self._model, self.spec.seed)

    def answers(self, items: Iterable[TestItem]) -> Iterator[Answered]:
        """See `Engine`."""
        at_once = self.card().at_once
        for some in chunks(items, at_once):
            yield from zip(some, answer_items(self._model, some, self.spec.seed), strict=True)


def chunks(items: Iterable[TestItem], size: int) -> Iterator[list[TestItem]]:
    """Cut a stream of pictures into lists of `size`."""
    some: list[TestItem] = []
    for item in items:
        some.append(item)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some
