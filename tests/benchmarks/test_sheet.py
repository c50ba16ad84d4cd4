import numpy as np
import pytest

from spelke.benchmarks.answers import Answer
from spelke.benchmarks.sheet import PREDICTION, TRUTH, cases_of, draw_case, draw_cases, outline
from spelke.errors import InvalidInput


def test_cases_come_worst_first_and_leave_failures_out(items):
    answers = {item.key: Answer(item.key, "f", item.instances, 0.1) for item in items[:2]}
    answers[items[2].key] = Answer(items[2].key, "f", None, 0.1, "no")
    cases = cases_of(items, answers)
    assert len(cases) == 6
    assert [case.overlap for case in cases] == [0.5, 0.5, 1, 1, 1, 1]


def test_a_case_shows_truth_and_answer_in_their_colours(items):
    item = items[0]
    case = cases_of([item], {item.key: Answer(item.key, "f", item.instances, 0.1)})[0]
    picture = draw_case(case, least_side=96)
    assert picture.shape == (96, 96, 3)
    far_from_the_mark = item.instances[2] & (np.arange(96) < 60)
    assert (picture[outline(item.segments[1]) & far_from_the_mark] == TRUTH).all()
    inside = picture[57, 62].astype(int)
    expected = (item.image[57, 62].astype(int) + PREDICTION) // 2
    assert np.abs(inside - expected).max() <= 1
    assert draw_case(case).shape == (288, 288, 3)


def test_the_sheet_has_three_bands_and_is_the_same_for_the_same_seed(items):
    cases = cases_of(
        items, {item.key: Answer(item.key, "f", item.instances, 0.1) for item in items}
    )
    sheets = [draw_cases(cases, np.random.default_rng(0), columns=3, cell_height=64) for _ in "ab"]
    assert np.array_equal(*sheets)
    assert sheets[0].shape[0] > 3 * 2 * 64
    assert sheets[0].shape[1] > 3 * 64


def test_a_sheet_of_nothing_is_refused():
    with pytest.raises(InvalidInput):
        draw_cases([], np.random.default_rng(0))


def test_an_outline_lies_inside_and_is_thin():
    mask = np.zeros((20, 20), bool)
    mask[4:16, 4:16] = True
    assert outline(mask, 1).sum() == 44
    assert not (outline(mask) & ~mask).any()
