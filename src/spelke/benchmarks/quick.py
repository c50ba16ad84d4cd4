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
from spelke.benchmarks.baselines import METHODS
from spelke.benchmarks.report import ALL, Row, rows_of
from spelke.benchmarks.run import Track, answer_all
from spelke.benchmarks.segmenter import SegmentationModel
from spelke.benchmarks.segmenters.oracles import ORACLES
from spelke.benchmarks.sheet import cases_of, draw_cases
from spelke.benchmarks.test_set import TestItem, fingerprint_of
from spelke.errors import MissingData
from spelke.runtime.files import atomic_write, write_json

BASELINES = (*METHODS, *ORACLES)
"""What every model is compared with, unless models are named."""


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
    track: Track | None = None,
    notice: Callable[[str], None] | None = None,
) -> Outcome:
    """Let every model answer every picture, then score; `folder` keeps all of it.

    Args:
        models: who is measured; names are unique.
        items: pictures with their points.
        folder: `<model>.jsonl` for each model and `scores.json`. A later run with the same
            folder asks only what is missing.
        track: see `run.answer_all`.
        notice: told what a user should know, one sentence at a time.

    Raises:
        MissingData: there are no pictures.
    """
    if not items:
        raise MissingData("the set has no pictures, so there is nothing to score")
    outcome = Outcome([], {}, 0, fingerprint_of(items))
    num_failed = 0
    for model in models:
        file = answer_all(model, items, folder, track)
        if file.is_restarted and notice:
            notice(f"{file.path.name} was of other weights or settings: all is asked again")
        answers = file.answers_to(items)
        rows = rows_of(model.name, items, answers, model.is_oracle)
        outcome.rows.extend(rows)
        outcome.answers[model.name] = answers
        total = next(row for row in rows if row.family == ALL)
        num_failed += total.num_failed
        if total.num_failed and notice:
            errors = (answer.error for answer in answers.values() if answer.error)
            notice(f"{model.name} failed on {total.num_failed} pictures: {next(errors, '')}")
    found = Outcome(outcome.rows, outcome.answers, num_failed, outcome.set_fingerprint)
    write_json(
        Path(folder) / "scores.json",
        {
            "schema": "spelke-scores-1",
            "set": found.set_fingerprint,
            "rows": [row.to_json() for row in found.rows],
        },
    )
    return found


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
