"""The residual block that every transformer here is a stack of.

It serves causally with a cache, bidirectionally, and as cross attention into given keys and values.
Sub-module names are those of the published weights; norms have a weight and no bias.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from spelke.models.attention import Attention, Mask
from spelke.models.cache import KeysValues, LayerCache


class Norm(nn.LayerNorm):
    """Layer norm without bias, in float32 whatever precision comes in."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__(embed_dim, bias=False)

    def forward(self, x: Float[Tensor, "*batch embed_dim"]) -> Float[Tensor, "*batch embed_dim"]:
        """Normalise each token."""
        shape, weight = self.normalized_shape, self.weight.float()
        return nn.functional.layer_norm(x.float(), shape, weight, None, self.eps)


class FeedForward(nn.Module):
    """Two linear maps around an exact (erf) GELU, applied to each token alone."""

    def __init__(self, embed_dim: int, mlp_ratio: int | float = 4) -> None:
        super().__init__()
        hidden = int(embed_dim * mlp_ratio)
        self.c_fc = nn.Linear(embed_dim, hidden, bias=False)
        self.c_proj = nn.Linear(hidden, embed_dim, bias=False)

    def forward(
        self, x: Float[Tensor, "batch length embed_dim"]
    ) -> Float[Tensor, "batch length embed_dim"]:
        """Transform each token."""
        return self.c_proj(nn.functional.gelu(self.c_fc(x)))


class Block(nn.Module):
    """Attention and feed-forward, each normalised before and added to what came in.

    Args:
        embed_dim: width of a token.
        num_heads: attention heads; must divide `embed_dim`.
        mlp_ratio: hidden width of the feed-forward in units of `embed_dim`.
    """

    def __init__(self, embed_dim: int, num_heads: int, mlp_ratio: int | float = 4) -> None:
        super().__init__()
        self.ln_1 = Norm(embed_dim)
        self.attn = Attention(embed_dim, num_heads)
        self.ln_2 = Norm(embed_dim)
        self.mlp = FeedForward(embed_dim, mlp_ratio)

    def keys_values(self, x: Float[Tensor, "batch length embed_dim"]) -> KeysValues:
        """What another stream of tokens may attend to in this layer, `x` being its input here."""
        return self.attn.keys_values(self.ln_1(x))

    def forward(
        self,
        x: Float[Tensor, "batch length embed_dim"],
        context: KeysValues | None = None,
        mask: Mask | None = None,
        causal: bool = False,
        *,
        cache: LayerCache | None = None,
    ) -> Float[Tensor, "batch length embed_dim"]:
        """Pass tokens through the block; the arguments are those of `Attention`."""
        seen = self.attn(self.ln_1(x), context=context, cache=cache, mask=mask, causal=causal)
        x = x + seen
        return x + self.mlp(self.ln_2(x))
