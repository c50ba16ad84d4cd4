"""The model card of a checkpoint that a recipe made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_LIMITS = """\
## Limits

Trained on simulated table-top scenes only. On photographs it may find nothing, or be confidently
wrong; small things, glass, cloth and whatever is fixed to its ground are the hardest.
"""


def write_card(name: str, history: dict[str, Any]) -> str:
    """A model card in Markdown.

    Args:
        name: of the model.
        history: `recipe`, `num_scenes`, `step`, `seconds`, `scores`, `versions`, as `train` puts
            them together.
    """
    recipe = history["recipe"]
    fit = recipe["fit"]
    pictures = history["step"] * fit["batch_size"] * fit["accumulate"]
    lines = [
        f"# {name}",
        "",
        f"Made by `spelke train {recipe['name']}`{_origin(history)}.",
        "",
        "## Training",
        "",
        f"* data: {history['num_scenes']} simulated scenes (`spelke worlds make`)",
        f"* steps: {history['step']} of {fit['num_steps']}, {pictures} pictures",
        f"* time: {history['seconds'] / 60:.1f} minutes",
        f"* software: {', '.join(f'{key} {value}' for key, value in history['versions'].items())}",
        "",
        "## Scores on held-out scenes",
        "",
        *(_scores(history["scores"]) or ["None were measured during training."]),
        "",
        _LIMITS,
        "## Licence",
        "",
        "MIT, as the code that made it.",
    ]
    return "\n".join(lines) + "\n"


def _origin(history: dict[str, Any]) -> str:
    start = history.get("start")
    return f", trained further from `{Path(start).name}`" if start else ""


def _scores(scores: dict[str, float]) -> list[str]:
    if not scores:
        return []
    rows = [f"| {name} | {value:.4g} |" for name, value in scores.items()]
    return ["| metric | value |", "|---|---|", *rows]
