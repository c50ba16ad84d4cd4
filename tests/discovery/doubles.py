"""World models whose answers are known: one that is right, some that are blind.

The perfect one reads the truth off the picture: every thing is painted in one pure colour on a
black ground, so that a crop of a crop still tells what is where. A poke moves the whole thing
under it. It counts what it is asked, to prove what is shared and batched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from spelke.rollout.base import Ask, Query, Sampling
from spelke.types import Poke

PALETTE = torch.tensor(
    [[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]]
)
"""Colour of the ground and of things 1 to 6."""


def paint(ids: np.ndarray) -> np.ndarray:
    """The picture of a map of thing numbers: (height, width, 3) uint8."""
    return (PALETTE[torch.from_numpy(ids).long()] * 255).to(torch.uint8).numpy()


def things(picture: torch.Tensor) -> torch.Tensor:
    """The map of thing numbers that a picture shows, (size, size)."""
    return torch.cdist(picture.flatten(1).T, PALETTE).argmin(1).reshape(picture.shape[-2:])


@dataclass
class Counts:
    """What a world model was asked."""

    looks: list[int] = field(default_factory=list)
    """Number of pictures of each call."""
    calls: list[int] = field(default_factory=list)
    """Number of queries of each call."""
    queries: list[Query] = field(default_factory=list)


class PerfectGlance:
    def __init__(self, model: PerfectWorldModel, picture: torch.Tensor) -> None:
        self.model = model
        self.things = things(picture)

    def affordance(self) -> torch.Tensor:
        patch = self.model.patch_size
        movable = torch.isin(self.things, torch.tensor(self.model.movable)).float()
        return movable.unfold(0, patch, patch).unfold(1, patch, patch).mean((-1, -2))

    def response(self, pokes: tuple[Poke, ...], seed: int) -> torch.Tensor:
        flow = torch.zeros(2, *self.things.shape)
        for poke in pokes:
            thing = self.things[round(poke.point[1]), round(poke.point[0])]
            if poke.length > 0 and int(thing) in self.model.movable:
                flow[:, self.things == thing] = torch.tensor(poke.displacement)[:, None]
        return flow


class PerfectWorldModel:
    """Moves the whole thing under each poke, and nothing else."""

    glance = PerfectGlance

    def __init__(
        self, size: int = 128, patch_size: int = 8, movable: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
    ) -> None:
        self.size = size
        self.patch_size = patch_size
        self.batching = "as asked"
        self.movable = movable
        self.counts = Counts()

    def look(self, images: torch.Tensor) -> list:
        assert images.shape[1:] == (3, self.size, self.size)
        self.counts.looks.append(len(images))
        return [self.glance(self, image) for image in images]

    def motion_affordance(self, asks: Sequence[Ask]) -> torch.Tensor:
        return torch.stack([ask.glance.affordance() for ask in asks])

    def entropy(self, asks: Sequence[Ask]) -> torch.Tensor:
        return self.motion_affordance(asks) * 2

    def expected_displacement(self, asks: Sequence[Ask]) -> torch.Tensor:
        self.counts.calls.append(len(asks))
        self.counts.queries.extend(query for _, query in asks)
        return torch.stack([glance.response(query.pokes, query.seed) for glance, query in asks])

    def sample_flow(
        self, asks: Sequence[Ask], num_sequential: int, sampling: Sampling
    ) -> torch.Tensor:
        return self.expected_displacement(asks)


class StillGlance(PerfectGlance):
    def response(self, pokes: tuple[Poke, ...], seed: int) -> torch.Tensor:
        return torch.zeros(2, *self.things.shape)


class NoiseGlance(PerfectGlance):
    def response(self, pokes: tuple[Poke, ...], seed: int) -> torch.Tensor:
        source = torch.Generator().manual_seed(seed)
        return 10 * torch.randn(2, *self.things.shape, generator=source)


class StubbornGlance(PerfectGlance):
    """Moves every thing, always to the right: well segmented flow that ignores the poke."""

    def response(self, pokes: tuple[Poke, ...], seed: int) -> torch.Tensor:
        flow = torch.zeros(2, *self.things.shape)
        flow[0, self.things > 0] = 10.0
        return flow


class StillWorldModel(PerfectWorldModel):
    """Answers that nothing moves."""

    glance = StillGlance


class NoiseWorldModel(PerfectWorldModel):
    """Answers with noise."""

    glance = NoiseGlance


class StubbornWorldModel(PerfectWorldModel):
    """Answers without regard to the poke."""

    glance = StubbornGlance
