"""What stands in a run's folder about the run itself: `config.json`, and what resuming allows."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spelke.errors import BadFile, InvalidInput
from spelke.runtime.files import write_json
from spelke.runtime.versions import versions_of
from spelke.training.recipes import Recipe
from spelke.weights.schema import to_plain

RUN_CONFIG = "config.json"
SCHEMA = 1
"""Version of `config.json`."""
_SHOWN = 4
"""Differences in a message before it says how many more there are."""
_PACKAGES = ("spelke", "torch", "lightning", "numpy", "mujoco")


def write_run_config(folder: Path, recipe: Recipe, facts: dict[str, Any]) -> None:
    """Write the resolved recipe and where it runs, before the run starts.

    When a run is resumed, what stood there before is kept under `earlier`.

    Args:
        folder: of the run.
        recipe: with all changes of the command line.
        facts: more JSON values, for instance the number of scenes.

    Raises:
        BadFile: a `config.json` of another kind is there.
    """
    before = read_run_config(folder)
    earlier = [] if before is None else [*before.pop("earlier", []), before]
    call = {
        "schema": SCHEMA,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "recipe": to_plain(recipe),
        "seed": recipe.fit.seed,
        "versions": versions(),
        "git": git_state(),
        **facts,
        "earlier": earlier,
    }
    write_json(folder / RUN_CONFIG, call)


def read_run_config(folder: Path) -> dict[str, Any] | None:
    """The `config.json` of a run; None if there is none.

    Raises:
        BadFile: it is not JSON, or of another kind.
    """
    path = folder / RUN_CONFIG
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadFile(f"{path} is not readable JSON ({error}); remove it to go on") from error
    if not isinstance(values, dict) or values.get("schema") != SCHEMA or "recipe" not in values:
        raise BadFile(
            f"{path} does not describe a training run of schema {SCHEMA}; name another run folder"
        )
    return values


def check_same_network(folder: Path, recipe: Recipe) -> None:
    """Refuse to resume a run with another network; schedules and samples may change.

    A run without `config.json` passes: its weights are checked when they are loaded.

    Raises:
        InvalidInput: with what differs.
        BadFile: the `config.json` cannot be read.
    """
    before = read_run_config(folder)
    if before is None:
        return
    old, new = before["recipe"].get("network", {}), to_plain(recipe)["network"]
    changed = [
        f"{name} was {old.get(name, 'absent')} and is {new.get(name, 'absent')}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]
    if changed:
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        raise InvalidInput(
            f"the run in {folder}, of recipe {before['recipe'].get('name')!r}, trains another "
            f"network than recipe {recipe.name!r}: {'; '.join(changed[:_SHOWN])}{more}. Resume it "
            "with the recipe it was started with, or name another folder"
        )


def check_same_samples(folder: Path, recipe: Recipe, scenes: str) -> None:
    """Refuse to resume a run on other scenes, or with steps of another size.

    Batches are numbered: either would make the run learn other samples than if it had not stopped.
    A run whose `config.json` does not tell its scenes passes.

    Args:
        folder: of the run.
        recipe: with which it is to go on.
        scenes: digest of the training scenes.

    Raises:
        InvalidInput: with what differs.
        BadFile: the `config.json` cannot be read.
    """
    before = read_run_config(folder) or {}
    if before.get("scenes", scenes) != scenes:
        raise InvalidInput(
            f"the run in {folder} was on {before.get('num_scenes')} other scenes (or the same in "
            f"another order). Resume it with the shards that it had; to learn from others, start a "
            f"new run from what it has learned: --start {folder / recipe.name} --out ANOTHER"
        )
    fit = before.get("recipe", {}).get("fit", {})
    was = fit.get("batch_size", 0) * fit.get("accumulate", 1)
    now = recipe.fit.batch_size * recipe.fit.accumulate
    if was not in (0, now):
        raise InvalidInput(
            f"a step of the run in {folder} learns from {was} samples, and from {now} with "
            f"--batch-size {recipe.fit.batch_size} --accumulate {recipe.fit.accumulate}; keep "
            "their product"
        )


def versions() -> dict[str, str]:
    """Of Python and of the packages that decide what a training does."""
    return versions_of(_PACKAGES)


def git_state() -> dict[str, Any] | None:
    """Commit of the running source, and whether it has changes; None outside a checkout of it."""
    here = Path(__file__).resolve()
    # Installed below somebody else's checkout is not a checkout of ours.
    if _git(here.parent, "ls-files", "--error-unmatch", here.name) is None:
        return None
    changes = _git(here.parent, "status", "--porcelain", "--untracked-files=no")
    return {"commit": _git(here.parent, "rev-parse", "HEAD"), "has_changes": bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
