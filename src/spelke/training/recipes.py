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
from spelke.models.two_frame import TwoFrameConfig
from spelke.training.published_samples import PublishedConfig
from spelke.training.questions import QuestionConfig
from spelke.training.samples import SampleConfig
from spelke.training.schedule import FitConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Everything about a training but the places of its files."""

    name: str
    """Also the name of the checkpoint."""
    network: LocalQuantizerConfig | PrefixConfig | PublishedConfig | TwoFrameConfig
    """What is trained: a quantizer, a world model in our layout or the published one, or a
    predictor of frames."""
    fit: FitConfig
    """Schedule and optimiser."""
    samples: SampleConfig = field(default_factory=SampleConfig)
    """How scenes become pictures and questions."""
    num_workers: int = 1
    """Processes that prepare samples."""


def flow_quantizer() -> Recipe:
    """A small flow codec, for the published five-token layout: 256 codes for 4x4 pixels.

    No shipped model uses it. One CPU core: about 6 minutes; moving pixels come back 1.7 pixels off,
    at a mean motion of 6.
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
        num_steps=2200,
        batch_size=4,
        learning_rate=1.5e-3,
        betas=(0.9, 0.99),
        weight_decay=0.0,
        precision="32-true",
    )
    return Recipe(name="flow-quantizer", network=config, fit=fit)


def flow_quantizer_published() -> Recipe:
    """The published flow codec: 39.7 M parameters, 32,768 codes. Meant for a GPU."""
    fit = FitConfig(num_steps=200_000, batch_size=64, learning_rate=3e-4)
    return Recipe(name="flow-quantizer-published", network=flow_quantizer_config(), fit=fit)


def rgb_quantizer() -> Recipe:
    """A small RGB codec, for the published five-token layout: 4,096 codes for 4x4 pixels.

    No shipped model uses it. About as long as the flow codec on a CPU.
    """
    fit = FitConfig(
        num_steps=4000, batch_size=8, learning_rate=2e-3, weight_decay=0.0, precision="32-true"
    )
    return Recipe(name="rgb-quantizer", network=rgb_quantizer_config(32, 12), fit=fit)


def spelke_tiny() -> Recipe:
    """The checkpoint of tests and snippets: 0.8 M parameters.

    Ships as one run of this recipe on 13,500 scenes of all families: an hour of one busy CPU core
    with bfloat16, to an AR of 0.51 on held-out worlds.
    """
    network = PrefixConfig(
        embed_dim=96, depth=5, fork_depth=3, num_heads=3, stem_dim=32, cell_dim=48
    )
    return Recipe(
        name="spelke-tiny",
        network=network,
        samples=SampleConfig(questions=QuestionConfig(num_pointers=96)),
        fit=FitConfig(num_steps=1800, batch_size=16, learning_rate=4e-3, optimizer="muon"),
    )


def spelke_small() -> Recipe:
    """The embedded default: 4.1 M parameters.

    Two CPU cores with bfloat16 in hardware: two and a half hours on 15,900 scenes of all families,
    to an AR of 0.60 on held-out worlds and 0.32 on photographs. What ships is two runs of it, of
    12,000 steps in two cycles and of 4,000 more with other scenes: six hours, to 0.63 and 0.36
    (docs/training.md has the commands).
    Muon, because it notices the poke five times sooner than AdamW (240 steps on sprites: overlap of
    moving cells 0.59 against 0.04).
    """
    return Recipe(
        name="spelke-small",
        network=PrefixConfig(embed_dim=192, num_heads=3),
        samples=SampleConfig(questions=QuestionConfig(num_pointers=112)),
        fit=FitConfig(
            num_steps=6000, batch_size=16, learning_rate=3e-3, optimizer="muon", ema_decay=0.998
        ),
    )


def lras_tiny() -> Recipe:
    """The published layout at a small size: 4.1 M parameters, 998 tokens for a question.

    Half of the picture and 70 flow patches make a sequence; needs both quantizers. A base for
    comparing layouts, not for use: two CPU cores take hours.
    """
    questions = QuestionConfig(num_questions=2, num_pointers=70)
    return Recipe(
        name="lras-tiny",
        network=PublishedConfig(),
        samples=SampleConfig(questions=questions),
        fit=FitConfig(num_steps=4000, batch_size=8, learning_rate=2e-3, optimizer="muon"),
    )


def cwm_tiny() -> Recipe:
    """A baseline for SpelkeBench, after counterfactual world modelling: 2.7 M parameters.

    Foretells the frame after a poke from a hundredth to an eighth of its patches; needs scenes with
    frames after their pokes. Two CPU cores take hours; no checkpoint of it ships.
    """
    return Recipe(
        name="cwm-tiny",
        network=TwoFrameConfig(embed_dim=192, depth=6, num_heads=3),
        fit=FitConfig(num_steps=4000, batch_size=16, learning_rate=2e-3, optimizer="muon"),
    )


RECIPES: dict[str, Callable[[], Recipe]] = {
    "flow-quantizer": flow_quantizer,
    "flow-quantizer-published": flow_quantizer_published,
    "rgb-quantizer": rgb_quantizer,
    "spelke-tiny": spelke_tiny,
    "spelke-small": spelke_small,
    "lras-tiny": lras_tiny,
    "cwm-tiny": cwm_tiny,
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
