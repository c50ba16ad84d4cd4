"""The keys and values of tokens already read, so that no token is ever read twice.

Notable choices: buffers are allocated once at their final length, in whatever precision the first
keys come; a prefix that many continuations share is held once (batch 1) and never written again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from spelke.errors import InvalidInput


@dataclass(slots=True, eq=False)
class LayerCache:
    """Keys and values of one layer.

    Attributes:
        capacity: how many own tokens fit.
        length: how many own tokens are held.
        prefix: shared keys and values that come before, each (1, head, time, head_dim), or None.
        keys: (batch, head, capacity, head_dim), None until the first token comes.
        values: of the same shape.
    """

    capacity: int
    length: int = 0
    prefix: tuple[Tensor, Tensor] | None = None
    keys: Tensor | None = None
    values: Tensor | None = None

    def append(
        self,
        keys: Float[Tensor, "batch head time head_dim"],
        values: Float[Tensor, "batch head time head_dim"],
    ) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor] | None]:
        """Add tokens; return all own keys and values so far, and the shared prefix.

        Raises:
            InvalidInput: the cache is full.
        """
        batch, head, time, head_dim = keys.shape
        end = self.length + time
        if end > self.capacity:
            raise InvalidInput(
                f"{time} tokens do not fit a cache that holds {self.length} of {self.capacity}; "
                "make it with a larger capacity"
            )
        if self.keys is None or self.values is None:
            self.keys = keys.new_empty(batch, head, self.capacity, head_dim)
            self.values = values.new_empty(batch, head, self.capacity, head_dim)
        self.keys[:, :, self.length : end] = keys
        self.values[:, :, self.length : end] = values
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end], self.prefix

    def branch(self, capacity: int) -> LayerCache:
        """An empty layer whose shared prefix is all that this one holds."""
        if self.keys is None or self.values is None or self.length == 0:
            return LayerCache(capacity, prefix=self.prefix)
        if self.keys.shape[0] != 1:
            raise InvalidInput(
                f"only a cache of one sequence can be branched, this one holds "
                f"{self.keys.shape[0]}; branch before the sequences part"
            )
        own = self.keys[:, :, : self.length], self.values[:, :, : self.length]
        if self.prefix is not None:
            own = torch.cat([self.prefix[0], own[0]], 2), torch.cat([self.prefix[1], own[1]], 2)
        return LayerCache(capacity, prefix=own)


class Cache:
    """Keys and values of all layers: what a causal network remembers of its sequences.

    Args:
        layers: one `LayerCache` for each block.
    """

    def __init__(self, layers: list[LayerCache]) -> None:
        self.layers = layers

    @classmethod
    def empty(cls, depth: int, capacity: int) -> Cache:
        """Room for `capacity` tokens in each of `depth` layers."""
        return cls([LayerCache(capacity) for _ in range(depth)])

    @property
    def length(self) -> int:
        """Tokens remembered of each sequence, those of the shared prefix included."""
        first = self.layers[0]
        return first.length + (0 if first.prefix is None else first.prefix[0].shape[2])

    def branch(self, capacity: int) -> Cache:
        """Begin continuations of at most `capacity` tokens each, any number side by side.

        What is remembered so far becomes their shared prefix; it is referred to, not copied (a
        branch of a branch joins the two stretches, one copy). It must not be appended to afterwards
        beyond its present length; `branch` again for other continuations.

        Raises:
            InvalidInput: this cache remembers more than one sequence.
        """
        return Cache([layer.branch(capacity) for layer in self.layers])

    def copy(self) -> Cache:
        """An independent copy of the sequences' own tokens; the shared prefix stays shared."""
        return Cache(
            [
                replace(
                    layer,
                    keys=None if layer.keys is None else layer.keys.clone(),
                    values=None if layer.values is None else layer.values.clone(),
                )
                for layer in self.layers
            ]
        )

    def rewind(self, length: int) -> None:
        """Forget everything after the first `length` tokens (prefix included).

        Raises:
            InvalidInput: `length` lies inside the shared prefix or in the future.
        """
        surplus = self.length - length
        if not 0 <= surplus <= self.layers[0].length:
            raise InvalidInput(
                f"cannot rewind to {length}: own tokens begin at "
                f"{self.length - self.layers[0].length} and end at {self.length}"
            )
        for layer in self.layers:
            layer.length -= surplus
