"""A training that takes milliseconds: a line through points, with dropout and a frozen part."""

from __future__ import annotations

import itertools

import torch
from torch import nn

from spelke.training.schedule import FitConfig

CONFIG = FitConfig(
    num_steps=12,
    batch_size=4,
    learning_rate=0.05,
    warmup_steps=3,
    precision="32-true",
    log_every=4,
    evaluate_every=6,
    checkpoint_every=5,
    ema_decay=0.9,
)


class ToyObjective(nn.Module):
    def __init__(self, width: int = 3, dropout: float = 0.25) -> None:
        super().__init__()
        self.line = nn.Linear(width, 1)
        self.dropout = nn.Dropout(dropout)
        self.frozen = nn.Linear(1, 1).requires_grad_(False)
        nn.init.constant_(self.frozen.weight, 2.0)
        nn.init.zeros_(self.frozen.bias)

    def forward(self, batch):
        x, y = batch
        loss = (self.line(self.dropout(x)) - y).square().mean()
        return loss, {"loss": loss.detach(), "never": torch.tensor(float("nan"))}


class ToyTask:
    """Batches are a function of their number; `events` happen when a batch is asked for."""

    def __init__(self, batch_size: int = 4, width: int = 3, dropout: float = 0.25, events=None):
        self.batch_size, self.width, self.dropout = batch_size, width, dropout
        self.events = events or {}
        self.asked: list[int] = []
        self.evaluated: list[int] = []
        self.fresh: list[bool] = []

    def objective(self, fresh: bool = True):
        self.fresh.append(fresh)
        return ToyObjective(self.width, self.dropout)

    def batches(self, first):
        for number in itertools.count(first):
            self.asked.append(number)
            scale = self.events.get(number, lambda: 1.0)()
            rows = [self.row(number * self.batch_size + n) for n in range(self.batch_size)]
            x = torch.stack(rows)
            yield scale * x, x.sum(1, keepdim=True) + 1

    def few(self, count):
        x = torch.stack([self.row(number) for number in range(count)])
        return x, x.sum(1, keepdim=True) + 1

    def row(self, number):
        return torch.randn(self.width, generator=torch.Generator().manual_seed(number))

    def evaluate(self, objective, step, folder):
        assert not torch.is_grad_enabled()
        assert not objective.training
        self.evaluated.append(step)
        return {"held_out/weight": float(objective.line.weight.sum())}
