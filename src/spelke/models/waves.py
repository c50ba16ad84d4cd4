"""Waves that say where something is or how far it moves: fixed features of small vectors."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def sinusoids(side: int, embed_dim: int) -> Float[Tensor, "patch embed_dim"]:
    """Sines and cosines of a patch's column and row, wavelengths from 2 patches to 4 pictures."""
    frequencies = math.pi * torch.logspace(0, -math.log10(4 * side), embed_dim // 4)
    angles = torch.arange(side)[:, None] * frequencies
    wave = torch.cat([angles.sin(), angles.cos()], 1)  # (side, embed_dim / 2)
    columns, rows = wave.repeat(side, 1), wave.repeat_interleave(side, 0)
    return 0.5 * torch.cat([columns, rows], 1)


def fourier_features(
    displacement: Float[Tensor, "code 2"], size: int, generator: torch.Generator | None = None
) -> Float[Tensor, "code size"]:
    """Random cosines of a displacement, at wavelengths from about 10 to 100 pixels."""
    wavelength = 10 * 10 ** torch.linspace(0, 1, size)
    direction = torch.randn(2, size, generator=generator)
    phase = 2 * math.pi * torch.rand(size, generator=generator)
    angle = displacement @ (direction / direction.norm(dim=0) * 2 * math.pi / wavelength)
    return (2 / size) ** 0.5 * 2 * (angle + phase).cos()
