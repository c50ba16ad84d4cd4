"""A predictor of the next frame from the first and a few patches of the next.

With hardly any patch of the second frame to see, the few that are seen have to tell what moved
where, so that showing it a patch in another place asks what would move along (a counterfactual).
Source: Bear et al. 2023, "Unifying (machine) vision via counterfactual world modeling", arXiv
2306.01828. The network is ours and small: one stack of blocks over the patches of both frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from spelke.models.block import Block, Norm
from spelke.models.patched import PatchedSquare
from spelke.models.waves import sinusoids


@dataclass(frozen=True, kw_only=True, slots=True)
class TwoFrameConfig(PatchedSquare):
    """Shape of a `TwoFramePredictor`."""

    embed_dim: int = 256
    """Width of a token."""
    depth: int = 8
    """Number of blocks."""
    num_heads: int = 4
    """Attention heads."""

    def __post_init__(self) -> None:
        PatchedSquare.__post_init__(self)
        self.check_positive("embed_dim", "depth", "num_heads")
        self.check_divides("embed_dim", 4, self.num_heads)


class TwoFramePredictor(nn.Module):
    """Both frames as patches, the unseen ones of the second as one learned token, blocks, pixels.

    Args:
        config: shape of the network.
    """

    def __init__(self, config: TwoFrameConfig) -> None:
        super().__init__()
        self.config = config
        width, pixels = config.embed_dim, 3 * config.patch_size**2
        self.embed = nn.Linear(pixels, width)
        self.unseen = nn.Parameter(torch.randn(width) * 0.02)
        self.frame = nn.Parameter(torch.randn(2, 1, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, config.num_heads) for _ in range(config.depth))
        self.norm = Norm(width)
        self.head = nn.Linear(width, pixels)
        self.place: Tensor
        self.register_buffer("place", sinusoids(config.patches_per_side, width), persistent=False)

    def forward(
        self,
        first: Float[Tensor, "batch 3 size size"],
        second: Float[Tensor, "batch 3 size size"],
        visible: Bool[Tensor, "batch patch"],
    ) -> Float[Tensor, "batch 3 size size"]:
        """Predict the second frame.

        Args:
            first: the first frame, RGB in [0, 1].
            second: the second; what is not visible of it changes nothing.
            visible: which of its patches are seen, row by row from the top left.

        Returns:
            The second frame, with the visible patches as they were given.
        """
        known = self._patches(second)
        mine = torch.where(visible[..., None], self.embed(known - 0.5), self.unseen)
        tokens = torch.stack([self.embed(self._patches(first) - 0.5), mine], dim=1)
        x = (tokens + self.frame + self.place).flatten(1, 2)
        for block in self.blocks:
            x = block(x)
        guessed = self.head(self.norm(x[:, visible.shape[1] :])) + 0.5
        patches = torch.where(visible[..., None], known, guessed)
        side, patch = self.config.patches_per_side, self.config.patch_size
        return rearrange(
            patches, "b (r c) (y x k) -> b k (r y) (c x)", r=side, c=side, y=patch, x=patch
        )

    def _patches(self, image: Tensor) -> Float[Tensor, "batch patch pixels"]:
        patch = self.config.patch_size
        return rearrange(image, "b k (r y) (c x) -> b (r c) (y x k)", y=patch, x=patch)
