"""Who is measured: the baselines, the oracle, and checkpoints, behind one interface.

Entry point: `contestant(name)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from spelke.benchmarks.baselines import METHODS, Baseline
from spelke.benchmarks.identity import digest_of, digest_of_checkpoint, digest_of_code
from spelke.benchmarks.test_set import TestItem
from spelke.errors import UnknownName

ORACLE = "instance-oracle"
"""Answers with the true outline of the poked object, and so with less than what moves along."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One model to measure.

    Attributes:
        name: as it is reported.
        identity: changes when the same name would answer otherwise (other weights or settings).
        answer: item -> (point, height, width) bool, one mask for each point of the item.
        is_oracle: it is told the truth, so it is no competitor.
    """

    name: str
    identity: str
    answer: Callable[[TestItem], np.ndarray]
    is_oracle: bool = False


def baseline_contestant(name: str) -> Contestant:
    """One of the baselines, with its tuned parameters."""
    baseline = Baseline(name)
    identity = digest_of(baseline, digest_of_code("spelke.benchmarks.baselines"))
    return Contestant(name, identity, lambda item: baseline.segment_points(item.image, item.points))


def oracle_contestant() -> Contestant:
    """The true instance under each point."""
    return Contestant(ORACLE, "1", lambda item: item.instances, is_oracle=True)


def observer_contestant(name: str, observer: Any, identity: str) -> Contestant:
    """A world model that looks at pictures.

    Args:
        name: as it is reported.
        observer: has `look(image)`, whose result has `segments(points)`.
        identity: see `Contestant`.
    """

    def answer(item: TestItem) -> np.ndarray:
        scene = observer.look(item.image)
        found = scene.segments([(float(x), float(y)) for x, y in item.points])
        masks = [segment.mask for segment in found]
        return np.array(masks, bool).reshape(-1, *item.image.shape[:2])

    return Contestant(name, identity, answer)


def contestant(name: str, device: str | None = None) -> Contestant:
    """A contestant by name: a baseline, the oracle, a checkpoint that ships, or its folder.

    Raises:
        UnknownName: neither a baseline nor a checkpoint.
    """
    if name in METHODS:
        return baseline_contestant(name)
    if name == ORACLE:
        return oracle_contestant()
    return _checkpoint(name, device)


def _checkpoint(name: str, device: str | None) -> Contestant:
    import spelke
    from spelke.weights.load import find_folder

    try:
        folder = find_folder(name)
    except UnknownName as error:
        raise UnknownName(f"{error}. Baselines are {', '.join([*METHODS, ORACLE])}") from error
    observer = spelke.load(name, device=device)
    code = digest_of_code("spelke.discovery", "spelke.rollout", "spelke.tokens")
    identity = digest_of(digest_of_checkpoint(folder), code)
    return observer_contestant(folder.name, observer, identity)
