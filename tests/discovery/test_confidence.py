import numpy as np
import pytest

from spelke.discovery.confidence import NOTHING, assess, level_around

REGION = np.zeros((32, 32), bool)
REGION[8:24, 8:24] = True
HALVES = np.stack((REGION, REGION))


def judged(gain, halves=HALVES, around=0.9, affordance=None, sure=0.2, region=REGION):
    return assess(gain.astype(np.float32), region, halves, around, affordance, sure)


def test_a_clean_segment_is_believed():
    confidence = judged(REGION * 0.9, affordance=0.5)
    assert confidence.value == pytest.approx(0.9)
    assert confidence.remark == ""


@pytest.mark.parametrize(
    ("case", "remark"),
    [
        ({"around": 0.02}, "nothing follows a push"),
        ({"affordance": 0.001}, "something fixed"),
        ({"halves": np.stack((REGION, ~REGION))}, "different pushes"),
        ({"gain": np.full((32, 32), 0.9)}, "does not stand out"),
    ],
)
def test_each_doubt_is_named(case, remark):
    gain = case.pop("gain", REGION * 0.9)
    confidence = judged(gain, **case)
    assert confidence.value < 0.1
    assert remark in confidence.remark


def test_an_empty_region_is_worth_nothing():
    empty = np.zeros_like(REGION)
    assert judged(REGION * 0.9, region=empty) == NOTHING
    assert NOTHING.value == 0
    assert "nothing follows" in NOTHING.remark


def test_an_affordance_that_was_not_asked_does_not_count():
    assert judged(REGION * 0.9, affordance=None, sure=None).value == pytest.approx(0.9)


def test_the_level_around_a_point_is_that_of_its_thing_not_of_its_surroundings():
    gain = np.zeros((32, 32), np.float32)
    gain[10:16, 10:16] = 0.8  # a third of the window
    assert level_around(gain, (12.0, 12.0), 4) == pytest.approx(0.8)
    assert level_around(gain, (28.0, 28.0), 4) == 0
    assert level_around(gain, (0.0, 0.0), 4) == 0
