"""The script that counts what stopping early saves, on a model that is right."""

import numpy as np
from benchmarks.settle import measure, report
from tests.discovery.doubles import PALETTE, PerfectWorldModel

from spelke.benchmarks.test_set import TestItem
from spelke.discovery.observer import Observer


def item():
    """A red square on black."""
    segments = np.zeros((1, 128, 128), bool)
    segments[0, 30:90, 40:80] = True
    image = np.zeros((128, 128, 3), np.uint8)
    image[segments[0]] = (PALETTE[1] * 255).numpy()
    points = np.array([[60, 60]])
    return TestItem("one", "plain", image, points, segments, segments & False, segments)


def test_a_right_model_needs_half_the_pokes_and_finds_the_same():
    full, early = measure(Observer(PerfectWorldModel()), [item()] * 2, values=[0.9])
    assert (full.settle, full.pokes, full.overlap) == (None, 8, 1)
    assert (early.settle, early.pokes) == (0.9, 4)
    assert early.overlap > 0.98
    assert full.mean_iou > 0.95
    table = report([full, early])
    assert "| all pokes | 8.0 | 1.000 |" in table
    assert "| 0.9 | 4.0 |" in table
