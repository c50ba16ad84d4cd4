"""How long, how fast and by which optimiser to train."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from spelke.errors import InvalidInput


@dataclass(frozen=True, kw_only=True, slots=True)
class FitConfig:
    """How long, how fast and how carefully to train."""

    num_steps: int
    """Optimiser steps of the whole schedule."""
    batch_size: int = 16
    """Samples of one forward pass."""
    accumulate: int = 1
    """Forward passes of one optimiser step."""
    learning_rate: float = 1e-3
    """Peak, reached after warm-up; falls to 1 % of it along a cosine."""
    warmup_steps: int = 200
    """Steps of linear warm-up, of each cycle."""
    cycles: int = 1
    """Times that the learning rate warms up and falls, equally long (warm restarts: Loshchilov &
    Hutter 2017). So a run that has come to its end can be made longer, and still be one run."""
    weight_decay: float = 0.05
    """Of tensors with two or more dimensions."""
    betas: tuple[float, float] = (0.9, 0.98)
    """Of AdamW."""
    optimizer: str = "adamw"
    """"adamw", or "muon" (torch >= 2.9) for the matrices of the blocks and AdamW for the rest."""
    clip_norm: float = 1.0
    """Largest norm of the gradient."""
    ema_decay: float = 0.999
    """Of the averaged weights, which are evaluated and shipped; reached slowly, so that a short run
    forgets its random start."""
    precision: str = "bf16-mixed"
    """Lightning Fabric's precision."""
    log_every: int = 20
    """Steps between lines of the log."""
    evaluate_every: int = 1000
    """Steps between evaluations."""
    checkpoint_every: int = 500
    """Steps between checkpoints."""
    seed: int = 0
    """Of initial weights and of all samples."""

    def __post_init__(self) -> None:
        counts = ("num_steps", "cycles", "batch_size", "accumulate")
        for name in (*counts, "log_every", "evaluate_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("learning_rate", "clip_norm"):
            if not getattr(self, name) > 0:
                raise InvalidInput(f"{name} must be positive, got {getattr(self, name)}")
        if self.warmup_steps < 0 or self.weight_decay < 0:
            raise InvalidInput(
                "warmup_steps and weight_decay must not be negative, got "
                f"{self.warmup_steps} and {self.weight_decay}"
            )
        if not 0 <= self.ema_decay < 1:
            raise InvalidInput(f"ema_decay must lie in [0, 1), got {self.ema_decay}")
        if self.optimizer not in ("adamw", "muon"):
            raise InvalidInput(f'optimizer must be "adamw" or "muon", got {self.optimizer!r}')


def learning_rate_factor(step: int, config: FitConfig) -> float:
    """In each cycle a linear warm-up, then a cosine from 1 to 0.01."""
    length = -(-config.num_steps // config.cycles)
    step -= length * min(step // length, config.cycles - 1)
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, length - config.warmup_steps)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def make_optimizers(module: nn.Module, config: FitConfig) -> list[torch.optim.Optimizer]:
    """AdamW for everything, or Muon for the matrices of transformer blocks and AdamW for the rest.

    Raises:
        InvalidInput: Muon without torch >= 2.9, or without transformer blocks.
    """
    named = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
    matrices = []
    if config.optimizer == "muon":
        if not hasattr(torch.optim, "Muon"):
            raise InvalidInput(
                f'optimizer "muon" needs torch >= 2.9, this is {torch.__version__}; use "adamw"'
            )
        # `blocks` in our own network, `h` in the published one.
        matrices = [p for n, p in named if p.ndim == 2 and {"blocks", "h"} & set(n.split("."))]
        if not matrices:
            raise InvalidInput(
                f'optimizer "muon" is for networks with transformer blocks, which a '
                f'{type(module).__name__} has not; use "adamw"'
            )
    chosen = {id(p) for p in matrices}
    rest = [p for _, p in named if id(p) not in chosen]
    groups = [
        {"params": [p for p in rest if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, eps=1e-7)
    ]
    if matrices:
        optimizers.append(
            torch.optim.Muon(
                matrices,
                lr=config.learning_rate,
                weight_decay=config.weight_decay,
                adjust_lr_fn="match_rms_adamw",
            )
        )
    return optimizers


def warming_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """The update of averaged weights: memory grows with the run, up to `decay`.

    With a fixed memory of a thousand steps, a run of seven hundred would ship a model that is half
    its random start.
    """

    def update(averaged: Any, current: Any, count: Any) -> None:
        share = min(decay, (1 + int(count)) / (10 + int(count)))
        get_ema_multi_avg_fn(share)(averaged, current, count)

    return update
