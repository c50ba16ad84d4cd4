"""One model, one set of pictures, one folder of predictions: what is missing is asked and kept.

Every picture ends in one of four heaps, and a run says how many are in each: answered now, kept
from before, failed (the model), unusable (the file). Entry points: `run_model`, `shard_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from spelke.benchmarks.asking import ModelSpec
from spelke.benchmarks.engine import Engine
from spelke.benchmarks.prediction_folder import Manifest, PredictionFolder
from spelke.data.spelkebench import Reading, SpelkeBenchFile
from spelke.data.test_item import TestItem
from spelke.errors import InvalidInput, MissingData
from spelke.runtime.versions import versions_of

SPLIT_SEED = 42
_PACKAGES = ("spelke", "torch", "numpy", "transformers")


@runtime_checkable
class Pictures(Protocol):
    """Pictures with their questions: a `SpelkeBenchFile`, or a `TestSet` in memory."""

    @property
    def name(self) -> str:
        """For the manifest."""
        ...

    def __len__(self) -> int: ...

    def read(self, key: str) -> Reading:
        """One picture, or what is wrong with it."""
        ...


@dataclass(slots=True)
class RunOutcome:
    """What became of the pictures of a run.

    Attributes:
        answered: keys that were answered now.
        kept: keys whose answer was there already, and was verified.
        failed: key to what the model, or its process, did.
        unusable: key to what is wrong with the picture in the file.
    """

    answered: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)

    @property
    def num_done(self) -> int:
        """Pictures that are in one of the heaps."""
        return sum(map(len, (self.answered, self.kept, self.failed, self.unusable)))

    @property
    def is_whole(self) -> bool:
        """Whether every picture has its answer."""
        return not self.failed and not self.unusable


def shard_of(keys: Iterable[str], index: int, count: int) -> list[str]:
    """Return the part of the pictures that one of several machines answers.

    The published rule: keys sorted, shuffled by numpy's `RandomState(42)`, cut by `array_split`.

    Args:
        keys: of all pictures, in any order.
        index: of the part, from 0.
        count: of parts.

    Raises:
        InvalidInput: no such part.

    Source: Venkatesh et al. 2025, SpelkeBench, `run_inference_parallel.py`.
    """
    if count < 1 or not 0 <= index < count:
        raise InvalidInput(f"there is no part {index} of {count}: parts are counted from 0")
    shuffled = sorted(keys)
    np.random.RandomState(SPLIT_SEED).shuffle(shuffled)
    return [str(key) for key in np.array_split(np.array(shuffled, dtype=object), count)[index]]


def choose_keys(
    dataset: SpelkeBenchFile, names: Sequence[str] | None
) -> tuple[list[str], list[str]]:
    """Return the named pictures, each once, and what of the names is wrong, in sentences.

    Raises:
        MissingData: none of the names is in the file.
    """
    if names is None:
        return list(dataset.keys), []
    unique = list(dict.fromkeys(names))
    known = set(dataset.keys)
    found = [name for name in unique if name in known]
    notes = [f"{dataset.path} holds no picture {name!r}" for name in unique if name not in known]
    if len(unique) < len(names):
        twice = [name for name in unique if list(names).count(name) > 1]
        notes.append(f"named more than once, asked once: {', '.join(twice)}")
    if not found:
        raise MissingData(
            f"none of the {len(unique)} pictures named is in {dataset.path}; its pictures are "
            f"{', '.join(dataset.keys[:3])}, …"
        )
    return found, notes


def run_model(
    engine: Engine,
    spec: ModelSpec,
    dataset: Pictures,
    keys: Sequence[str],
    folder: PredictionFolder,
    *,
    notice: Callable[[str], None] = lambda _: None,
    advance: Callable[[RunOutcome], None] = lambda _: None,
) -> RunOutcome:
    """Ask a model what it has not yet answered and keep every answer as it comes.

    Args:
        engine: where the model runs.
        spec: the model.
        dataset: the pictures.
        keys: those to ask about.
        folder: for the answers.
        notice: told what a user should know, one sentence at a time.
        advance: called after each picture that is done with.

    Raises:
        InvalidInput: the folder is of another model.
        SpelkeError: the model cannot be made. Unavailable: the folder cannot be written.
    """
    folder.check_writable()
    card = engine.card()
    remark = folder.begin(
        Manifest(
            model=spec.name,
            name=card.name,
            identity=card.identity,
            weights=card.weights,
            options={name: _plain(value) for name, value in sorted(spec.options.items())},
            dataset=dataset.name,
            num_images=len(dataset),
            seed=spec.seed,
            is_oracle=card.is_oracle,
            versions=versions_of(_PACKAGES),
        )
    )
    if remark:
        notice(remark)
    folder.sweep(keys)
    outcome = RunOutcome()

    def missing() -> Iterator[TestItem]:
        for key in keys:
            reading = dataset.read(key)
            if reading.item is None:
                faults = "; ".join(str(found) for found in reading.findings if found.is_fault)
                outcome.unusable[key] = faults
                notice(f"left out: {faults}")
            elif folder.holds(reading.item, card.identity):
                outcome.kept.append(key)
            else:
                yield reading.item
                continue
            advance(outcome)

    for item, answer in engine.answers(missing()):
        folder.add(item, answer, card.identity)
        if answer.masks is None:
            outcome.failed[item.key] = answer.error
            notice(f"{item.key}: {answer.error}")
        else:
            outcome.answered.append(item.key)
        advance(outcome)
    return outcome


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | bool | None) else repr(value)
