"""The keys and values of tokens already read, so that no token is ever read twice.

Notable choices: buffers are allocated once at their final length; a prefix that many continuations
share is held once (batch 1) and is never written again.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from spelke.errors import InvalidInput


@dataclass(slots=True, eq=False)
class LayerCache:
    """Keys and values of one layer.

    Attributes:
        keys: (batch, head, capacity, head_dim) buffer.
        values: a buffer of the same shape.
        length: how many places are filled.
        prefix: shared keys and values that come before, each (1, head, time, head_dim), or None.
    """

    keys: Tensor
    values: Tensor
    length: int = 0
    prefix: tuple[Tensor, Tensor] | None = None

    def append(
        self,
        keys: Float[Tensor, "batch head time head_dim"],
        values: Float[Tensor, "batch head time head_dim"],
    ) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor] | None]:
        """Add tokens; return all own keys and values so far, and the shared prefix.

        Raises:
            InvalidInput: the cache is full.
        """
        end = self.length + keys.shape[2]
        if end > self.keys.shape[2]:
            raise InvalidInput(
                f"{keys.shape[2]} tokens do not fit a cache that holds {self.length} of "
                f"{self.keys.shape[2]}; allocate it with a larger capacity"
            )
        self.keys[:, :, self.length : end] = keys
        self.values[:, :, self.length : end] = values
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end], self.prefix


class Cache:
    """Keys and values of all layers: what a causal network remembers of a sequence.

    Args:
        layers: one `LayerCache` for each block.
    """

    def __init__(self, layers: list[LayerCache]) -> None:
        self.layers = layers

    @classmethod
    def allocate(
        cls,
        shape: tuple[int, int, int, int, int],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> Cache:
        """Reserve room for `shape` = (layer, batch, head, capacity, head_dim)."""
        depth, *rest = shape
        return cls(
            [
                LayerCache(
                    torch.empty(rest, dtype=dtype, device=device),
                    torch.empty(rest, dtype=dtype, device=device),
                )
                for _ in range(depth)
            ]
        )

    @property
    def length(self) -> int:
        """Tokens remembered, those of the shared prefix included."""
        first = self.layers[0]
        return first.length + (0 if first.prefix is None else first.prefix[0].shape[2])

    @property
    def batch(self) -> int:
        """How many sequences are remembered side by side."""
        return self.layers[0].keys.shape[0]

    def branch(self, batch: int, capacity: int) -> Cache:
        """Begin `batch` continuations of at most `capacity` tokens each.

        What is remembered so far becomes their shared prefix: it is referred to, not copied. A
        branch of a branch of batch 1 joins the two stretches into one prefix (a copy, once).

        Raises:
            InvalidInput: this cache remembers more than one sequence.
        """
        if self.batch != 1:
            raise InvalidInput(
                f"only a cache of one sequence can be branched, this one holds {self.batch}; "
                "branch before the sequences part"
            )
        return Cache([_branch(layer, batch, capacity) for layer in self.layers])

    def rewind(self, length: int) -> None:
        """Forget everything after the first `length` tokens (prefix included)."""
        surplus = self.length - length
        if not 0 <= surplus <= self.layers[0].length:
            raise InvalidInput(
                f"cannot rewind to {length}: own tokens begin at "
                f"{self.length - self.layers[0].length} and end at {self.length}"
            )
        for layer in self.layers:
            layer.length -= surplus


def _branch(layer: LayerCache, batch: int, capacity: int) -> LayerCache:
    keys, values = layer.keys[:, :, : layer.length], layer.values[:, :, : layer.length]
    if layer.prefix is not None:
        keys = torch.cat([layer.prefix[0], keys], 2)
        values = torch.cat([layer.prefix[1], values], 2)
    _, head, _, head_dim = layer.keys.shape
    room = (batch, head, capacity, head_dim)
    return LayerCache(keys.new_empty(room), values.new_empty(room), 0, (keys, values))
