"""Which pokes to ask about: directions, lengths, still corners, companions on a segment.

Source: Venkatesh et al. 2025, statistical counterfactual probing. Points and displacements are in
pixels of the view that is poked. The draws repeat those of the released code when the generator
starts in the same state.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from spelke.discovery.settings import Stage
from spelke.rollout.base import Query
from spelke.types import Point, Poke

COMPANION_DISTANCE = (9 / 256, 50 / 256)
"""Nearest and farthest companion, as fractions of the view's side (published: 9 to 50 of 256)."""
COMPANION_TRIES = 100


def evenly_spaced(
    count: int, min_length: float, max_length: float, generator: torch.Generator
) -> Float[Tensor, "count 2"]:
    """Displacements at the angles 2 pi k / count, each with a length drawn from U(min, max)."""
    lengths = min_length + torch.rand(count, generator=generator) * (max_length - min_length)
    angles = 2 * math.pi * torch.arange(count) / count
    return torch.stack((lengths * torch.cos(angles), lengths * torch.sin(angles)), dim=1)


def still_corners(size: int, patch_size: int, free_of: tuple[Poke, ...] = ()) -> tuple[Poke, ...]:
    """Zero pokes, one in each corner patch that `free_of` does not poke: the camera stands still.

    The released code always gives all four. Where one meets a poked patch, it contradicts the poke.
    """
    far = float(size - patch_size)
    taken = {tuple(value // patch_size for value in poke.point) for poke in free_of}
    corners = ((far, 0.0), (0.0, 0.0), (0.0, far), (far, far))
    return tuple(
        Poke.still((x, y)) for x, y in corners if (x // patch_size, y // patch_size) not in taken
    )


def companion_point(
    region: Bool[np.ndarray, "size size"], point: Point, generator: torch.Generator
) -> Point | None:
    """A second point on the region at a moderate distance; None if a hundred tries find none.

    The angle is drawn before the radius, and the offset from the point is rounded, as published.
    """
    size = region.shape[0]
    nearest, farthest = (fraction * size for fraction in COMPANION_DISTANCE)
    for _ in range(COMPANION_TRIES):
        angle = 2 * math.pi * torch.rand(1, generator=generator)
        radius = torch.empty(1).uniform_(nearest, farthest, generator=generator)
        x = int(point[0]) + round((radius * torch.cos(angle)).item())
        y = int(point[1]) + round((radius * torch.sin(angle)).item())
        if 0 <= x < size and 0 <= y < size and region[y, x]:
            return (float(x), float(y))
    return None


def poke_by(point: Point, displacement: Float[Tensor, " 2"], whole: bool) -> Poke:
    """A poke by a drawn displacement; `whole` truncates its end to whole pixels.

    The end is rounded to single precision first, as in the released code.
    """
    ends = [float(np.float32(point[i]) + np.float32(displacement[i])) for i in (0, 1)]
    if whole:
        ends = [float(int(end)) for end in ends]
    return Poke(point, (ends[0] - point[0], ends[1] - point[1]))


class Draws:
    """The random choices of one segment: poke lengths, companions and the seeds of the queries.

    With `published` the state passes through what the released code leaves in torch's global
    generator, where each model call re-seeds with its own seed (1000 + repetition + direction).
    """

    def __init__(self, seed: int, *, published: bool = False, single_seed: bool = False) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self._seed = seed
        self._published = published
        self._single_seed = single_seed

    def query_seed(self, repetition: int, direction: int) -> int:
        """The seed of one query."""
        if self._published:
            seed = 1000 + repetition + direction
            self.generator.manual_seed(seed)
            return seed
        if self._single_seed:
            return self._seed
        return int(torch.randint(2**31, (1,), generator=self.generator))


def plan_queries(
    point: Point,
    stage: Stage,
    draws: Draws,
    *,
    size: int,
    region: Bool[np.ndarray, "size size"] | None = None,
    whole: bool = False,
) -> list[Query]:
    """All queries of a stage for one point; the last poke of each is the one to correlate with.

    Args:
        point: the point that was asked about, in pixels of the view.
        stage: how many directions and repetitions, how long, with which companion.
        draws: the random choices; advanced.
        size: side of the view in pixels.
        region: where companions may lie; None or empty: no companions.
        whole: truncate the end of each poke to whole pixels.
    """
    queries = []
    for repetition in range(stage.num_seeds):
        displacements = evenly_spaced(
            stage.num_directions, stage.min_length * size, stage.max_length * size, draws.generator
        )
        for direction, displacement in enumerate(displacements):
            points = [point]
            if stage.companion != "none" and region is not None:
                companion = companion_point(region, point, draws.generator)
                if companion is not None and stage.companion == "together":
                    points.append(companion)
                elif companion is not None and direction % 2:
                    points = [companion]
            pokes = tuple(poke_by(each, displacement, whole) for each in points)
            queries.append(Query(pokes, draws.query_seed(repetition, direction)))
    return queries
