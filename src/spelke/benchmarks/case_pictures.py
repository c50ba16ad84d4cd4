"""Cases of a run to look at: the worst, some at random, and the best, as small inlined pictures.

Entry points: `choose_cases`, `Shown`.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from spelke.benchmarks.predictions import Prediction, read_prediction
from spelke.benchmarks.scoring import ImageResult, RunScores
from spelke.errors import SpelkeError
from spelke.types import Segment
from spelke.viz.overlay import PALETTE, draw_segment

SIDE = 256
"""Longer side of a picture in pixels."""
QUALITY = 62
"""Of WebP; a picture takes some 8 kB."""
TRUTH, ANSWER = PALETTE[3], PALETTE[1]
"""Colours of the true segment and of the answer."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One true segment and its answer, ready for a page.

    Attributes:
        key: the image.
        number: of the segment in it, from 1.
        family: kind of scene or source.
        overlap: of the answer with the truth.
        truth: data URI of the picture with the true segment and the point.
        answer: likewise with the answer.
        width: of both in pixels.
        height: likewise.
    """

    key: str
    number: int
    family: str
    overlap: float
    truth: str
    answer: str
    width: int
    height: int


def choose_cases(run: RunScores, count: int, seed: int = 0) -> dict[str, list[Shown]]:
    """Choose true segments of a run by the overlap of their answers, and draw them.

    No two of a band are of one image; equal overlaps are chosen from by chance.

    Args:
        run: what was scored.
        count: of each band.
        seed: of what is chosen by chance.

    Returns:
        "worst", "at random" and "best"; a band without pictures is absent.
    """
    generator = np.random.default_rng(seed)
    places = [
        (float(overlap), result.key, row)
        for result in run.results
        if result.key in run.files and not result.error
        for row, overlap in enumerate(_overlaps(result))
    ]
    drawn = [places[index] for index in generator.permutation(len(places))]
    ranked = sorted(drawn, key=lambda place: place[0])
    bands = {"worst": ranked, "at random": drawn, "best": ranked[::-1]}
    shown = {title: _draw(run, _one_each(band, count)) for title, band in bands.items()}
    return {title: cases for title, cases in shown.items() if cases}


def _overlaps(result: ImageResult) -> np.ndarray:
    """With the answer to the same point, or where they are not paired with the assigned one."""
    return result.score.matched if np.isnan(result.score.own).any() else result.score.own


def _answer_to(result: ImageResult, row: int) -> int:
    if np.isnan(result.score.own).any():
        return int(result.score.answered_by[row])
    return row


def _one_each(places: Sequence[tuple[float, str, int]], count: int) -> list[tuple[float, str, int]]:
    first: dict[str, tuple[float, str, int]] = {}
    for place in places:
        first.setdefault(place[1], place)
    return list(first.values())[:count]


def _draw(run: RunScores, places: Sequence[tuple[float, str, int]]) -> list[Shown]:
    results = {result.key: result for result in run.results}
    cases = []
    for overlap, key, row in places:
        try:
            given = read_prediction(run.files[key])
        except SpelkeError:  # its picture is damaged; it was scored without
            continue
        image = _image_of(run, given)
        if image is None or given.masks is None or len(given.truths) <= row:
            continue
        result = results[key]
        column = _answer_to(result, row)
        found = given.masks[column] if column >= 0 else np.zeros_like(given.truths[row])
        truth = _picture(image, given, row, given.truths[row], TRUTH)
        answer = _picture(image, given, row, found, ANSWER)
        height, width = truth.shape[:2]
        cases.append(
            Shown(
                key=key,
                number=row + 1,
                family=result.family,
                overlap=overlap,
                truth=data_uri(truth),
                answer=data_uri(answer),
                width=width,
                height=height,
            )
        )
    return cases


def _image_of(run: RunScores, given: Prediction) -> np.ndarray | None:
    """The picture beside the answer, or in the dataset; None where neither has one that fits."""
    if given.image is not None or run.dataset is None:
        return given.image
    item = run.dataset.read(given.key).item
    return item.image if item and item.image.shape[:2] == given.truths.shape[1:] else None


def _picture(
    image: np.ndarray, given: Prediction, row: int, mask: np.ndarray, color: tuple[int, int, int]
) -> np.ndarray:
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(image, size, interpolation=method)
    region = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(bool)
    x, y = given.points[row] if row < len(given.points) else _middle(given.truths[row])
    point = ((float(x) + 0.5) * scale - 0.5, (float(y) + 0.5) * scale - 0.5)
    return draw_segment(small, Segment(region, point, 1.0), color=color, zoom=1)


def _middle(mask: np.ndarray) -> tuple[float, float]:
    rows, columns = np.nonzero(mask)
    return (float(columns.mean()), float(rows.mean())) if rows.size else (0.0, 0.0)


def data_uri(picture: np.ndarray) -> str:
    """Compress a picture as WebP into a URI that a page can hold."""
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "WEBP", quality=QUALITY)
    return "data:image/webp;base64," + base64.b64encode(data.getvalue()).decode("ascii")
