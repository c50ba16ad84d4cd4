"""Who is measured: the baselines, the oracle, and checkpoints, behind one interface.

Entry point: `contestant(name)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spelke.benchmarks.baselines import METHODS, Baseline
from spelke.benchmarks.identity import digest_of, digest_of_checkpoint, digest_of_code
from spelke.benchmarks.test_set import TestItem
from spelke.errors import InvalidInput, UnknownName

AnswerSome = Callable[[Sequence[TestItem]], list[np.ndarray]]
"""For each item (point, height, width) bool, one mask for each of its points."""

ITEMS_AT_ONCE = 16
"""Pictures that a world model is asked about side by side, where that is faster."""
ORACLE = "instance-oracle"
"""Answers with the true outline of the poked object, and so with less than what moves along."""
PART_ORACLE = "part-oracle"
"""Answers with the true outline of what of the poked object looks as it does at the point."""
ORACLES = (ORACLE, PART_ORACLE)
"""Those who are told the truth."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One model to measure.

    Attributes:
        name: as it is reported.
        identity: changes when the same name would answer otherwise (other weights or settings).
        answer: see `AnswerSome`.
        is_oracle: it is told the truth, so it is no competitor.
        at_once: how many items it likes to be given together.
        observer: the world model behind it, for what a mask does not tell; None if there is none.
    """

    name: str
    identity: str
    answer: AnswerSome
    is_oracle: bool = False
    at_once: int = 1
    observer: Any = None


def one_by_one(answer: Callable[[TestItem], np.ndarray]) -> AnswerSome:
    """Of a contestant that answers about each item by itself."""
    return lambda items: [answer(item) for item in items]


def baseline_contestant(name: str) -> Contestant:
    """One of the baselines, with its tuned parameters."""
    baseline = Baseline(name)
    identity = digest_of(baseline, digest_of_code("spelke.benchmarks.baselines"))
    answer = one_by_one(lambda item: baseline.segment_points(item.image, item.points))
    return Contestant(name, identity, answer)


def oracle_contestant() -> Contestant:
    """The true instance under each point."""
    return Contestant(ORACLE, "1", one_by_one(lambda item: item.instances), is_oracle=True)


def part_oracle_contestant() -> Contestant:
    """What looks alike of the true instance under each point."""

    def answer(item: TestItem) -> np.ndarray:
        if item.looks is None:
            raise InvalidInput(f"{item.key} does not say what looks alike; make the set again")
        return item.looks

    return Contestant(PART_ORACLE, "1", one_by_one(answer), is_oracle=True)


def observer_contestant(name: str, observer: Any, identity: str, at_once: int = 1) -> Contestant:
    """A world model that looks at pictures.

    Args:
        name: as it is reported.
        observer: has `segments(images, points of each image)`.
        identity: see `Contestant`.
        at_once: see `Contestant`.
    """

    def answer(items: Sequence[TestItem]) -> list[np.ndarray]:
        points = [[(float(x), float(y)) for x, y in item.points] for item in items]
        found = observer.segments([item.image for item in items], points)
        masks = [[segment.mask for segment in segments] for segments in found]
        return [
            np.array(some, bool).reshape(-1, *item.image.shape[:2])
            for some, item in zip(masks, items, strict=True)
        ]

    return Contestant(name, identity, answer, at_once=at_once, observer=observer)


def contestant(name: str, device: str | None = None) -> Contestant:
    """A contestant by name: a baseline, an oracle, a checkpoint that ships, or its folder.

    Raises:
        UnknownName: neither a baseline nor a checkpoint.
    """
    if name in METHODS:
        return baseline_contestant(name)
    if name == ORACLE:
        return oracle_contestant()
    if name == PART_ORACLE:
        return part_oracle_contestant()
    return _checkpoint(name, device)


def _checkpoint(name: str, device: str | None) -> Contestant:
    import spelke
    from spelke.runtime.device import choose_device
    from spelke.weights.load import find_folder

    try:
        folder = find_folder(name)
    except UnknownName as error:
        raise UnknownName(f"{error}. Baselines are {', '.join([*METHODS, *ORACLES])}") from error
    choice = choose_device(device)
    observer = spelke.load(name, device=str(choice.device))
    code = digest_of_code("spelke.discovery", "spelke.rollout", "spelke.tokens")
    identity = digest_of(digest_of_checkpoint(folder), code)
    at_once = 1 if choice.device.type == "cpu" else ITEMS_AT_ONCE
    return observer_contestant(folder.name, observer, identity, at_once)
