"""The training loop: any objective, on Lightning Fabric, stoppable and resumable at every step.

A batch is a function of the step alone, so a run that is stopped and resumed sees the same batches
as one that never stopped. Checkpoints are whole or absent.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from spelke.errors import BadFile, Diverged, InvalidInput
from spelke.runtime.files import atomic_write

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"


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
    """Steps of linear warm-up."""
    weight_decay: float = 0.05
    """Of tensors with two or more dimensions."""
    betas: tuple[float, float] = (0.9, 0.98)
    """Of AdamW."""
    optimizer: str = "adamw"
    """"adamw", or "muon" (torch >= 2.9) for the matrices of the blocks and AdamW for the rest."""
    clip_norm: float = 1.0
    """Largest norm of the gradient."""
    ema_decay: float = 0.999
    """Of the averaged weights, which are the ones that are evaluated and shipped."""
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
        for name in ("num_steps", "batch_size", "accumulate", "log_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.optimizer not in ("adamw", "muon"):
            raise InvalidInput(f'optimizer must be "adamw" or "muon", got {self.optimizer!r}')


class Task(Protocol):
    """What is learned from what."""

    def objective(self) -> nn.Module:
        """A fresh module; called with a batch it returns (loss, metrics)."""
        ...

    def batches(self, first: int) -> Iterator[Any]:
        """Batches number `first`, `first + 1`, ... for ever."""
        ...

    def evaluate(self, objective: nn.Module, step: int, folder: Path) -> dict[str, float]:
        """Numbers, and pictures in `folder`, of the averaged weights."""
        ...


@dataclass(slots=True)
class Progress:
    """Where a run stands."""

    step: int = 0
    seconds: float = 0.0


def learning_rate_factor(step: int, config: FitConfig) -> float:
    """Linear warm-up, then a cosine from 1 to 0.01."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, config.num_steps - config.warmup_steps)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def make_optimizers(module: nn.Module, config: FitConfig) -> list[torch.optim.Optimizer]:
    """AdamW for everything, or Muon for block matrices and AdamW for the rest."""
    named = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
    matrices = []
    if config.optimizer == "muon":
        if not hasattr(torch.optim, "Muon"):
            raise InvalidInput(
                f'optimizer "muon" needs torch >= 2.9, this is {torch.__version__}; use "adamw"'
            )
        matrices = [p for n, p in named if p.ndim == 2 and ".blocks." in f".{n}"]
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


def fit(
    task: Task,
    config: FitConfig,
    folder: Path,
    *,
    max_minutes: float | None = None,
    resume: bool = False,
    report: Callable[[dict[str, float]], None] = lambda line: None,
    accelerator: str = "auto",
) -> nn.Module:
    """Train until `config.num_steps` or `max_minutes`, and return the averaged objective.

    Args:
        task: what is learned.
        config: schedule and optimiser.
        folder: receives `checkpoint.pt`, `log.jsonl`, TensorBoard events and pictures.
        max_minutes: stop after this time in this call; `resume` goes on later.
        resume: continue from the checkpoint in `folder`; an error if there is none.
        report: called with every line of the log.
        accelerator: Fabric's: "auto", "cpu", "cuda".

    Raises:
        InvalidInput: the folder holds a run and `resume` is False, or the reverse.
        Diverged: the loss is not finite; the last checkpoint is kept.
    """
    checkpoint = folder / CHECKPOINT
    _check_folder(checkpoint, resume)
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    fabric = Fabric(accelerator=accelerator, devices=1, precision=config.precision)
    objective = task.objective()
    averaged = AveragedModel(objective, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay))
    averaged = averaged.to(fabric.device)
    module, *optimizers = fabric.setup(objective, *make_optimizers(objective, config))
    progress = Progress()
    if resume:
        progress = _restore(checkpoint, objective, averaged, optimizers, fabric.device)
    log = _Log(folder, report)
    started, before = time.monotonic(), progress.seconds
    batches = task.batches(progress.step * config.accumulate)

    def save() -> None:
        progress.seconds = before + time.monotonic() - started
        _save(checkpoint, objective, averaged, optimizers, progress, config)

    try:
        while progress.step < config.num_steps:
            metrics = _step(fabric, module, optimizers, batches, progress.step, config)
            averaged.update_parameters(objective)
            progress.step += 1
            progress.seconds = before + time.monotonic() - started
            if progress.step % config.log_every == 0 or progress.step == config.num_steps:
                log.write({"step": progress.step, "seconds": progress.seconds, **metrics})
            if progress.step % config.evaluate_every == 0 or progress.step == config.num_steps:
                scores = task.evaluate(averaged.module, progress.step, folder)
                log.write({"step": progress.step, **scores})
            if progress.step % config.checkpoint_every == 0:
                save()
            if max_minutes is not None and time.monotonic() - started > 60 * max_minutes:
                break
    except KeyboardInterrupt:
        save()
        raise
    save()
    log.close()
    return averaged.module


