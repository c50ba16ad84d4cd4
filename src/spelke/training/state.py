"""What a run needs to go on where it stopped, in one file that is whole or absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spelke.errors import BadFile, InvalidInput
from spelke.runtime.files import atomic_write, raise_if_unwritable

CHECKPOINT = "checkpoint.pt"
_KEYS = {"objective", "averaged", "optimizers", "progress"}


def check_folder(folder: Path, resume: bool) -> None:
    """Refuse to write over a run, and to resume nothing.

    Raises:
        InvalidInput: the folder holds a run and `resume` is False, or the reverse.
    """
    checkpoint = folder / CHECKPOINT
    if resume and not checkpoint.exists():
        raise InvalidInput(
            f"there is nothing to resume: {checkpoint} does not exist; leave --resume out to start "
            "a run there, or name the folder of the run"
        )
    if not resume and checkpoint.exists():
        raise InvalidInput(f"{checkpoint} exists: resume that run, or choose another output folder")


def save_state(
    path: Path,
    objective: nn.Module,
    averaged: nn.Module,
    optimizers: list[Any],
    progress: dict[str, Any],
    config: dict[str, Any],
) -> None:
    """Write the state of a run.

    Args:
        path: the file; replaced in one step.
        objective: with the weights as they are trained.
        averaged: with the averaged ones.
        optimizers: of the objective.
        progress: where the run stands.
        config: how it is trained; for readers, not read back.

    Raises:
        Unavailable: the disk is full, or the folder may not be written to.
    """
    state = {
        "objective": objective.state_dict(),
        "averaged": averaged.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "progress": progress,
        "config": config,
    }
    # Through a file of Python's, because torch's own writer hides why a write failed.
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:
            raise_if_unwritable(error.__context__ or error, path)
            raise


def restore_state(
    path: Path,
    objective: nn.Module,
    averaged: nn.Module,
    optimizers: list[Any],
) -> dict[str, Any]:
    """Load what `save_state` wrote into fresh modules, and return the progress.

    Settings of the optimisers (weight decay, betas) stay those of the fresh ones.

    Raises:
        BadFile: the file cannot be read or is no state of a run.
        InvalidInput: it is of another network, optimiser or frozen part than the given ones.
    """
    state = _read(path)
    given = {n: p.detach().clone() for n, p in objective.named_parameters() if not p.requires_grad}
    settings = [
        [{name: value for name, value in group.items() if name != "params"} for group in groups]
        for groups in (optimizer.param_groups for optimizer in optimizers)
    ]
    try:
        objective.load_state_dict(state["objective"])
        averaged.load_state_dict(state["averaged"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
    except (RuntimeError, ValueError, KeyError) as error:
        what = " ".join(str(error).split())[:300]
        raise InvalidInput(
            f"{path} is of another network or optimiser than this recipe's: {what}; resume with "
            "the recipe that the run was started with, or start a new run in another folder"
        ) from error
    _check_frozen(given, objective, path)
    for optimizer, groups in zip(optimizers, settings, strict=True):
        for group, values in zip(optimizer.param_groups, groups, strict=True):
            group.update(values)
    return dict(state["progress"])


def _read(path: Path) -> dict[str, Any]:
    try:
        # Loading moves everything to where it belongs, and some counters belong on the CPU.
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its readers raise
        raise BadFile(
            f"cannot read the checkpoint {path}: {error}; it is corrupt: put a copy in its place, "
            "or start again in another folder"
        ) from error
    if not isinstance(state, dict) or not set(state) >= _KEYS:
        raise BadFile(
            f"{path} is not the state of a run: it lacks {', '.join(sorted(_KEYS - set(state)))}; "
            "start again in another folder"
        )
    return state


def _check_frozen(given: dict[str, Tensor], objective: nn.Module, path: Path) -> None:
    """What is not trained must be what it was, or else what was learned means something else."""
    restored = dict(objective.named_parameters())
    for name, parameter in given.items():
        if not torch.equal(parameter, restored[name]):
            raise InvalidInput(
                f"{path} was trained with another {name.partition('.')[0]} than the one given; "
                "resume with the one that the run was started with"
            )
