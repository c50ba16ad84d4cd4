"""`spelke train RECIPE`: from shards of simulated scenes to a checkpoint folder."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from spelke.cli.parse import parse
from spelke.errors import InvalidInput, MissingExtra

if TYPE_CHECKING:
    from spelke.training.recipes import Recipe

_EXAMPLES = """\
Examples:
  spelke worlds make shards --scenes 20000
  spelke train spelke-small --data shards --out runs/small
  spelke train spelke-small --data shards --out runs/small --resume
  spelke train spelke-small --data mine --out runs/mine --start spelke-small --num-steps 500"""


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Train a model by a recipe.

    The checkpoint is written to OUT/RECIPE, beside the log (log.jsonl and TensorBoard) and the
    state from which --resume goes on. Ctrl-C saves that state. Without a RECIPE, all are listed.
    """

    recipe: Annotated[
        str, tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE", help_behavior_hint="")
    ] = ""
    """Name of a recipe."""
    data: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of training shards, made by `spelke worlds make`."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of this run; runs/RECIPE if not given."""
    held_out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of shards for evaluation during training."""
    quantizer: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """For the published layout: a model or folder whose flow quantizer is used."""
    rgb_quantizer: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """Likewise, for pictures."""
    start: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """A trained model of the recipe's shape, or its folder, to train further on other data."""
    max_minutes: Annotated[float | None, tyro.conf.arg(metavar="MINUTES")] = None
    """Stop after this time; --resume goes on later."""
    resume: bool = False
    """Go on with the run in --out, exactly where it stopped."""
    num_steps: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Optimiser steps, instead of the recipe's."""
    cycles: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Times that the learning rate warms up and falls, instead of the recipe's."""
    batch_size: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Pictures of one forward pass, instead of the recipe's."""
    accumulate: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Forward passes of one optimiser step, instead of the recipe's."""
    learning_rate: Annotated[float | None, tyro.conf.arg(metavar="FLOAT")] = None
    """Highest learning rate, instead of the recipe's."""
    swapped_colours: Annotated[float | None, tyro.conf.arg(metavar="SHARE")] = None
    """Share of pictures with red, green and blue in random order, instead of the recipe's."""
    seed: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Of weights and samples, instead of the recipe's."""
    num_workers: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Processes that prepare samples, instead of the recipe's."""
    skip_bad_shards: bool = False
    """Leave out shards that cannot be read, and say which, instead of refusing to start."""
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train."""
    json: bool = False
    """Print every line of the log as JSON on standard output."""


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    options = parse(TrainOptions, "train", argv, _EXAMPLES)
    try:
        from spelke.training.recipes import find_recipe
        from spelke.training.run import train
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"training needs {error.name}, which is not installed; run: pip install 'spelke[train]'"
        ) from error
    if not options.recipe:
        _print_recipes()
        return 0
    recipe = _changed(find_recipe(options.recipe), options)
    if options.data is None:
        raise InvalidInput(
            "no training data was named; make some with `spelke worlds make DIR` and give it by "
            "--data DIR"
        )
    folder = train(
        recipe,
        options.data,
        options.out or Path("runs") / recipe.name,
        held_out=options.held_out,
        quantizer=options.quantizer,
        rgb_quantizer=options.rgb_quantizer,
        start=options.start,
        max_minutes=options.max_minutes,
        resume=options.resume,
        skip_bad_shards=options.skip_bad_shards,
        report=_reporter(recipe.fit.num_steps, options.json),
        accelerator=options.accelerator,
    )
    print(folder, file=sys.stderr if options.json else sys.stdout)
    return 0


def _changed(recipe: Recipe, options: TrainOptions) -> Recipe:
    """The recipe with what the command line says about its schedule and its pictures."""
    if options.num_workers is not None and options.num_workers < 0:
        raise InvalidInput(f"--num-workers must not be negative, got {options.num_workers}")
    fit = _given(
        options, "num_steps", "cycles", "batch_size", "accumulate", "learning_rate", "seed"
    )
    return dataclasses.replace(
        recipe,
        fit=dataclasses.replace(recipe.fit, **fit),
        samples=dataclasses.replace(recipe.samples, **_given(options, "swapped_colours")),
        **_given(options, "num_workers"),
    )


def _given(options: TrainOptions, *names: str) -> dict[str, Any]:
    """Those of the options that the user gave."""
    values = {name: getattr(options, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _reporter(num_steps: int, as_json: bool) -> Callable[[dict[str, float]], None]:
    def report(line: dict[str, float]) -> None:
        if as_json:
            print(json.dumps(line), flush=True)
            return
        numbers = "  ".join(f"{key} {value:.4g}" for key, value in line.items() if key != "step")
        print(f"step {int(line['step'])}/{num_steps}  {numbers}", file=sys.stderr, flush=True)

    return report


def _print_recipes() -> None:
    from spelke.training.recipes import RECIPES

    width = max(map(len, RECIPES))
    for name, recipe in RECIPES.items():
        summary = " ".join((recipe.__doc__ or "").split())
        print(f"{name:<{width}}  {summary}")
