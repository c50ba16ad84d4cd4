"""The training loop: any objective, on Lightning Fabric, stoppable and resumable at every step.

A batch is a function of the step alone, and so is what is drawn inside a network, so a run that is
stopped and resumed ends where one that never stopped does. Checkpoints are whole or absent.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from lightning.fabric import Fabric
from torch import nn
from torch.optim.swa_utils import AveragedModel

from spelke.errors import Diverged, Unavailable
from spelke.runtime.device import choose_device
from spelke.runtime.seed import spawn
from spelke.training.interruption import Interruption
from spelke.training.log import Line, Log, Means
from spelke.training.memory import check_memory, check_step, is_out_of_memory
from spelke.training.schedule import (
    FitConfig,
    learning_rate_factor,
    make_optimizers,
    warming_average,
)
from spelke.training.state import CHECKPOINT, check_folder, restore_state, save_state


@runtime_checkable
class Task(Protocol):
    """What is learned from what."""

    def objective(self, fresh: bool = True) -> nn.Module:
        """A new module; called with a batch it returns (loss, metrics).

        With `fresh` False its weights are about to be replaced by those of a checkpoint, so what
        is costly to initialise may be left out.
        """
        ...

    def batches(self, first: int) -> Iterator[Any]:
        """Batches number `first`, `first + 1`, ... for ever."""
        ...

    def few(self, count: int) -> Any:
        """A batch of the first `count` samples, to measure what a sample takes."""
        ...

    def evaluate(self, objective: nn.Module, step: int, folder: Path) -> dict[str, float]:
        """Numbers of the averaged weights, and pictures in `folder`; called without gradients."""
        ...


@dataclass(slots=True)
class Progress:
    """Where a run stands."""

    step: int = 0
    seconds: float = 0.0


def fit(
    task: Task,
    config: FitConfig,
    folder: Path,
    *,
    max_minutes: float | None = None,
    resume: bool = False,
    report: Callable[[Line], None] = lambda line: None,
    accelerator: str = "auto",
) -> nn.Module:
    """Train until `config.num_steps` or `max_minutes`, and return the averaged objective.

    Ctrl-C, an error while a batch is prepared, and a lack of memory in a step save the state before
    they are passed on.

    Args:
        task: what is learned.
        config: schedule and optimiser.
        folder: receives `checkpoint.pt`, `log.jsonl`, TensorBoard events and pictures.
        max_minutes: stop after this time in this call, at least one step; `resume` goes on later.
        resume: continue from the checkpoint in `folder`; an error if there is none.
        report: called with every line of the log.
        accelerator: Fabric's: "auto", "cpu", "cuda".

    Raises:
        InvalidInput: the folder holds a run and `resume` is False, or the reverse; or the run is
            of another network.
        BadFile: the checkpoint cannot be read.
        Diverged: the loss or its gradient is not finite; the last checkpoint is kept.
        Unavailable: the accelerator, memory or disk space is lacking; memory is estimated before
            the first step.
    """
    called = time.monotonic()
    check_folder(folder, resume)
    folder.mkdir(parents=True, exist_ok=True)
    run = _begin(task, config, not resume, accelerator)
    if resume:
        run.restore(folder / CHECKPOINT)
    log = Log(folder, report, run.progress.step)
    try:
        with Interruption() as interruption:
            batches = task.batches(run.progress.step * config.accumulate)
            while run.progress.step < config.num_steps:
                run.step(batches)
                minutes = (time.monotonic() - called) / 60
                stops = interruption.asked or (max_minutes is not None and minutes > max_minutes)
                _record(run, task, log, folder, stops)
                if stops:
                    break
                if run.progress.step % config.checkpoint_every == 0:
                    run.save(folder / CHECKPOINT)
        run.save(folder / CHECKPOINT)
        if interruption.asked:
            raise KeyboardInterrupt
    except Diverged as error:
        raise Diverged(f"{error}; {_after_divergence(folder)}") from None
    except (Unavailable, KeyboardInterrupt):
        raise
    except Exception as error:
        if run.is_whole:
            run.save(folder / CHECKPOINT)
        if is_out_of_memory(error):
            raise Unavailable(_no_memory(run, config)) from error
        raise
    finally:
        log.close()
    return run.averaged.module


def _begin(task: Task, config: FitConfig, fresh: bool, accelerator: str) -> _Run:
    """Set the run up; that takes weights to their device, and makes a small batch."""
    try:
        return _Run(task, config, fresh, accelerator)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise Unavailable(
            f"there is not enough memory to begin ({error}): use a smaller recipe, or a machine "
            "with more memory; nothing was changed"
        ) from error


def _after_divergence(folder: Path) -> str:
    if (folder / CHECKPOINT).exists():
        return "the last checkpoint is kept. Resume from it with a smaller learning rate"
    return "nothing was saved yet. Start again with a smaller learning rate"


def _no_memory(run: _Run, config: FitConfig) -> str:
    kept = "the state is saved" if run.is_whole else "the last checkpoint is kept"
    where = "evaluating after" if run.evaluates else "in"
    return (
        f"{run.fabric.device} ran out of memory {where} step {run.progress.step} with "
        f"{config.batch_size} samples in a forward pass; {kept}. Resume with a smaller "
        f"--batch-size and so much larger an --accumulate (now {config.accumulate}): the product "
        "is what a step learns from"
    )


def _record(run: _Run, task: Task, log: Log, folder: Path, stops: bool) -> None:
    """Write lines of the log where they are due, and where the run stops."""
    step, config = run.progress.step, run.config
    is_last = step == config.num_steps
    if step % config.log_every == 0 or is_last or stops:
        log.write({"step": step, "seconds": run.progress.seconds, **run.means.take()})
    if step % config.evaluate_every == 0 or is_last:
        scores = run.evaluate(task, folder)
        if scores:
            log.write({"step": step, **scores})


class _Run:
    """Everything that a step changes.

    Args:
        task: what is learned.
        config: schedule and optimiser.
        fresh: False where a checkpoint will be restored.
        accelerator: Fabric's.
    """

    def __init__(self, task: Task, config: FitConfig, fresh: bool, accelerator: str) -> None:
        if accelerator == "cuda":
            choose_device("cuda")  # says what is lacking
        torch.manual_seed(config.seed)
        self.config = config
        precision: Any = config.precision
        self.fabric = Fabric(accelerator=accelerator, devices=1, precision=precision)
        self.objective = task.objective(fresh)
        check_memory(self.objective, self.fabric.device)
        average = warming_average(config.ema_decay)
        self.averaged = AveragedModel(self.objective, multi_avg_fn=average)
        self.averaged = self.averaged.to(self.fabric.device).eval()
        optimizers = make_optimizers(self.objective, config)
        self.module, *self.optimizers = self.fabric.setup(self.objective, *optimizers)
        pair = self.fabric.to_device(task.few(2))
        check_step(self.module, pair, config.batch_size, self.fabric.device)
        self.progress = Progress()
        self.means = Means()
        self.is_whole = True
        self.evaluates = False

    def evaluate(self, task: Task, folder: Path) -> dict[str, float]:
        """What the task says of the averaged weights."""
        self.evaluates = True
        with torch.no_grad(), self.fabric.autocast():
            scores = task.evaluate(self.averaged.module, self.progress.step, folder)
        self.evaluates = False
        return scores

    def restore(self, path: Path) -> None:
        """Go back to a saved state."""
        progress = restore_state(path, self.objective, self.averaged, self.optimizers)
        self.progress = Progress(**progress)

    def save(self, path: Path) -> None:
        """Write the state."""
        save_state(
            path,
            self.objective,
            self.averaged,
            self.optimizers,
            dataclasses.asdict(self.progress),
            dataclasses.asdict(self.config),
        )

    def step(self, batches: Iterator[Any]) -> None:
        """One step of the optimiser."""
        started = time.monotonic()
        # Dropout must not depend on how often the run was stopped.
        torch.manual_seed(spawn(self.config.seed, "step", self.progress.step))
        self._find_gradients(batches)
        parameters = [p for p in self.module.parameters() if p.grad is not None]
        norm = nn.utils.clip_grad_norm_(parameters, self.config.clip_norm)
        self._check_finite("the norm of the gradient", norm)
        rate = self.config.learning_rate * learning_rate_factor(self.progress.step, self.config)
        self.is_whole = False
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad()
        self.averaged.update_parameters(self.objective)
        self.progress.step += 1
        self.progress.seconds += time.monotonic() - started
        self.is_whole = True
        self.means.add({"gradient_norm": norm, "learning_rate": rate})

    def _find_gradients(self, batches: Iterator[Any]) -> None:
        """Sum the gradients of the forward passes of one step."""
        accumulate = self.config.accumulate
        for number in range(accumulate):
            batch = self.fabric.to_device(next(batches))
            with self.fabric.no_backward_sync(self.module, enabled=number + 1 < accumulate):
                loss, metrics = self.module(batch)
                self._check_finite("the loss", loss)
                self.fabric.backward(loss / accumulate)
            self.means.add(metrics)

    def _check_finite(self, what: str, value: torch.Tensor) -> None:
        if not torch.isfinite(value):
            raise Diverged(f"{what} became {float(value.detach())} at step {self.progress.step}")
