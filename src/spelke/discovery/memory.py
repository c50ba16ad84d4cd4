"""What was encoded of a photo is kept for further questions, within bounds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import torch

from spelke.discovery.view import Look
from spelke.rollout.base import Glance, WorldModel

GLANCES_KEPT = 32
"""Encoded crops that are kept of a photo besides the whole of it."""


class Memory:
    """Glances at one photo. The oldest are forgotten; that at the whole photo never is.

    Args:
        whole: key of the look at the whole photo.
    """

    def __init__(self, whole: Hashable) -> None:
        self._whole = whole
        self._glances: OrderedDict[Hashable, Glance] = OrderedDict()

    def __len__(self) -> int:
        return len(self._glances)

    def find(self, key: Hashable) -> Glance | None:
        """The glance of a look, if it is remembered."""
        if key in self._glances:
            self._glances.move_to_end(key)
        return self._glances.get(key)

    def keep(self, key: Hashable, glance: Glance) -> None:
        """Remember a glance, if need be in the place of the oldest."""
        self._glances[key] = glance
        if len(self._glances) > GLANCES_KEPT:
            del self._glances[next(old for old in self._glances if old != self._whole)]


class Sight(NamedTuple):
    """A look at a photo, with what is remembered of that photo."""

    memory: Memory
    look: Look


def glances_at(model: WorldModel, sights: Sequence[Sight]) -> list[Glance]:
    """Encode what is seen, of whatever photos, in one call; what is remembered is not encoded."""
    found: dict[tuple[int, Hashable], Glance] = {}
    missing: dict[tuple[int, Hashable], Sight] = {}
    keys = [(id(memory), look.key) for memory, look in sights]
    for key, sight in zip(keys, sights, strict=True):
        glance = sight.memory.find(sight.look.key)
        if glance is not None:
            found[key] = glance
        else:
            missing[key] = sight
    if missing:
        pictures = torch.stack([sight.look.picture() for sight in missing.values()])
        for (key, sight), glance in zip(missing.items(), model.look(pictures), strict=True):
            sight.memory.keep(sight.look.key, glance)
            found[key] = glance
    return [found[key] for key in keys]