def _step(
    fabric: Fabric,
    module: nn.Module,
    optimizers: list[Any],
    batches: Iterator[Any],
    step: int,
    config: FitConfig,
) -> dict[str, float]:
    """One optimiser step; returns metrics averaged over its forward passes."""
    sums: dict[str, list[float]] = {}
    for number in range(config.accumulate):
        batch = fabric.to_device(next(batches))
        with fabric.no_backward_sync(module, enabled=number + 1 < config.accumulate):
            loss, metrics = module(batch)
            fabric.backward(loss / config.accumulate)
        if not torch.isfinite(loss):
            raise Diverged(
                f"the loss became {float(loss)} at step {step}; the last checkpoint is kept. "
                "Resume with a smaller learning rate"
            )
        for name, value in metrics.items():
            sums.setdefault(name, []).append(float(value))
    rate = config.learning_rate * learning_rate_factor(step, config)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate
    parameters = [p for p in module.parameters() if p.grad is not None]
    norm = nn.utils.clip_grad_norm_(parameters, config.clip_norm)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()
    means = {name: sum(values) / len(values) for name, values in sums.items()}
    return {**means, "gradient_norm": float(norm), "learning_rate": rate}


class _Log:
    """JSON lines and TensorBoard of the same numbers."""

    def __init__(self, folder: Path, report: Callable[[dict[str, float]], None]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.file = (folder / LOG).open("a")
        self.board = SummaryWriter(str(folder / "tensorboard"))
        self.report = report

    def write(self, line: dict[str, float]) -> None:
        line = {k: v if isinstance(v, int) else float(f"{v:.5g}") for k, v in line.items()}
        print(json.dumps(line), file=self.file, flush=True)
        for name, value in line.items():
            if name != "step":
                self.board.add_scalar(name, value, int(line["step"]))
        self.report(line)

    def close(self) -> None:
        self.file.close()
        self.board.close()


def _check_folder(checkpoint: Path, resume: bool) -> None:
    if resume and not checkpoint.exists():
        raise InvalidInput(f"there is nothing to resume: {checkpoint} does not exist")
    if not resume and checkpoint.exists():
        raise InvalidInput(
            f"{checkpoint} exists: resume that run, or choose another output folder"
        )


def _save(
    path: Path,
    objective: nn.Module,
    averaged: nn.Module,
    optimizers: list[Any],
    progress: Progress,
    config: FitConfig,
) -> None:
    state: dict[str, Tensor | Any] = {
        "objective": objective.state_dict(),
        "averaged": averaged.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "progress": dataclasses.asdict(progress),
        "config": dataclasses.asdict(config),
    }
    with atomic_write(path) as temporary:
        torch.save(state, temporary)


def _restore(
    path: Path,
    objective: nn.Module,
    averaged: nn.Module,
    optimizers: list[Any],
    device: torch.device,
) -> Progress:
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        raise BadFile(f"cannot read the checkpoint {path}: {error}") from error
    objective.load_state_dict(state["objective"])
    averaged.load_state_dict(state["averaged"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return Progress(**state["progress"])
