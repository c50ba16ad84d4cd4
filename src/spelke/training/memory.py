"""Whether a training can fit into memory, asked before it starts."""

from __future__ import annotations

import torch
from torch import nn

from spelke.errors import Unavailable
from spelke.runtime.device import free_bytes

_BYTES = 4
"""Of a float32; weights, gradients, averages and moments are all kept in it."""


def check_memory(objective: nn.Module, device: torch.device) -> None:
    """Refuse a training whose weights and optimiser alone cannot fit.

    What a batch needs comes on top and is not counted: a training that passes may still fail.

    Raises:
        Unavailable: with what is needed and what is free.
    """
    needed, free = needed_bytes(objective), free_bytes(device)
    if free is not None and needed > free:
        count = sum(parameter.numel() for parameter in objective.parameters())
        raise Unavailable(
            f"training {count / 1e6:.1f} M parameters takes at least {needed / 1e9:.1f} GB for "
            f"weights, gradients, averages and optimiser, and {device} has {free / 1e9:.1f} GB "
            "free; use a smaller recipe, or a machine with more memory"
        )


def needed_bytes(objective: nn.Module) -> int:
    """Memory still to be taken for gradients, averages and the moments of AdamW."""
    every = sum(parameter.numel() for parameter in objective.parameters())
    trained = sum(p.numel() for p in objective.parameters() if p.requires_grad)
    return _BYTES * (every + 3 * trained)
