"""Pictures whose things are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest


def _table(height: int, width: int) -> np.ndarray:
    """Six things on a ground: discs, boxes, a ring and two discs of one colour (one thing)."""
    ids = np.zeros((height, width), np.uint8)
    unit = min(height, width) / 240

    def at(x: float, y: float) -> tuple[int, int]:
        return round(x * width / 320), round(y * height / 240)

    def span(length: float) -> int:
        return max(1, round(length * unit))

    cv2.circle(ids, at(60, 60), span(34), 1, -1)
    cv2.rectangle(ids, at(130, 30), at(190, 80), 2, -1)
    cv2.circle(ids, at(260, 70), span(40), 3, -1)
    cv2.ellipse(ids, at(80, 170), (span(50), span(22)), 30, 0, 360, 4, -1)
    cv2.rectangle(ids, at(165, 120), at(195, 215), 5, -1)
    cv2.circle(ids, at(260, 180), span(30), 6, -1)
    return ids


@pytest.fixture(scope="session")
def table() -> np.ndarray:
    """(240, 320) thing numbers."""
    return _table(240, 320)


@pytest.fixture(scope="session")
def tall_table() -> np.ndarray:
    """(500, 300) thing numbers."""
    return _table(500, 300)


@pytest.fixture(scope="session")
def square_table() -> np.ndarray:
    """(256, 256) thing numbers."""
    return _table(256, 256)


def centre_of(ids: np.ndarray, thing: int) -> tuple[float, float]:
    """The pixel of a thing that lies deepest inside it."""
    depth = cv2.distanceTransform((ids == thing).astype(np.uint8), cv2.DIST_L2, 5)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return (float(column), float(row))


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union."""
    return float((one & other).sum() / max(1, (one | other).sum()))
