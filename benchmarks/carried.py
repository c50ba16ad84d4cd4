"""Does an answer hold what the poked object carries? Tables for `benchmarks.side_by_side`.

What moves together is often the poked object and little else: there its outline is almost the
truth, and overlap says nothing about carrying. Here true segments are taken that hold something
beside the object, by the outlines that `instance-oracle` answers, and asked how much of that an
answer holds. How much of the answer is not of the segment stands beside it, or the whole picture
would win.
Entry points: `read_outlines`, `read_carried`, `overall`, `by_family`, `recall_by_family`.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks.study_report import markdown_table

from spelke.benchmarks.matching import iou_matrix
from spelke.benchmarks.prediction_folder import PredictionFolder
from spelke.benchmarks.segment_metrics import recall_of

Outlines = dict[str, np.ndarray | None]
LEAST_SHARE, LEAST_PIXELS = 0.02, 16
"""Of a true segment beside the object: below either it counts as the object alone."""
NEAR = 0.75
"""The outline is nearly the truth if it overlaps it by so much."""


@dataclass(frozen=True)
class Carried:
    """One answer to one true segment.

    Attributes:
        family: of its scene.
        outline: overlap of the object's outline with the truth.
        overlap: of the answer with the truth.
        carried: share of what is beside the object that the answer holds; NaN if there is nothing.
        object: share of the object that it holds.
        beyond: share of the answer that is not of the segment; 0 for an empty answer.
    """

    family: str
    outline: float
    overlap: float
    carried: float
    object: float
    beyond: float


def read_outlines(oracle: Path) -> Outlines:
    """The outlines of the poked objects of each picture, by its key."""
    predictions = PredictionFolder(oracle).predictions(with_image=False)
    return {one.key: one.masks for one in predictions}


def read_carried(run: Path, outlines: Outlines) -> list[Carried]:
    """All answers of a run to the pictures that the oracle has outlined, failed ones as empty."""
    found = []
    for one in PredictionFolder(run).predictions(with_image=False):
        told = outlines[one.key]
        assert told is not None, "an oracle answers every picture"
        masks = np.zeros_like(one.truths) if one.masks is None else one.masks
        ignore = np.zeros_like(one.truths) if one.ignore is None else one.ignore
        for truth, mask, outline, ignored in zip(one.truths, masks, told, ignore, strict=True):
            found.append(_judge(one.family, *(x & ~ignored for x in (truth, mask, outline))))
    return found


def _judge(family: str, truth: np.ndarray, answer: np.ndarray, outline: np.ndarray) -> Carried:
    beside = truth & ~outline
    is_some = beside.sum() >= max(LEAST_PIXELS, LEAST_SHARE * truth.sum())
    overlaps = iou_matrix(truth[None], np.stack([answer, outline]))[0]
    return Carried(
        family=family,
        outline=float(overlaps[1]),
        overlap=float(overlaps[0]),
        carried=float(answer[beside].mean()) if is_some else np.nan,
        object=float(answer[truth & outline].mean()) if (truth & outline).any() else np.nan,
        beyond=float((~truth)[answer].mean()) if answer.any() else 0.0,
    )


def overall(answers: dict[str, Sequence[Carried]]) -> str:
    """A row for each model: what is held of carrying objects, and AR by how wrong the outline is.

    Args:
        answers: of every model, by the name in the table.
    """
    head = ["model", "carried", "the object", "beyond", f"AR, outline below {NEAR}", "AR, others"]
    lines = []
    for name, some in answers.items():
        carrying = _carrying(some)
        held = [
            np.nanmean([getattr(one, part) for one in carrying])
            for part in ("carried", "object", "beyond")
        ]
        wrong, right = _by_outline(some)
        lines.append([name, *(f"{x:.3f}" for x in (*held, _recall(wrong), _recall(right)))])
    some = next(iter(answers.values()))
    wrong, right = _by_outline(some)
    counts = (
        f"{len(_carrying(some))} of {len(some)} segments hold something beside the object; on "
        f"{len(wrong)} its outline overlaps the truth by less than {NEAR}, on {len(right)} by more"
    )
    return f"{counts}\n\n" + markdown_table(head, lines)


def by_family(answers: dict[str, Sequence[Carried]]) -> str:
    """What every model holds of what is carried, by family of scenes."""
    carrying = {name: _carrying(some) for name, some in answers.items()}
    return _by_family(carrying, "carried", lambda some: np.mean([one.carried for one in some]))


def recall_by_family(answers: dict[str, Sequence[Carried]], *, wrong: bool) -> str:
    """AR of every model by family: where the object's outline is far from the truth, or near."""
    some = {name: _by_outline(all_of)[0 if wrong else 1] for name, all_of in answers.items()}
    return _by_family(some, f"AR, outline {'below' if wrong else 'from'} {NEAR}", _recall)


def _by_family(
    answers: dict[str, list[Carried]], what: str, number: Callable[[list[Carried]], float]
) -> str:
    """A row for each family, a column for each model."""
    counts = Counter(one.family for one in next(iter(answers.values())))
    lines = []
    for family, count in sorted(counts.items()):
        chosen = ([one for one in some if one.family == family] for some in answers.values())
        lines.append([f"{family} ({count})", *(f"{number(some):.3f}" for some in chosen)])
    return markdown_table([f"{what} (segments)", *answers], lines)


def _carrying(some: Sequence[Carried]) -> list[Carried]:
    return [one for one in some if not np.isnan(one.carried)]


def _by_outline(some: Sequence[Carried]) -> tuple[list[Carried], list[Carried]]:
    return [x for x in some if x.outline < NEAR], [x for x in some if x.outline >= NEAR]


def _recall(some: Sequence[Carried]) -> float:
    """AR of answers to their own points."""
    return recall_of(np.array([one.overlap for one in some])) / len(some) if some else np.nan
