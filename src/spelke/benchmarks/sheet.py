"""Pictures of answers: prediction against truth, the best, the worst and some at random.

Entry points: `draw_case`, `tile`, `draw_cases`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageDraw

from spelke.benchmarks.answers import Answer
from spelke.benchmarks.matching import iou_matrix
from spelke.benchmarks.test_set import TestItem

TRUTH = (60, 220, 90)
PREDICTION = (255, 60, 200)
CAPTION_HEIGHT = 16


@dataclass(frozen=True, slots=True)
class Case:
    """One point of one picture with what was answered.

    Attributes:
        item: the picture.
        row: which of its points.
        overlap: IoU of the answer with the truth of that point, ignored pixels left out.
        mask: (height, width) bool, the answer.
    """

    item: TestItem
    row: int
    overlap: float
    mask: np.ndarray


def cases_of(items: Sequence[TestItem], answers: Mapping[str, Answer]) -> list[Case]:
    """List every answered point, the worst first."""
    cases = []
    for item in items:
        answer = answers.get(item.key)
        if answer is None or answer.masks is None:
            continue
        own = iou_matrix(item.segments, answer.masks, item.ignore).diagonal()
        cases += [Case(item, row, float(own[row]), answer.masks[row]) for row in range(len(own))]
    return sorted(cases, key=lambda case: case.overlap)


def draw_case(case: Case, side: int = 256) -> UInt8[np.ndarray, "height width 3"]:
    """Draw one case: the answer tinted, the truth outlined, the point marked, a caption.

    Args:
        case: what to draw.
        side: longer side of the picture in pixels.
    """
    height, width = case.item.image.shape[:2]
    scale = side / max(height, width)
    size = (round(width * scale), round(height * scale))
    picture = cv2.resize(case.item.image, size, interpolation=cv2.INTER_AREA)
    found, truth = (
        cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(bool)
        for mask in (case.mask, case.item.segments[case.row])
    )
    picture[found] = (0.5 * picture[found] + 0.5 * np.array(PREDICTION)).astype(np.uint8)
    picture[outline(truth)] = TRUTH
    point = (case.item.points[case.row] + 0.5) * scale - 0.5
    mark_point(picture, (float(point[0]), float(point[1])))
    return captioned(picture, f"{case.item.key} #{case.row}  IoU {case.overlap:.2f}")


def draw_cases(
    cases: Sequence[Case], generator: np.random.Generator, columns: int = 8, side: int = 192
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw three bands of cases: the worst, some at random, the best.

    Args:
        cases: the worst first, as `cases_of` gives them.
        generator: draws the middle band.
        columns: pictures in a row; each band has two rows.
        side: of one picture in pixels.
    """
    count = min(2 * columns, len(cases))
    drawn = generator.choice(len(cases), size=count, replace=False)
    bands = {
        "worst": list(cases[:count]),
        "at random": [cases[index] for index in drawn],
        "best": list(cases[::-1][:count]),
    }
    rows = []
    for title, members in bands.items():
        band = tile([draw_case(case, side) for case in members], columns)
        heading = np.zeros((CAPTION_HEIGHT + 4, band.shape[1], 3), np.uint8)
        rows += [_written(heading, f"{title} (green line: truth, magenta: answer)"), band]
    return np.concatenate(rows)


def tile(
    pictures: Sequence[UInt8[np.ndarray, "_h _w 3"]], columns: int
) -> UInt8[np.ndarray, "height width 3"]:
    """Lay pictures out in rows on black, each in a cell of the size of the largest."""
    cell_height = max(picture.shape[0] for picture in pictures) + 2
    cell_width = max(picture.shape[1] for picture in pictures) + 2
    num_rows = -(-len(pictures) // columns)
    sheet = np.zeros((num_rows * cell_height, columns * cell_width, 3), np.uint8)
    for index, picture in enumerate(pictures):
        top, left = (index // columns) * cell_height, (index % columns) * cell_width
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet


def captioned(
    picture: UInt8[np.ndarray, "height width 3"], text: str
) -> UInt8[np.ndarray, "height_with_caption width 3"]:
    """Put one line of text under a picture."""
    strip = np.zeros((CAPTION_HEIGHT, picture.shape[1], 3), np.uint8)
    return np.concatenate([picture, _written(strip, text)])


def outline(
    mask: Bool[np.ndarray, "height width"], thickness: int = 2
) -> Bool[np.ndarray, "height width"]:
    """Return the pixels of a mask within `thickness` pixels of its border."""
    kernel = np.ones((3, 3), np.uint8)
    inner = cv2.erode(mask.astype(np.uint8), kernel, iterations=thickness).astype(bool)
    return mask & ~inner


def mark_point(picture: UInt8[np.ndarray, "height width 3"], point: tuple[float, float]) -> None:
    """Draw a white dot with a black rim in place."""
    centre = (round(point[0]), round(point[1]))
    cv2.circle(picture, centre, 4, (0, 0, 0), -1, cv2.LINE_AA)
    cv2.circle(picture, centre, 3, (255, 255, 255), -1, cv2.LINE_AA)


def _written(strip: np.ndarray, text: str) -> np.ndarray:
    image = Image.fromarray(strip)
    ImageDraw.Draw(image).text((3, 1), text, fill=(230, 230, 230))
    return np.array(image)
