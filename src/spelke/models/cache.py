"""The keys and values of tokens already read, so that no token is ever read twice.

Notable choices: buffers are allocated once at their final length, in whatever precision the first
keys come; sequences that continue something already read refer to it and copy nothing, so any
number of continuations costs its own tokens only; what was tried out at the end of a sequence is
forgotten by moving a number back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from spelke.errors import InvalidInput

KeysValues = tuple[Tensor, Tensor]
"""Keys and values, each (batch, head, time, head_dim)."""


@dataclass(slots=True, eq=False)
class LayerCache:
    """Keys and values of one layer.

    Attributes:
        capacity: how many own tokens fit.
        length: how many own tokens are held.
        prefixes: what comes before, each of batch 1; equal shares of the sequences follow each.
        keys: (batch, head, capacity, head_dim), None until the first token comes.
        values: of the same shape.
    """

    capacity: int
    length: int = 0
    prefixes: tuple[KeysValues, ...] = ()
    keys: Tensor | None = None
    values: Tensor | None = None

    def append(
        self,
        keys: Float[Tensor, "batch head time head_dim"],
        values: Float[Tensor, "batch head time head_dim"],
    ) -> KeysValues:
        """Add tokens; return all own keys and values so far.

        Raises:
            InvalidInput: the cache is full.
        """
        batch, head, time, head_dim = keys.shape
        end = self.length + time
        if end > self.capacity:
            raise InvalidInput(
                f"{time} tokens do not fit a cache that holds {self.length} of {self.capacity}; "
                "reserve room for them first"
            )
        if self.keys is None or self.values is None:
            shape = (batch, head, self.capacity, head_dim)
            # Keys beside a prefix stay float32: attention to both takes its scores in float32, and
            # would otherwise convert all of them again for every new token.
            self.keys = keys.new_empty(shape, dtype=torch.float32 if self.prefixes else keys.dtype)
            self.values = values.new_empty(shape)
        self.keys[:, :, self.length : end] = keys
        self.values[:, :, self.length : end] = values
        self.length = end
        return self.held()

    def held(self) -> KeysValues:
        """All own keys and values so far.

        Raises:
            InvalidInput: nothing was read yet.
        """
        if self.keys is None or self.values is None:
            raise InvalidInput("this cache is empty; read something first")
        return self.keys[:, :, : self.length], self.values[:, :, : self.length]

    def reserve(self, capacity: int) -> None:
        """Make room for `capacity` own tokens in all; buffers that are large enough stay."""
        if capacity <= self.capacity:
            return
        self.capacity = capacity
        if self.keys is not None and self.values is not None:
            self.keys, self.values = (
                _enlarged(buffer, self.length, capacity) for buffer in (self.keys, self.values)
            )


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

    @classmethod
    def after(cls, caches: Sequence[Cache], capacity: int) -> Cache:
        """Begin continuations of at most `capacity` tokens each.

        Args:
            caches: what was read, one sequence each, all of one length. Equal shares of the
                continuations follow each of them, in this order. They are referred to (where their
                keys are float32; else the keys are converted once) and may be appended to while the
                continuations live, as long as what they hold now is not overwritten.
            capacity: of each continuation, in tokens.

        Raises:
            InvalidInput: a cache holds several sequences or follows others itself, or they differ
                in length.
        """
        if len({cache.length for cache in caches}) != 1:
            lengths = ", ".join(str(cache.length) for cache in caches)
            raise InvalidInput(
                f"continuations that advance together must follow sequences of one length, got "
                f"lengths {lengths or 'of nothing'}"
            )
        layers = zip(*(cache.layers for cache in caches), strict=True)
        return cls([LayerCache(capacity, prefixes=tuple(map(_prefix, each))) for each in layers])

    @property
    def length(self) -> int:
        """Tokens remembered of each sequence, those that it continues included."""
        first = self.layers[0]
        before = first.prefixes[0][0].shape[2] if first.prefixes else 0
        return first.length + before

    @property
    def num_bytes(self) -> int:
        """Memory of the own tokens, room that is not yet used included."""
        buffers = (x for layer in self.layers for x in (layer.keys, layer.values) if x is not None)
        return sum(buffer.numel() * buffer.element_size() for buffer in buffers)

    def reserve(self, num_tokens: int) -> None:
        """Make room for so many more tokens; buffers that are large enough stay as they are."""
        for layer in self.layers:
            layer.reserve(layer.length + num_tokens)

    def append_from(self, other: Cache, row: int) -> None:
        """Add the own tokens of one sequence of another cache, as if they had been read here."""
        for layer, source in zip(self.layers, other.layers, strict=True):
            if source.length:
                layer.append(*(buffer[row : row + 1] for buffer in source.held()))

    def copy(self) -> Cache:
        """An independent copy of the sequences' own tokens; what they continue stays shared."""
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
        """Forget everything after the first `length` tokens (those that it continues included).

        Raises:
            InvalidInput: `length` lies before the own tokens or in the future.
        """
        surplus = self.length - length
        if not 0 <= surplus <= self.layers[0].length:
            raise InvalidInput(
                f"cannot rewind to {length}: own tokens begin at "
                f"{self.length - self.layers[0].length} and end at {self.length}"
            )
        for layer in self.layers:
            layer.length -= surplus


def _prefix(layer: LayerCache) -> KeysValues:
    keys, values = layer.held()
    if keys.shape[0] != 1 or layer.prefixes:
        raise InvalidInput(
            f"only a cache of one whole sequence can be continued by several, this one holds "
            f"{keys.shape[0]} after {len(layer.prefixes)} others"
        )
    return keys.float(), values


def _enlarged(buffer: Tensor, length: int, capacity: int) -> Tensor:
    batch, head, _, head_dim = buffer.shape
    larger = buffer.new_empty(batch, head, capacity, head_dim)
    larger[:, :, :length] = buffer[:, :, :length]
    return larger
