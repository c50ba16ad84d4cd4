"""A picture or a flow field as a grid of codes, one for each 4x4 pixels, and back.

The encoder sees each 4x4 block alone; the decoder mixes neighbours. A code is the sign pattern of a
projected feature (lookup-free quantisation): bit i is the sign of channel i, first channel first.
Modules are named as in the published weights, so those load strictly.
Source: Venkatesh et al. 2025, section 3.1; Yu et al. 2023 (lookup-free quantisation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from spelke.errors import InvalidInput
from spelke.models.code_entropy import code_entropies
from spelke.tokens.layout import CODE_SIZE


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalQuantizerConfig:
    """Shape, input scale and training losses of a local quantizer."""

    in_channels: int
    """3 for RGB, 2 for flow."""
    num_bits: int
    """A code is one of 2**num_bits."""
    embed_dim: int = 512
    """Width at code resolution; halves with each of the decoder's two doublings of resolution."""
    mean: tuple[float, ...] = (0.0,)
    """Subtracted from the raw input, one for each channel or one for all."""
    std: tuple[float, ...] = (1.0,)
    """Divides what is left."""
    dropout: float = 0.1
    """Inside residual blocks, in training only."""
    inverse_temperature: float = 100.0
    """Sharpness of the soft code assignment in the entropy loss."""
    entropy_weight: float = 0.001
    """Weight of (entropy per sample - diversity_weight * entropy of the batch mean)."""
    diversity_weight: float = 1.0
    """How strongly the codes are pushed to be used equally often."""
    commitment_weight: float = 0.0025
    """Weight of the squared distance between a feature and its code vector."""

    def __post_init__(self) -> None:
        if not 1 <= self.num_bits <= 20:
            raise InvalidInput(f"num_bits must lie in 1..20, got {self.num_bits}")
        if self.in_channels < 1:
            raise InvalidInput(f"in_channels must be positive, got {self.in_channels}")
        if self.embed_dim < 4 or self.embed_dim % 4:
            raise InvalidInput(f"embed_dim must be a multiple of 4, got {self.embed_dim}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.in_channels):
                raise InvalidInput(
                    f"{name} must hold 1 or in_channels={self.in_channels} numbers, got {values}"
                )
        if not all(value > 0 for value in self.std):
            raise InvalidInput(f"std must be positive, got {self.std}")

    @property
    def vocab_size(self) -> int:
        """How many codes there are."""
        return 2**self.num_bits


def rgb_quantizer_config(embed_dim: int = 512, num_bits: int = 16) -> LocalQuantizerConfig:
    """The published RGB quantizer: input in [0, 1], normalised by the ImageNet statistics."""
    return LocalQuantizerConfig(
        in_channels=3,
        num_bits=num_bits,
        embed_dim=embed_dim,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )


def flow_quantizer_config(embed_dim: int = 512, num_bits: int = 15) -> LocalQuantizerConfig:
    """The published flow quantizer: input in pixels, divided by 20."""
    return LocalQuantizerConfig(
        in_channels=2, num_bits=num_bits, embed_dim=embed_dim, std=(20.0,), dropout=0.0
    )


class QuantizerOutput(NamedTuple):
    """What training needs of one pass.

    Attributes:
        reconstruction: the decoded input, normalised.
        codes: the grid of codes.
        loss: reconstruction_loss + the weighted auxiliary terms.
        reconstruction_loss: mean squared error, normalised units.
        sample_entropy: nats; how undecided the codes are (small is good).
        batch_entropy: nats; how evenly the codes are used (large is good).
        commitment: mean squared distance between features and code vectors.
    """

    reconstruction: Tensor
    codes: Tensor
    loss: Tensor
    reconstruction_loss: Tensor
    sample_entropy: Tensor
    batch_entropy: Tensor
    commitment: Tensor


class PixelNorm(nn.LayerNorm):
    """Layer norm over the channels of each pixel."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (batch, channel, height, width) over `channel`."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """Norm, convolution, SiLU, dropout, convolution, SiLU, and only then the residual sum."""

    def __init__(self, width: int, kernel_size: int, dropout: float) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.ln1 = PixelNorm(width)
        self.conv1 = nn.Conv2d(width, 2 * width, kernel_size, padding=padding)
        self.conv2 = nn.Conv2d(2 * width, width, kernel_size, padding=padding)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Refine (batch, width, height, width_px)."""
        hidden = self.dropout(nn.functional.silu(self.conv1(self.ln1(x))))
        return x + nn.functional.silu(self.conv2(hidden))


class Upsample(nn.Module):
    """Twice the resolution by nearest neighbours, then a convolution."""

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_width, out_width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Double height and width."""
        return self.conv(nn.functional.interpolate(x, scale_factor=2, mode="nearest"))


class BinaryQuantizer(nn.Module):
    """A feature vector as `num_bits` signs, on a sphere: code vectors are +-1/sqrt(num_bits)."""

    mask: Tensor

    def __init__(self, embed_dim: int, num_bits: int) -> None:
        super().__init__()
        self.project_in = nn.Linear(embed_dim, num_bits)
        self.project_out = nn.Linear(num_bits, embed_dim)
        # The first channel is the most significant bit.
        self.register_buffer("mask", 2 ** torch.arange(num_bits - 1, -1, -1))

    def code_vectors(self, codes: Int[Tensor, "*grid"]) -> Float[Tensor, "*grid num_bits"]:
        """Unit vectors of codes; codes outside the vocabulary count by their low bits."""
        signs = (
            (codes.to(self.mask.dtype)[..., None] & self.mask)
            .ne(0)
            .to(self.project_out.weight.dtype)
        )
        return (2 * signs - 1) * self.mask.numel() ** -0.5

    def to_codes(self, features: Float[Tensor, "*grid embed_dim"]) -> Int[Tensor, "*grid"]:
        """Codes of features; only the signs of the projection matter."""
        return ((self.project_in(features) > 0) * self.mask).sum(-1)

    def from_codes(self, codes: Int[Tensor, "*grid"]) -> Float[Tensor, "*grid embed_dim"]:
        """Features of codes."""
        return self.project_out(self.code_vectors(codes))

    def soften(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Codes, differentiable output features and unit projections of `features`, for training.

        The gradient passes the sign straight through.
        """
        unit = nn.functional.normalize(self.project_in(features), dim=-1)
        codes = ((unit > 0) * self.mask).sum(-1)
        passed = unit + (self.code_vectors(codes) - unit).detach()
        return codes, self.project_out(passed), unit


class LocalQuantizer(nn.Module):
    """Encoder, codes and decoder of one medium (RGB or flow).

    All pictures that enter or leave the methods are *normalised*; see `normalise`.
    """

    def __init__(self, config: LocalQuantizerConfig) -> None:
        super().__init__()
        self.config = config
        width, dropout = config.embed_dim, config.dropout
        self.encoder = nn.Sequential(
            nn.Conv2d(config.in_channels, width, CODE_SIZE, CODE_SIZE),
            nn.SiLU(),
            ResidualBlock(width, 1, dropout),
        )
        self.quantizer = BinaryQuantizer(width, config.num_bits)
        layers: list[nn.Module] = []
        for level in (width, width // 2, width // 4):
            layers += [ResidualBlock(level, 3, dropout) for _ in range(3)]
            if level > width // 4:
                layers.append(Upsample(level, level // 2))
        layers.append(nn.Conv2d(width // 4, config.in_channels, 3, padding=1))
        self.decoder = nn.Sequential(*layers)

    def normalise(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel height width"]:
        """Raw values (RGB in [0, 1], flow in pixels) to what the network takes."""
        return (x - self._column(self.config.mean, x)) / self._column(self.config.std, x)

    def denormalise(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel height width"]:
        """The inverse of `normalise`."""
        return x * self._column(self.config.std, x) + self._column(self.config.mean, x)

    def encode(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Int[Tensor, "batch rows columns"]:
        """Codes of a normalised picture; sides must be multiples of 4.

        Raises:
            InvalidInput: wrong number of channels, or a side that 4 does not divide.
        """
        return self.quantizer.to_codes(self._features(x))

    def decode(
        self, codes: Int[Tensor, "batch rows columns"]
    ) -> Float[Tensor, "batch channel height width"]:
        """The normalised picture of a grid of codes; codes out of range count by their low bits."""
        return self.decoder(self.quantizer.from_codes(codes).permute(0, 3, 1, 2))

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> QuantizerOutput:
        """Encode and decode a normalised picture, with the training losses.

        Source: Yu et al. 2023, eq. 4-6; weights as in the published code. How the published
        training weighted these terms against the reconstruction is unknown; here they are added.
        """
        codes, features, unit = self.quantizer.soften(self._features(x))
        reconstruction = self.decoder(features.permute(0, 3, 1, 2))
        reconstruction_loss = nn.functional.mse_loss(reconstruction, x)
        samples = unit.flatten(0, 2)
        sample_entropy, batch_entropy = code_entropies(samples, self.config.inverse_temperature)
        target = self.quantizer.code_vectors(codes).flatten(0, 2)
        commitment = nn.functional.mse_loss(samples, target)
        entropy = sample_entropy - self.config.diversity_weight * batch_entropy
        auxiliary = (
            self.config.entropy_weight * entropy + self.config.commitment_weight * commitment
        )
        return QuantizerOutput(
            reconstruction,
            codes,
            reconstruction_loss + auxiliary,
            reconstruction_loss,
            sample_entropy,
            batch_entropy,
            commitment,
        )

    def _features(self, x: Tensor) -> Tensor:
        _, channels, height, width = x.shape
        if channels != self.config.in_channels or height % CODE_SIZE or width % CODE_SIZE:
            raise InvalidInput(
                f"expected (batch, {self.config.in_channels}, height, width) with sides that are "
                f"multiples of {CODE_SIZE}, got {tuple(x.shape)}; resize or pad the input"
            )
        return self.encoder(x).permute(0, 2, 3, 1)  # (batch, rows, columns, embed_dim)

    @staticmethod
    def _column(values: tuple[float, ...], x: Tensor) -> Tensor:
        return torch.tensor(values, dtype=x.dtype, device=x.device).view(1, -1, 1, 1)
