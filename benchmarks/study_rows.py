"""The rows of the training study, as data: which recipe, what is changed, how many steps.

Rows that are compared with each other cost about the same processor time: steps were chosen from
the time of one step. A row's warm-up is a sixth of its steps, so that all schedules have the shape
of the longest one's. Entry points: `ROWS`, `recipe_of`, `choose`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from spelke.errors import UnknownName
from spelke.training.recipes import Recipe, find_recipe

FIRST_FIVE = ("primitives", "compounds", "stacks", "trays", "mixed")
"""The families of the first worlds."""
_BASE_STEPS, _WARMUP_SHARE = 200, 6


@dataclass(frozen=True, kw_only=True)
class Row:
    """One training of the study, or one model that was trained elsewhere.

    Attributes:
        name: of the row, and of the file with its result.
        part: question of the study that it belongs to, a key of `PARTS`.
        words: what is special about it, for the tables.
        recipe: name of the recipe that it starts from.
        steps: of the optimiser.
        network, samples, questions, fit: what is changed in the recipe, by name of the option.
        families: only scenes of these are trained on; all if empty.
        quantizer, rgb_quantizer: for the published layout: a checkpoint, or the name of a row that
            trains one.
        given: a trained checkpoint that is only scored; `steps` are those it had.
    """

    name: str
    part: str
    words: str
    recipe: str = "spelke-tiny"
    steps: int = _BASE_STEPS
    network: Mapping[str, Any] = field(default_factory=dict)
    samples: Mapping[str, Any] = field(default_factory=dict)
    questions: Mapping[str, Any] = field(default_factory=dict)
    fit: Mapping[str, Any] = field(default_factory=dict)
    families: tuple[str, ...] = ()
    quantizer: str | None = None
    rgb_quantizer: str | None = None
    given: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def recipe_of(row: Row) -> Recipe:
    """The whole configuration of a row; samples are prepared in the process that trains."""
    recipe = find_recipe(row.recipe)
    questions = replace(recipe.samples.questions, **row.questions)
    schedule = {"num_steps": row.steps, "warmup_steps": max(1, row.steps // _WARMUP_SHARE)}
    return replace(
        recipe,
        network=replace(recipe.network, **row.network),
        samples=replace(recipe.samples, questions=questions, **row.samples),
        fit=replace(recipe.fit, **{**schedule, **row.fit}),
        num_workers=0,
    )


def choose(names: Sequence[str], rows: Sequence[Row]) -> list[Row]:
    """The named rows, after those whose quantizers they use; all if none is named.

    Raises:
        UnknownName: there is no row of a name.
    """
    known = {row.name: row for row in rows}
    chosen: dict[str, Row] = {}

    def add(name: str) -> None:
        for needed in (known[name].quantizer, known[name].rgb_quantizer):
            if needed in known:
                add(needed)
        chosen.setdefault(name, known[name])

    for name in names or known:
        if name not in known:
            raise UnknownName(f"no row is called {name!r}; there are {', '.join(known)}")
        add(name)
    return list(chosen.values())


PARTS = {
    "scaling": "More compute",
    "shape": "Width, depth, fork and resolution at equal cost",
    "layout": "The published layout",
    "questions": "What is asked in training",
    "families": "Families of scenes",
    "codes": "How many flow codes",
    "quantizers": "Quantizers of the published layout",
}
"""The questions of the study, in the order of the page."""
BASE = "base"
"""The row that others are compared with."""
_SMALL = {"image_size": 64}


def _small(name: str, part: str, words: str, **changes: Any) -> Row:
    """`spelke-tiny` on pictures of 64 pixels, which costs a third: most rows change one thing."""
    common = {"network": _SMALL, "samples": _SMALL, "questions": {"num_pointers": 24}}
    merged = {key: {**values, **changes.pop(key, {})} for key, values in common.items()}
    return Row(name=name, part=part, words=words, **merged, **changes)


def _quantizer(name: str, words: str, recipe: str, **changes: Any) -> Row:
    return Row(name=name, part="quantizers", words=words, recipe=recipe, steps=200, **changes)


ROWS = (
    Row(
        name="shipped-tiny", part="scaling", words="`spelke-tiny` as it ships, 128 pixels",
        steps=1800, given="spelke-tiny",
    ),
    _small(BASE, "scaling", "the base: 64 pixels"),
    _small("base-seed-1", "scaling", "the base, another seed", fit={"seed": 1}),
    Row(name="tiny-75", part="scaling", words="`spelke-tiny`, 128 pixels", steps=75),
    _small("base-50", "scaling", "the base, a quarter as long", steps=50),
    _small("base-800", "scaling", "the base, four times as long", steps=800),
    _small(
        "first-five", "families", "trained on the first five families only", families=FIRST_FIVE
    ),
    _small(
        "single-pokes", "questions", "every question has one poke",
        questions={"mixture": (0.0, 1.0, 0.0, 0.0)},
    ),
    _quantizer("rgb-4096", "RGB, 4,096 codes", "rgb-quantizer"),
    _quantizer("flow-256", "flow, 256 codes", "flow-quantizer"),
    Row(
        name="published", part="layout", words="five tokens for a patch", recipe="lras-tiny",
        steps=148, quantizer="flow-256", rgb_quantizer="rgb-4096", samples=_SMALL,
        network={**_SMALL, "embed_dim": 96, "depth": 5, "num_heads": 3, "picture_patches": 48},
        questions={"num_questions": 1, "num_pointers": 24}, fit={"learning_rate": 4e-3},
    ),
    _small(
        "patch-16", "shape", "128 pixels in patches of 16", steps=114,
        network={"image_size": 128, "patch_size": 16},
        samples={"image_size": 128, "patch_size": 16},
    ),
    _small("width-144", "shape", "width 144", steps=140, network={"embed_dim": 144}),
    _small(
        "width-64", "shape", "width 64", steps=220, network={"embed_dim": 64, "num_heads": 2}
    ),
    _small(
        "deep", "shape", "8 blocks of width 72, fork after 6",
        network={"embed_dim": 72, "depth": 8, "fork_depth": 6},
    ),
    _small("codes-64", "codes", "64 displacements", network={"num_codes": 64}),
    _small("codes-2048", "codes", "2,048 displacements", network={"num_codes": 2048}),
    _quantizer("flow-1024", "flow, 1,024 codes", "flow-quantizer", network={"num_bits": 10}),
    Row(
        name="shipped-small", part="scaling", words="`spelke-small` as it ships, 128 pixels",
        recipe="spelke-small", steps=16_000, given="spelke-small",
    ),
    Row(name="tiny-245", part="scaling", words="`spelke-tiny`, 128 pixels", steps=245),
    _small("base-400", "scaling", "the base, twice as long", steps=400),
    _small("fork-1", "shape", "fork after 1 of 5 blocks", steps=171, network={"fork_depth": 1}),
    _small("fork-4", "shape", "fork after 4 of 5 blocks", network={"fork_depth": 4}),
    _small(
        "no-corners", "questions", "corners are never revealed as still",
        questions={"still_corners": 0.0},
    ),
    _small(
        "patch-4", "shape", "patches of 4", steps=104, network={"patch_size": 4},
        samples={"patch_size": 4}, questions={"num_pointers": 96},
    ),
)  # fmt: skip
"""In the order in which they are made."""
