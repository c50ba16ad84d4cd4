"""The three parts of `spelke bench motion`, every method on the same pictures and points.

Affordance ranks pixels. Displacement is a world model's own field, or a segment that moves as a
whole: the baselines' and the model's. Segments are answers to a click.
Entry points: `score_parts`, `draw_moments`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from spelke.benchmarks.answers import Answer
from spelke.benchmarks.clips import Moment, item_of
from spelke.benchmarks.foretell import AFFORDANCES, Forecast, moved_rigidly
from spelke.benchmarks.motion import Values, mean_of, score_affordance, score_field
from spelke.benchmarks.report import score_answers
from spelke.benchmarks.sheet import Case, draw_case
from spelke.viz.arrows import draw_displacement
from spelke.viz.heat import draw_heat
from spelke.viz.sheet import Panel, arrange

Parts = dict[str, dict[str, Values]]
"""Part to method to what it scored on each picture."""
Answers = Mapping[str, Mapping[str, Answer]]
"""Method to key of the picture to its segments."""
NOTHING = "nothing moves"
AS_A_WHOLE = ": segment moved"
"""Behind a model's name, its segment moved as a whole where its displacement field could be."""


def score_parts(
    moments: Sequence[Moment],
    answers: Answers,
    forecasts: Mapping[str, Mapping[str, Forecast]],
) -> Parts:
    """Score every method on every picture.

    Args:
        moments: the pictures.
        answers: segments at the asked points, of world models and of baselines.
        forecasts: of world models, name to key of the picture to what they say.
    """
    affordance: dict[str, Values] = {
        name: {m.key: score_affordance(m, found[m.key].affordance) for m in moments}
        for name, found in forecasts.items()
    }
    for name, method in AFFORDANCES.items():
        affordance[name] = {m.key: score_affordance(m, method(m.image)) for m in moments}
    displacement: dict[str, Values] = {
        name: {m.key: _mean_score(m, found[m.key].fields) for m in moments}
        for name, found in forecasts.items()
    }
    for name, found in answers.items():
        method = name + AS_A_WHOLE if name in forecasts else name
        displacement[method] = {
            m.key: _mean_score(m, _rigid_fields(m, found.get(m.key))) for m in moments
        }
    displacement[NOTHING] = {m.key: _mean_score(m, _rigid_fields(m, None)) for m in moments}
    items = [item_of(moment) for moment in moments]
    segments: dict[str, Values] = {}
    for name, found in answers.items():
        scores = score_answers(items, found)
        segments[name] = {
            key: {"AR": score.average_recall, "mIoU": score.mean_iou}
            for key, score in scores.items()
        }
    return {"affordance": affordance, "displacement": displacement, "segments": segments}


def without(methods: Mapping[str, Values], models: Sequence[str]) -> dict[str, Values]:
    """Leave out what world models said."""
    own = {*models, *(model + AS_A_WHOLE for model in models)}
    return {name: values for name, values in methods.items() if name not in own}


def _mean_score(moment: Moment, fields: np.ndarray) -> dict[str, float]:
    return mean_of([score_field(moment, index, field) for index, field in enumerate(fields)])


def _rigid_fields(moment: Moment, answer: Answer | None) -> np.ndarray:
    """The fields of answered segments; of a picture without an answer nothing moves."""
    masks = answer.masks if answer and answer.masks is not None else None
    if masks is None:
        masks = np.zeros((moment.asked, *moment.still.shape), bool)
    shifts = moment.shifts[: moment.asked]
    return np.array([moved_rigidly(mask, shift) for mask, shift in zip(masks, shifts, strict=True)])


def draw_moments(
    moments: Sequence[Moment],
    forecasts: Mapping[str, Forecast],
    answers: Mapping[str, Answer],
    generator: np.random.Generator,
    count: int = 16,
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw some pictures: affordance, measured motion, displacement and segment at one point.

    Args:
        moments: the pictures.
        forecasts, answers: of one model, by key.
        generator: draws pictures.
        count: pictures to show.
    """
    panels: list[Panel] = []
    for number in sorted(generator.permutation(len(moments))[:count].tolist()):
        moment = moments[number]
        panels += _panels(moment, forecasts[moment.key], answers.get(moment.key))
    return arrange(panels, columns=8, cell_height=170)


def _panels(moment: Moment, forecast: Forecast, answer: Answer | None) -> list[Panel]:
    scores = score_affordance(moment, forecast.affordance)
    fit = score_field(moment, 0, forecast.fields[0])
    truth: Any = np.where(moment.things[0], moment.flow, 0)
    masks = answer.masks if answer and answer.masks is not None else np.zeros_like(moment.things)
    case = Case(item_of(moment), 0, 0.0, masks[0])
    return [
        Panel(draw_case(case), note=moment.key.replace("|", " ")),
        Panel(
            draw_heat(moment.image, forecast.affordance, bar=False),
            note=f"affordance, AUC {scores['AUC']:.2f} AP {scores['AP']:.2f}",
        ),
        Panel(draw_displacement(moment.image, truth), note="measured"),
        Panel(
            draw_displacement(moment.image, forecast.fields[0]), note=f"poked, IoU {fit['IoU']:.2f}"
        ),
    ]
