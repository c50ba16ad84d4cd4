"""Who is measured: the baselines, the oracle, and checkpoints, behind one interface.

Entry point: `contestant(name)`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spelke.benchmarks.baselines import METHODS, Baseline
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
    identity = hashlib.sha256(repr(baseline).encode()).hexdigest()[:12]
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

    try:
        observer = spelke.load(name, device=device)
    except UnknownName as error:
        known = ", ".join([*METHODS, ORACLE])
        raise UnknownName(f"{error}. Baselines are {known}") from error
    return observer_contestant(Path(name).name, observer, weights_identity(observer, name))


def weights_identity(observer: Any, name: str) -> str:
    """Twelve hexadecimal digits of everything that a checkpoint's answers depend on."""
    import torch

    digest = hashlib.sha256(repr(getattr(observer, "settings", None)).encode())
    for module in _modules_of(observer):
        for key, tensor in module.state_dict().items():
            digest.update(key.encode())
            digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:12]


def _modules_of(observer: Any) -> list[Any]:
    raise NotImplementedError
