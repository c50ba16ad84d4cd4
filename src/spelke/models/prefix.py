"""A flow world model that reads a picture once and answers many pokes about it.

The same blocks as the published network, in another layout of the sequence:
* an RGB patch is one continuous embedding (a small convolutional stem) instead of five tokens;
* the picture is a prefix that attends to itself in both directions and never to a poke, so it is
  encoded once;
* a flow pointer does not start from a bare position: it *forks* from what the prefix knows about
  its patch after `fork_depth` blocks, and passes the remaining blocks alone. A poke costs those
  only;
* conditions (camera, then revealed flow patches, in any order) are causal among themselves;
  pointers see the picture and the conditions, not each other, so any subset of patches can be asked
  in one pass, and a sampled patch simply joins the conditions.

Source: Venkatesh et al. 2025, section 3 (local random access sequences); the layout is ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from spelke.errors import InvalidInput
from spelke.models.block import Block, Norm
from spelke.models.patched import PatchedSquare
from spelke.models.stem import ConvStem
from spelke.models.waves import fourier_features, sinusoids
from spelke.tokens.flow_codes import nearest_codes
from spelke.tokens.layout import CODE_SIZE

CAMERA_NUMBERS = 6
"""Rotation vector in degrees and translation in metres, of the camera's motion."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PrefixConfig(PatchedSquare):
    """Shape of a `PrefixWorld`; a pointer stands for a patch, whose side is 4, 8, 16 ... pixels."""

    num_codes: int = 512
    """Size of the flow vocabulary; a code is a displacement of 4x4 pixels."""
    embed_dim: int = 256
    """Width of a token."""
    depth: int = 8
    """Number of blocks."""
    fork_depth: int = 6
    """Blocks that only the picture passes, before pointers fork from it."""
    num_heads: int = 4
    """Attention heads."""
    stem_dim: int = 48
    """Channels at half resolution in the convolutional stem."""
    cell_dim: int = 64
    """Width of the features from which the code of one 4x4 cell is read."""

    def __post_init__(self) -> None:
        PatchedSquare.__post_init__(self)
        self.check_positive("num_codes", "num_heads", "stem_dim", "cell_dim")
        self.check_divides("patch_size", CODE_SIZE)
        if self.patch_size & (self.patch_size - 1):
            raise InvalidInput(f"patch_size must be a power of two, got {self.patch_size}")
        self.check_divides("embed_dim", 4, self.num_heads)
        self.check_divides("stem_dim", 8)
        if not 0 < self.fork_depth < self.depth:
            raise InvalidInput(
                f"fork_depth must lie between 0 and depth={self.depth}, got {self.fork_depth}"
            )

    @property
    def slots_per_side(self) -> int:
        """Flow codes along one side of a patch."""
        return self.patch_size // CODE_SIZE

    @property
    def num_slots(self) -> int:
        """Flow codes of a patch."""
        return self.slots_per_side**2


class PrefixView(NamedTuple):
    """What the network has understood of a batch of pictures.

    Attributes:
        state: (batch, patch, embed_dim), where pointers fork.
        keys_values: of the picture, one pair for each block after the fork.
        detail: (batch, patch, slot, cell_dim), fine features for the head.
    """

    state: Tensor
    keys_values: list[tuple[Tensor, Tensor]]
    detail: Tensor


class Conditions(NamedTuple):
    """What is known about the flow when a question is asked.

    Attributes:
        camera: (batch, question, 6) motion of the camera; zeros for a fixed one.
        patches: (batch, question, condition) indices of patches whose flow is revealed.
        codes: (batch, question, condition, slot) their flow codes.
        valid: (batch, question, condition) False where an entry is padding.
    """

    camera: Tensor
    patches: Tensor
    codes: Tensor
    valid: Tensor


