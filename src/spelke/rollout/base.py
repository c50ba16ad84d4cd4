"""What discovery needs of a world model, whatever the layout of its tokens.

A `WorldModel` looks at a square image once and returns a `Glance`; a glance answers many
counterfactual questions about that image. The costly encoding happens in `look`.
All points, displacements and flows are in pixels of the square image that was looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from spelke.types import Poke


@dataclass(frozen=True, slots=True)
class Query:
    """One counterfactual: what if these points moved so? `seed` decides whatever is drawn."""

    pokes: tuple[Poke, ...]
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a token is drawn from its logits (published defaults: 1.0, 1000, 0.9)."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None


@runtime_checkable
class Glance(Protocol):
    """What a world model has understood of one image."""

    def motion_affordance(self, queries: Sequence[Query]) -> Float[Tensor, "query rows columns"]:
        """Probability, per patch, that something there moves."""
        ...

    def entropy(self, queries: Sequence[Query]) -> Float[Tensor, "query rows columns"]:
        """Entropy in nats, per patch, of the predicted flow code."""
        ...

    def expected_displacement(self, queries: Sequence[Query]) -> Float[Tensor, "query 2 size size"]:
        """Mean predicted flow given each query's pokes."""
        ...

    def sample_flow(
        self, queries: Sequence[Query], num_sequential: int, sampling: Sampling
    ) -> Float[Tensor, "query 2 size size"]:
        """One possible flow field for each query: `num_sequential` patches drawn one after another,
        the rest in parallel.
        """
        ...


@runtime_checkable
class WorldModel(Protocol):
    """A network together with its quantizers, able to look at pictures."""

    size: int
    """Side in pixels of the square image that `look` takes."""
    patch_size: int
    """Side in pixels of the patch that a poke moves as a whole."""

    def look(self, image: Float[Tensor, "3 size size"]) -> Glance:
        """Encode one image in [0, 1], RGB."""
        ...
