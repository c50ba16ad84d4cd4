"""The network that continues a sequence of picture, camera and flow tokens.

It knows nothing of pixels, pokes or sampling. Notable choices, those of the published weights: a
position id says *what* a token is (which patch, which slot), never where it stands, so patches can
come in any order; the head is untied; nothing has a bias. The head can be cut to the columns that
are wanted, because all logits of one sequence take most of a gigabyte.
Source: Venkatesh et al. 2025, section 3.1.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from spelke.errors import InvalidInput
from spelke.models.block import Block, Norm
from spelke.models.cache import Cache


@dataclass(frozen=True, kw_only=True, slots=True)
class LRASConfig:
    """Size of the network."""

    vocab_size: int
    """Number of tokens, padding included."""
    num_positions: int
    """Number of position ids."""
    depth: int
    """Blocks."""
    num_heads: int
    """Attention heads in each block."""
    embed_dim: int
    """Width of a token."""

    def __post_init__(self) -> None:
        for name in ("vocab_size", "num_positions", "depth", "num_heads", "embed_dim"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} must be positive, got {getattr(self, name)}")
        if self.embed_dim % self.num_heads:
            raise InvalidInput(
                f"embed_dim={self.embed_dim} is not a multiple of num_heads={self.num_heads}; "
                "choose a width that the heads divide"
            )


def spelkenet_1b_config() -> LRASConfig:
    """The published flow predictor of 1.0 G parameters."""
    return LRASConfig(
        vocab_size=111_616, num_positions=22_536, depth=36, num_heads=20, embed_dim=1280
    )


def spelkenet_7b_config() -> LRASConfig:
    """The published flow predictor of 7.4 G parameters."""
    return LRASConfig(
        vocab_size=111_616, num_positions=22_536, depth=32, num_heads=32, embed_dim=4096
    )


def lras_3d_config() -> LRASConfig:
    """The published flow-conditioned picture predictor used for editing."""
    return LRASConfig(
        vocab_size=69_120, num_positions=19_456, depth=32, num_heads=32, embed_dim=4096
    )


class LRAS(nn.Module):
    """A causal transformer over tokens with free position ids.

    Input are token ids and position ids (batch, length); output are logits of the *next* token.
    Cost is quadratic in the length, linear in it per new token with a cache.
    """

    def __init__(self, config: LRASConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = nn.ModuleDict(
            {
                "token_embedding": nn.Embedding(config.vocab_size, config.embed_dim),
                "positional_embedding": nn.Embedding(config.num_positions, config.embed_dim),
                "h": nn.ModuleList(
                    Block(config.embed_dim, config.num_heads) for _ in range(config.depth)
                ),
                "ln_f": Norm(config.embed_dim),
            }
        )
        self.lm_head = nn.Linear(config.embed_dim, config.vocab_size, bias=False)
        self.init_weights()

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh weights.

        | what | distribution |
        |---|---|
        | embeddings, linear maps | N(0, 0.02) |
        | every `c_proj` | N(0, 0.02 / sqrt(2 depth)) |
        | norms | 1 |
        """
        for name, parameter in self.named_parameters():
            if parameter.ndim == 1:
                parameter.fill_(1.0)
            else:
                shrink = math.sqrt(2 * self.config.depth) if "c_proj" in name else 1.0
                parameter.normal_(0.0, 0.02 / shrink, generator=generator)

    def forward(
        self,
        tokens: Int[Tensor, "batch length"],
        positions: Int[Tensor, "batch length"] | None = None,
        cache: Cache | None = None,
        columns: slice = slice(None),
    ) -> Float[Tensor, "batch length column"]:
        """Logits of the token after each given one; the arguments are those of its two halves."""
        return self.logits(self.features(tokens, positions, cache), columns)

    def features(
        self,
        tokens: Int[Tensor, "batch length"],
        positions: Int[Tensor, "batch length"] | None = None,
        cache: Cache | None = None,
    ) -> Float[Tensor, "batch length embed_dim"]:
        """What the head reads.

        Args:
            tokens: token ids.
            positions: position ids, by default counted on from what the cache holds.
            cache: earlier tokens; the new ones are added to it.

        Raises:
            InvalidInput: the sequence has more default positions than the network.
        """
        if positions is None:
            start = 0 if cache is None else cache.length
            positions = torch.arange(start, start + tokens.shape[1], device=tokens.device)[None]
            if start + tokens.shape[1] > self.config.num_positions:
                raise InvalidInput(
                    f"a sequence of {start + tokens.shape[1]} tokens needs explicit `positions`: "
                    f"the network has num_positions={self.config.num_positions}"
                )
        with self._precision():
            return self._features(tokens, positions, cache)

    def _features(self, tokens: Tensor, positions: Tensor, cache: Cache | None) -> Tensor:
        parts = self.transformer
        x = parts["token_embedding"](tokens) + parts["positional_embedding"](positions)
        x = x.float()  # what blocks add to stays exact, whatever precision they work in
        for index, block in enumerate(cast(nn.ModuleList, parts["h"])):
            x = block(x, causal=True, cache=None if cache is None else cache.layers[index])
        return parts["ln_f"](x)

    def logits(
        self, features: Float[Tensor, "*batch embed_dim"], columns: slice = slice(None)
    ) -> Float[Tensor, "*batch column"]:
        """Logits of the tokens in `columns`."""
        weight = self.lm_head.weight[columns]
        return nn.functional.linear(features.to(weight.dtype), weight)

    def _precision(self) -> AbstractContextManager:
        """Matrices of lower precision multiply in theirs; norms, softmax and residuals do not."""
        weight = self.lm_head.weight
        if weight.dtype is torch.float32:
            return nullcontext()  # whoever calls may have chosen another
        return torch.autocast(weight.device.type, weight.dtype)

    def loss(
        self,
        tokens: Int[Tensor, "batch length"],
        positions: Int[Tensor, "batch length"] | None,
        targets: Int[Tensor, "batch target"],
    ) -> Float[Tensor, ""]:
        """Mean cross entropy of the last places against `targets` (not shifted; -1 is ignored)."""
        features = self.features(tokens, positions)[:, -targets.shape[1] :]
        return nn.functional.cross_entropy(
            self.logits(features).flatten(0, 1).float(), targets.flatten(), ignore_index=-1
        )
