"""Ask one model about some pictures, in whatever process or machine this runs.

What a model raises becomes part of the answer, with its traceback. Every picture has its own seed,
so an answer depends neither on the order nor on who shares the work.
Entry points: `ModelSpec`, `answer_items`.
"""

from __future__ import annotations

import random
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spelke.benchmarks.answers import Answer
from spelke.benchmarks.identity import digest_of
from spelke.data.test_item import TestItem


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Which model, made how.

    Attributes:
        name: see `load_segmenter`.
        device: likewise.
        options: likewise.
        seed: of the run.
    """

    name: str
    device: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    def load(self) -> Any:
        """Make the model, a `SegmentationModel`; see `load_segmenter` for what it raises."""
        from spelke.benchmarks.load_segmenter import load_segmenter

        return load_segmenter(self.name, self.device, **self.options)


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model that was made says of itself; see `SegmentationModel`.

    Attributes:
        identity: of code, options, weights and seed together.
    """

    name: str
    identity: str
    weights: str
    is_oracle: bool
    at_once: int

    @classmethod
    def of(cls, model: Any, seed: int) -> ModelCard:
        """Ask a `SegmentationModel`."""
        identity = digest_of(model.identity, model.weights, seed)
        return cls(model.name, identity, model.weights, model.is_oracle, model.at_once)


def answer_items(model: Any, items: Sequence[TestItem], seed: int = 0) -> list[Answer]:
    """Ask about some pictures together; where that fails, about each alone, to know which it was.

    Whatever the model raises becomes part of the answers, but for Ctrl-C.

    Args:
        model: a `SegmentationModel`.
        items: the pictures.
        seed: of the run; with the first picture's key it seeds Python, numpy and torch.
    """
    from spelke.benchmarks.segmenter import ask

    start = time.perf_counter()
    try:
        _set_seeds(seed, items[0].key)
        found = ask(model, items)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a model may also call sys.exit
        if len(items) > 1:
            return [one for item in items for one in answer_items(model, [item], seed)]
        text = f"{type(error).__name__}: {error}"
        where = traceback.format_exc()
        item, seconds = items[0], _since(start, 1)
        return [Answer(item.key, item.fingerprint, None, seconds, text, where)]
    seconds = _since(start, len(items))
    return [
        Answer(item.key, item.fingerprint, masks, seconds)
        for item, masks in zip(items, found, strict=True)
    ]


def is_poisoned(answers: Sequence[Answer]) -> bool:
    """Whether a process can answer nothing more: CUDA fails for good after some errors."""
    return any("CUDA error" in answer.error for answer in answers)


def lost(item: TestItem, error: str) -> Answer:
    """The answer that a process took with it."""
    return Answer(item.key, item.fingerprint, None, float("nan"), error)


def _set_seeds(seed: int, key: str) -> None:
    value = int(digest_of(seed, key)[:8], 16)
    random.seed(value)
    np.random.seed(value)  # noqa: NPY002 - for models that draw from it
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(value)


def _since(start: float, count: int) -> float:
    return round((time.perf_counter() - start) / count, 4)