class PrefixWorld(nn.Module):
    """Predicts, for any patch, which flow codes it will show, given a picture and revealed flow.

    `look` costs `depth` blocks over all patches, once for a picture; `ask` costs the
    `depth - fork_depth` last blocks over the patches that are asked about.
    """

    displacements: Tensor

    def __init__(self, config: PrefixConfig) -> None:
        super().__init__()
        self.config = config
        width = config.embed_dim
        self.stem = ConvStem(width, config.stem_dim, config.cell_dim, config.slots_per_side)
        self.position = nn.Parameter(torch.zeros(config.num_patches, width))
        self.blocks = nn.ModuleList(Block(width, config.num_heads) for _ in range(config.depth))
        self.pointer = nn.Parameter(torch.zeros(width))
        self.code_embedding = nn.Embedding(config.num_slots * config.num_codes, width)
        self.camera = nn.Linear(CAMERA_NUMBERS, width)
        self.ln_f = Norm(width)
        self.to_cells = nn.Linear(width, config.num_slots * config.cell_dim)
        self.head = nn.Linear(config.cell_dim, config.num_codes)
        # Of each code, in pixels: what a poke is written as, and what an answer means.
        self.register_buffer("displacements", torch.zeros(config.num_codes, 2))
        self.init_weights()

    def init_weights(self) -> None:
        """Set every parameter outside the stem, which keeps torch's default.

        Linear: N(0, 1 / fan_in), into the residual divided by sqrt(2 depth); biases 0; norms 1; the
        pointer 0; positions: sines and cosines; code embedding: N(0, 0.25). All that is added to a
        token is about as large as the stem's output: whatever is smaller, the first norm drowns,
        and the network takes thousands of steps to notice it.
        """
        for name, parameter in self.named_parameters():
            if name.startswith("stem."):
                continue
            if parameter.ndim == 2:
                scale = (2 * self.config.depth) ** -0.5 if "c_proj" in name else 1.0
                nn.init.normal_(parameter, std=scale * parameter.shape[1] ** -0.5)
            elif name.endswith(".bias"):
                nn.init.zeros_(parameter)
        nn.init.normal_(self.code_embedding.weight, std=0.5)
        with torch.no_grad():
            self.position.copy_(sinusoids(self.config.patches_per_side, self.config.embed_dim))

    @torch.no_grad()
    def init_codes(
        self,
        displacements: Float[Tensor, "code 2"],
        generator: torch.Generator | None = None,
    ) -> None:
        """Tell the network what codes mean: similar flow, similar embedding and row of the head.

        Codes are symbols without order; flow is a plane. Started from random Fourier features of
        each code's displacement, what is learned about one code holds for its neighbours from the
        first step.

        Args:
            displacements: of each code, in pixels; kept in the checkpoint.
            generator: draws the features.
        """
        self.displacements.copy_(displacements)
        features = fourier_features(displacements, self.config.cell_dim, generator)
        width, slots = self.config.embed_dim, self.config.num_slots
        shape = (slots + 1, self.config.cell_dim, width)
        mix = torch.randn(shape, generator=generator) / self.config.cell_dim**0.5
        # A part shared by all slots, so that a uniform poke adds up, and a part of each slot's own.
        table = torch.cat([features @ (mix[-1] + 0.5 * mix[slot]) for slot in range(slots)])
        self.code_embedding.weight.copy_(table / slots**0.5)
        self.head.weight.copy_(features)

    @torch.no_grad()
    def learn_from(self, other: PrefixWorld, displacements: Float[Tensor, "code 2"]) -> None:
        """Take over what a network of the same shape knows, in a vocabulary of our own.

        A code begins as the mean of the three codes of `other` that lie nearest to it, by inverse
        distance, and an old code's probability is shared among the new ones that are nearest to it.

        Args:
            other: trained; its configuration may differ in `num_codes` only.
            displacements: of each of our codes, in pixels.
        """
        ours = self.state_dict()
        taken = {k: v for k, v in other.state_dict().items() if v.shape == ours[k].shape}
        self.load_state_dict(taken, strict=False)
        self.displacements.copy_(displacements)
        away, near = torch.cdist(displacements, other.displacements).topk(3, largest=False)
        share = 1 / away.clamp(min=1e-3)
        share = (share / share.sum(1, keepdim=True))[..., None]
        heirs = torch.bincount(near[:, 0], minlength=other.config.num_codes).clamp(min=1)
        self.head.weight.copy_((share * other.head.weight[near]).sum(1))
        bias = other.head.bias - heirs.log()
        self.head.bias.copy_((share[..., 0] * bias[near]).sum(1))
        old = other.code_embedding.weight.unflatten(0, (self.config.num_slots, -1))
        self.code_embedding.weight.copy_((share * old[:, near]).sum(2).flatten(0, 1))

    def codes_of(self, moved: Float[Tensor, "*grid 2"]) -> Int[Tensor, "*grid"]:
        """Codes of displacements in pixels: the nearest of the vocabulary."""
        return nearest_codes(self.displacements, moved)

    def look(self, image: Float[Tensor, "batch 3 height width"]) -> PrefixView:
        """Read pictures in [0, 1] of the configured size.

        Raises:
            InvalidInput: the picture has another size.
        """
        side = self.config.image_size
        if image.shape[1:] != (3, side, side):
            raise InvalidInput(
                f"expected pictures of shape (batch, 3, {side}, {side}), got {tuple(image.shape)}; "
                "crop or resize them first"
            )
        patches, cells = self.stem(image)
        x = patches.flatten(2).transpose(1, 2) + self.position  # (batch, patch, embed_dim)
        for block in self.blocks[: self.config.fork_depth]:
            x = block(x)
        state, keys_values = x, []
        for block in self._late_blocks:
            keys_values.append(block.keys_values(x))
            # What the picture would become after the last block is seen by nobody.
            if len(keys_values) < self.config.depth - self.config.fork_depth:
                x = block(x)
        return PrefixView(state, keys_values, self._by_patch(cells))

    def ask(
        self,
        view: PrefixView,
        conditions: Conditions,
        patches: Int[Tensor, "batch question pointer"],
    ) -> Float[Tensor, "batch question pointer slot code"]:
        """Logits of the flow codes of `patches`, for several questions about each picture."""
        batch, questions, pointers = patches.shape
        known = conditions.patches.shape[2] + 1  # revealed patches, and the camera
        # Pointers are copies of the picture's state.
        forked = self._states(view, patches) + self.pointer
        x = torch.cat([self._embed(view, conditions), forked], 1)
        mask = self._mask(conditions.valid, pointers, self.config.num_patches)
        for block, picture in zip(self._late_blocks, view.keys_values, strict=True):
            known_keys_values = block.keys_values(x[:, :known])
            key, value = (
                torch.cat([seen.repeat_interleave(questions, 0), added], 2)
                for seen, added in zip(picture, known_keys_values, strict=True)
            )
            x = block(x, context=(key, value), mask=mask)
        cells = self.to_cells(self.ln_f(x[:, known:])).unflatten(2, (self.config.num_slots, -1))
        detail = torch.stack([d[p] for d, p in zip(view.detail, patches, strict=True)])
        logits = self.head(nn.functional.gelu(cells + detail.flatten(0, 1)))
        return logits.unflatten(0, (batch, questions))

    def _embed(self, view: PrefixView, conditions: Conditions) -> Tensor:
        """The camera and the revealed patches, (batch * question, 1 + condition, embed_dim)."""
        slots = torch.arange(self.config.num_slots, device=conditions.codes.device)
        codes = self.code_embedding(conditions.codes + slots * self.config.num_codes)
        revealed = self._states(view, conditions.patches) + codes.sum(3).flatten(0, 1)
        camera = self.camera(conditions.camera.to(self.camera.weight.dtype)).flatten(0, 1)
        return torch.cat([camera[:, None].to(revealed.dtype), revealed], 1)

    @property
    def _late_blocks(self) -> list[Block]:
        """The blocks that pointers pass too."""
        return cast(list[Block], list(self.blocks[self.config.fork_depth :]))

    @staticmethod
    def _states(view: PrefixView, patches: Tensor) -> Tensor:
        """What the picture knows about patches, (batch * question, patch, embed_dim)."""
        picked = [state[index] for state, index in zip(view.state, patches, strict=True)]
        return torch.stack(picked).flatten(0, 1)

    @staticmethod
    def _mask(
        valid: Bool[Tensor, "batch question condition"], pointers: int, num_patches: int
    ) -> Float[Tensor, "row 1 token key"]:
        """Bias of attention: everybody sees the picture and the camera; conditions are causal."""
        rows = valid.flatten(0, 1)
        known = rows.shape[1] + 1
        seen = torch.nn.functional.pad(rows, (1, 0), value=True)[:, None, None, :]
        causal = torch.ones(known, known, dtype=torch.bool, device=rows.device).tril()
        order = torch.nn.functional.pad(causal, (0, 0, 0, pointers), value=True)
        # A handful of conditions against hundreds of patches: without this head start, attention
        # begins with less than 1 % of its weight on what was poked.
        weight = torch.full(seen.shape, math.log(num_patches), device=rows.device)
        bias = weight.expand(-1, -1, known + pointers, -1).masked_fill(~(seen & order), -math.inf)
        return torch.nn.functional.pad(bias, (num_patches, 0))

    def _by_patch(self, cells: Tensor) -> Tensor:
        """A map at 4-pixel resolution to (batch, patch, slot, cell_dim), slots row by row."""
        side, slots = self.config.patches_per_side, self.config.slots_per_side
        x = cells.unflatten(3, (side, slots)).unflatten(2, (side, slots))
        return x.permute(0, 2, 4, 3, 5, 1).flatten(3, 4).flatten(1, 2)
