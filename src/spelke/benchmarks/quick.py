"""The quick benchmark: every model, the same points, one table.

Entry points: `run_models` (ask and score), `write_sheets` (look).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from spelke.benchmarks.answers import Answer
from spelke.benchmarks.asking import ModelSpec
from spelke.benchmarks.baselines import METHODS
from spelke.benchmarks.engine import InProcess
from spelke.benchmarks.prediction_folder import PredictionFolder
from spelke.benchmarks.prediction_run import RunOutcome, run_model
from spelke.benchmarks.predictions import safe_name
from spelke.benchmarks.report import Row, rows_of
from spelke.benchmarks.segmenter import SegmentationModel
from spelke.benchmarks.segmenters.oracles import ORACLES
from spelke.benchmarks.sheet import cases_of, draw_cases
from spelke.benchmarks.test_set import TestItem, TestSet
from spelke.errors import InvalidInput, MissingData
from spelke.runtime.files import atomic_write, write_json

BASELINES = (*METHODS, *ORACLES)
"""What every model is compared with, unless models are named."""
PICTURES = "pictures.h5"
"""The set, beside the folders of the models: their predictions do not repeat it."""
_BESIDE = f"../{PICTURES}"


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a benchmark found.

    Attributes:
        rows: scores by model and family.
        answers: name of the model to its answers by key of the picture.
        num_failed: pictures without an answer, over all models.
        set_fingerprint: of the pictures and points that were asked.
    """

    rows: list[Row]
    answers: dict[str, dict[str, Answer]]
    num_failed: int
    set_fingerprint: str


def run_models(
    models: Sequence[SegmentationModel],
    items: Sequence[TestItem],
    folder: str | os.PathLike[str],
    *,
    notice: Callable[[str], None] = lambda _: None,
    advance: Callable[[str, RunOutcome], None] = lambda _, __: None,
) -> Outcome:
    """Let every model answer every picture, then score; `folder` keeps all of it.

    Args:
        models: who is measured.
        items: pictures with their points.
        folder: receives `pictures.h5`, a folder of predictions for each model (see
            `prediction_folder`) and `scores.json`. A later run with the same folder asks only what
            is missing.
        notice: told what a user should know, one sentence at a time.
        advance: told, after each picture, the model's name and what has become of the pictures.

    Raises:
        MissingData: there are no pictures.
        InvalidInput: two models, or two pictures, have the same name.
        Unavailable: the folder cannot be written.
    """
    if not items:
        raise MissingData("the set has no pictures, so there is nothing to score")
    names = [model.name for model in models]
    if len(set(names)) < len(names):
        raise InvalidInput(f"models are kept by their names, which must differ: {', '.join(names)}")
    pictures = TestSet(Path(folder) / PICTURES, items)
    pictures.write()
    rows, given, num_failed = [], {}, 0
    for model in models:
        outcome, answers = _ask(model, pictures, Path(folder), notice, advance)
        rows += rows_of(model.name, items, answers, model.is_oracle)
        given[model.name] = answers
        num_failed += len(outcome.failed)
    plain = [row.to_json() for row in rows]
    scores = {"schema": "spelke-scores-1", "set": pictures.fingerprint, "rows": plain}
    write_json(Path(folder) / "scores.json", scores)
    return Outcome(rows, given, num_failed, pictures.fingerprint)


def _ask(
    model: SegmentationModel,
    pictures: TestSet,
    folder: Path,
    notice: Callable[[str], None],
    advance: Callable[[str, RunOutcome], None],
) -> tuple[RunOutcome, dict[str, Answer]]:
    """Ask one model what it has not answered yet; return what became of that, and all answers."""
    spec, kept = ModelSpec(model.name), PredictionFolder(folder / safe_name(model.name), _BESIDE)
    engine = InProcess(spec, model)
    outcome = run_model(
        engine,
        spec,
        pictures,
        list(pictures.items),
        kept,
        notice=lambda text: notice(f"{model.name}: {text}"),
        advance=lambda so_far: advance(model.name, so_far),
    )
    if outcome.failed:
        where = kept.path / "failed"
        notice(f"{model.name} failed on {len(outcome.failed)} pictures: tracebacks are in {where}")
    return outcome, kept.answers_to(pictures.items.values(), engine.card().identity)


def write_sheets(
    outcome: Outcome, items: Sequence[TestItem], folder: str | os.PathLike[str]
) -> list[Path]:
    """Draw for every model its worst, some random and its best answers; return the files."""
    paths = []
    for name, answers in outcome.answers.items():
        cases = cases_of(items, answers)
        if cases:
            path = Path(folder) / f"{name}.png"
            write_picture(path, draw_cases(cases, np.random.default_rng(0)))
            paths.append(path)
    return paths


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write an RGB picture, whole or not at all."""
    with atomic_write(path) as temporary:
        Image.fromarray(picture).save(temporary)
