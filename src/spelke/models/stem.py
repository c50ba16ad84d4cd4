"""A picture to one embedding for each patch, by a few convolutions."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


class ConvStem(nn.Module):
    """Picture to one embedding for each patch, and features at 4-pixel resolution.

    Args:
        embed_dim: width of a patch's embedding.
        width: channels at half resolution; a multiple of 8.
        cell_dim: width of the features at 4-pixel resolution.
        patch_cells: side of a patch in cells of 4 pixels.
    """

    def __init__(self, embed_dim: int, width: int, cell_dim: int, patch_cells: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 2, 1)
        self.norm1 = nn.GroupNorm(8, width)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, 2, 1)
        self.norm2 = nn.GroupNorm(8, 2 * width)
        self.conv3 = nn.Conv2d(2 * width, 2 * width, 3, 1, 1)
        self.norm3 = nn.GroupNorm(8, 2 * width)
        self.to_patch = nn.Conv2d(2 * width, embed_dim, patch_cells, patch_cells)
        self.to_cell = nn.Conv2d(2 * width, cell_dim, 1, bias=False)

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> tuple[
        Float[Tensor, "batch embed_dim rows columns"],
        Float[Tensor, "batch cell_dim cell_rows cell_columns"],
    ]:
        """Patch embeddings and cell features of pictures in [0, 1], both as maps."""
        x = nn.functional.gelu(self.norm1(self.conv1(image * 4 - 2)))
        x = nn.functional.gelu(self.norm2(self.conv2(x)))
        x = x + nn.functional.gelu(self.norm3(self.conv3(x)))
        return self.to_patch(x), self.to_cell(x)
