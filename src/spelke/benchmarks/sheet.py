"""Pictures of answers: prediction against truth, the best, the worst and some at random.

Entry points: `cases_of`, `draw_cases`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from spelke.benchmarks.answers import Answer
from spelke.benchmarks.matching import iou_matrix
from spelke.benchmarks.test_set import TestItem
from spelke.viz.overlay import draw_point
from spelke.viz.sheet import draw_contact_sheet

TRUTH = (60, 220, 90)
PREDICTION = (255, 60, 200)


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


def draw_case(case: Case, least_side: int = 256) -> UInt8[np.ndarray, "height width 3"]:
    """Draw one case: the answer tinted, the truth outlined, the point marked.

    Args:
        case: what to draw.
        least_side: the longer side in pixels that smaller pictures are enlarged to.
    """
    height, width = case.item.image.shape[:2]
    scale = max(1, -(-least_side // max(height, width)))
    picture, found, truth = (
        array.repeat(scale, 0).repeat(scale, 1)
        for array in (case.item.image, case.mask, case.item.segments[case.row])
    )
    picture[found] = (0.5 * picture[found] + 0.5 * np.array(PREDICTION)).astype(np.uint8)
    picture[outline(truth)] = TRUTH
    x, y = (float(value + 0.5) * scale - 0.5 for value in case.item.points[case.row])
    return draw_point(picture, (x, y), zoom=1)


def draw_cases(
    cases: Sequence[Case], generator: np.random.Generator, columns: int = 8, cell_height: int = 192
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw three bands of cases, two rows each: the worst, some at random, the best.

    Args:
        cases: the worst first, as `cases_of` gives them.
        generator: draws the middle band.
        columns: pictures in a row.
        cell_height: of one picture in pixels.

    Raises:
        InvalidInput: there are no cases.
    """
    count = min(2 * columns, len(cases))
    drawn = generator.choice(len(cases), size=count, replace=False) if count else []
    bands = {
        "worst": cases[:count],
        "at random": [cases[index] for index in drawn],
        "best": cases[::-1][:count],
    }
    pages = [
        draw_contact_sheet(
            [
                (f"{case.item.key} #{case.row}: IoU {case.overlap:.2f}", draw_case(case))
                for case in members
            ],
            columns=columns,
            cell_height=cell_height,
            title=f"{title} (line: truth, tint: answer)",
        )
        for title, members in bands.items()
    ]
    return stack_pages(pages)


def stack_pages(
    pages: Sequence[UInt8[np.ndarray, "_h _w 3"]],
) -> UInt8[np.ndarray, "height width 3"]:
    """Put pages under each other on white."""
    width = max(page.shape[1] for page in pages)
    return np.concatenate(
        [
            np.pad(page, ((0, 0), (0, width - page.shape[1]), (0, 0)), constant_values=255)
            for page in pages
        ]
    )


def outline(
    mask: Bool[np.ndarray, "height width"], thickness: int = 2
) -> Bool[np.ndarray, "height width"]:
    """Return the pixels of a mask within `thickness` pixels of its border."""
    kernel = np.ones((3, 3), np.uint8)
    inner = cv2.erode(mask.astype(np.uint8), kernel, iterations=thickness).astype(bool)
    return mask & ~inner
