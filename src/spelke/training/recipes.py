"""Whole trainings, each a function that returns its configuration.

What a recipe should reach, on what hardware and in what time, stands in its docstring.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from spelke.errors import UnknownName
from spelke.models.local_quantizer import (
    LocalQuantizerConfig,
    flow_quantizer_config,
    rgb_quantizer_config,
)
from spelke.models.prefix import PrefixConfig
from spelke.training.fit import FitConfig
from spelke.training.questions import QuestionConfig
from spelke.training.samples import SampleConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Everything about a training but the places of its files."""

    name: str
    """Also the name of the checkpoint."""
    network: LocalQuantizerConfig | PrefixConfig
    """What is trained: a quantizer, or a world model."""
    fit: FitConfig
    """Schedule and optimiser."""
    samples: SampleConfig = field(default_factory=SampleConfig)
    """How scenes become pictures and questions."""
    num_workers: int = 1
    """Processes that prepare samples."""


def flow_quantizer() -> Recipe:
    """Flow codec of the shipped models: 256 codes for 4x4 pixels.

    Two CPU cores: about 10 minutes.
    """
    config = LocalQuantizerConfig(
        in_channels=2,
        num_bits=8,
        embed_dim=32,
        std=(8.0,),
        dropout=0.0,
        entropy_weight=0.01,
        diversity_weight=2.0,
    )
    fit = FitConfig(
        num_steps=4000,
        batch_size=12,
        learning_rate=3e-3,
        weight_decay=0.0,
        precision="32-true",
        clip_norm=1.0,
        evaluate_every=2000,
    )
    return Recipe(name="flow-quantizer", network=config, fit=fit)


def flow_quantizer_published() -> Recipe:
    """The published flow codec: 39.7 M parameters, 32,768 codes. Meant for a GPU."""
    fit = FitConfig(num_steps=200_000, batch_size=64, learning_rate=3e-4)
    return Recipe(name="flow-quantizer-published", network=flow_quantizer_config(), fit=fit)


def rgb_quantizer() -> Recipe:
    """A small RGB codec, for the published five-token layout: 4,096 codes for 4x4 pixels."""
    fit = FitConfig(
        num_steps=4000, batch_size=8, learning_rate=2e-3, weight_decay=0.0, precision="32-true"
    )
    return Recipe(name="rgb-quantizer", network=rgb_quantizer_config(32, 12), fit=fit)


def spelke_tiny() -> Recipe:
    """The checkpoint of tests and snippets: 0.8 M parameters. Two CPU cores: about half an hour."""
    network = PrefixConfig(
        embed_dim=96, depth=6, fork_depth=4, num_heads=3, stem_dim=32, cell_dim=48
    )
    return Recipe(
        name="spelke-tiny",
        network=network,
        samples=SampleConfig(questions=QuestionConfig(num_pointers=96)),
        fit=FitConfig(num_steps=2000, batch_size=16, learning_rate=4e-3, optimizer="muon"),
    )


def spelke_small() -> Recipe:
    """The embedded default: 4.2 M parameters. Two CPU cores with bfloat16: about 75 minutes.

    Muon, because it notices the poke five times sooner than AdamW (240 steps on sprites: overlap of
    moving cells 0.59 against 0.04).
    """
    return Recipe(
        name="spelke-small",
        network=PrefixConfig(embed_dim=192, num_heads=3),
        samples=SampleConfig(questions=QuestionConfig(num_pointers=112)),
        fit=FitConfig(num_steps=2600, batch_size=16, learning_rate=3e-3, optimizer="muon"),
    )


RECIPES: dict[str, Callable[[], Recipe]] = {
    "flow-quantizer": flow_quantizer,
    "flow-quantizer-published": flow_quantizer_published,
    "rgb-quantizer": rgb_quantizer,
    "spelke-tiny": spelke_tiny,
    "spelke-small": spelke_small,
}
"""Names of `spelke train` to recipes."""


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        UnknownName: there is none; the message lists all.
    """
    if name not in RECIPES:
        raise UnknownName(f"no recipe is called {name!r}; there are {', '.join(RECIPES)}")
    return RECIPES[name]()
