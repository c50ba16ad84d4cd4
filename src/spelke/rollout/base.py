"""What discovery needs of a world model, whatever the layout of its tokens.

A `WorldModel` looks at square images once and returns a `Glance` of each; then it answers
counterfactual questions about them, any number in one call, about one image or many. The costly
encoding happens once for an image. How questions are batched is the model's business and does not
change the answers.
All points, displacements and flows are in pixels of the square image that was looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

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
    """What a world model has understood of one image; only the model that made it can read it."""


class Ask(NamedTuple):
    """A question about an image that was looked at."""

    glance: Glance
    query: Query


@runtime_checkable
class WorldModel(Protocol):
    """A network together with its quantizers, able to look at pictures."""

    size: int
    """Side in pixels of the square image that `look` takes."""
    patch_size: int
    """Side in pixels of the patch that a poke moves as a whole."""
    batching: str
    """How much is computed together on this device, and why; one sentence for people."""

    def look(self, images: Float[Tensor, "image 3 size size"]) -> list[Glance]:
        """Encode images in [0, 1], RGB."""
        ...

    def motion_affordance(self, asks: Sequence[Ask]) -> Float[Tensor, "ask rows columns"]:
        """Probability, per patch, that something there moves."""
        ...

    def entropy(self, asks: Sequence[Ask]) -> Float[Tensor, "ask rows columns"]:
        """Entropy in nats, per patch, of the predicted flow code."""
        ...

    def expected_displacement(self, asks: Sequence[Ask]) -> Float[Tensor, "ask 2 size size"]:
        """Mean predicted flow given each question's pokes."""
        ...

    def sample_flow(
        self, asks: Sequence[Ask], num_sequential: int, sampling: Sampling
    ) -> Float[Tensor, "ask 2 size size"]:
        """One possible flow field for each question: `num_sequential` patches drawn one after
        another, the rest in parallel.
        """
        ...
