"""The fits of the training study find laws that are there, and say how little they know."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.study_scaling import (
    Point,
    draw_scaling,
    fit_power,
    fitted,
    predict,
    predict_recall,
)
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spelke.errors import InvalidInput

FLOPS = [1e12, 4e12, 2e13, 1e14]


@given(st.floats(0.1, 2), st.floats(0.1, 2), st.floats(0.1, 1.0))
def test_a_power_law_is_found_again(floor, scale, exponent):
    losses = [floor + scale * (c / 1e13) ** -exponent for c in FLOPS]
    found = fit_power(FLOPS, losses)
    assert found.at(1e13) == pytest.approx(floor + scale, rel=0.02)
    assert found.at(1e16) == pytest.approx(floor + scale * 1000**-exponent, abs=0.03)


def test_a_floor_is_not_negative():
    assert fit_power(FLOPS, [3.0, 2.0, 1.0, 0.01]).floor >= 0


def test_two_points_are_not_enough():
    with pytest.raises(InvalidInput, match="needs 3 points, got 2"):
        fit_power(FLOPS[:2], [2.0, 1.0])


def test_both_laws_of_recall_agree_with_what_was_seen():
    recalls = [0.2, 0.3, 0.4, 0.5]
    flops = [1e12, 1e13, 1e14, 1e15]
    power, line = predict_recall(flops, recalls, 1e16)
    assert line == pytest.approx(0.6)
    assert 0.5 < power < line


def point(flops, recall, count=40):
    recalls = np.clip(np.random.default_rng(0).normal(recall, 0.2, count), 0, 1)
    return Point(f"{flops:.0e}", flops, 1 + 1e6 * flops**-0.5, recalls, recall, 0.0, 1.0)


def test_predictions_come_with_their_spread():
    recalls = [0.1, 0.2, 0.3, 0.4]
    points = [point(c, r) for c, r in zip(FLOPS, recalls, strict=True)]
    one = predict(points, 10)
    assert one.flops == 1e15
    assert one.losses_without[0] <= one.loss <= one.losses_without[1]
    assert all(low < mean < high for mean, low, high in one.recalls)
    assert predict(points[:3], 10).loss is None


def test_one_compute_is_no_law():
    assert fitted([point(1e13, 0.1), point(1e13, 0.2)]) == []
    assert len(fitted([point(1e13, 0.1), point(2e13, 0.2)])) == 2


def test_the_picture_shows_each_series_and_the_table_what_it_says(tmp_path):
    results = {}
    for side in (64, 128):
        for number, flops in enumerate(FLOPS):
            name, recall = f"r{side}-{number}", 0.1 + 0.1 * number
            results[name] = {
                "row": {"name": name, "part": "scaling", "samples": {"image_size": side}},
                "flops": flops,
                "held_out": {"loss": 1 + 1e6 * flops**-0.5, "follow": 0.25 * (number + 1)},
                "recall": {
                    "set": "s",
                    "rows": [{"family": "all", "AR": recall, "AR_low": 0.05, "AR_high": 0.6}],
                    "pictures": {str(n): [recall + 0.01 * n, 0.0] for n in range(10)},
                },
            }
    text = draw_scaling(results, tmp_path / "plot.png")
    assert text.count("| 64 pixels |") == text.count("| 128 pixels |") == 2
    assert np.array(Image.open(tmp_path / "plot.png")).std() > 10
    without = {name: result for name, result in results.items() if not name.endswith("-0")}
    assert draw_scaling(without, tmp_path / "plot.png") == text
    results["r64-0"]["recall"]["set"] = "t"
    with pytest.raises(InvalidInput, match=r"different sets of worlds \(s, t\)"):
        draw_scaling(results, tmp_path / "plot.png")
