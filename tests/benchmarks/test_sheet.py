import numpy as np

from spelke.benchmarks.answers import Answer
from spelke.benchmarks.sheet import (
    PREDICTION,
    TRUTH,
    cases_of,
    draw_case,
    draw_cases,
    outline,
    tile,
)


def test_cases_come_worst_first_and_leave_failures_out(items):
    answers = {item.key: Answer(item.key, item.instances, 0.1) for item in items[:2]}
    answers[items[2].key] = Answer(items[2].key, None, 0.1, "no")
    cases = cases_of(items, answers)
    assert len(cases) == 6
    assert [case.overlap for case in cases] == [0.5, 0.5, 1, 1, 1, 1]


def test_a_case_shows_truth_and_answer_in_their_colours(items):
    answers = {items[0].key: Answer(items[0].key, items[0].instances, 0.1)}
    case = cases_of(items[:1], answers)[0]
    picture = draw_case(case, side=96)
    assert picture.shape == (96 + 16, 96, 3)
    above = items[0].instances[2]
    assert (picture[:96][outline(items[0].segments[1]) & above] == TRUTH).all()
    inside = picture[46, 62].astype(int)
    expected = (items[0].image[46, 62].astype(int) + PREDICTION) // 2
    assert np.abs(inside - expected).max() <= 1


def test_the_sheet_has_three_bands(items):
    answers = {item.key: Answer(item.key, item.instances, 0.1) for item in items}
    sheet = draw_cases(cases_of(items, answers), np.random.default_rng(0), columns=3, side=64)
    assert sheet.shape == (3 * (20 + 2 * (64 + 16 + 2)), 3 * 66, 3)


def test_tiles_keep_their_places():
    pictures = [np.full((4, 6, 3), value, np.uint8) for value in (10, 20, 30)]
    sheet = tile(pictures, columns=2)
    assert sheet.shape == (12, 16, 3)
    assert (sheet[0, 0] == 10).all()
    assert (sheet[0, 8] == 20).all()
    assert (sheet[6, 0] == 30).all()


def test_an_outline_lies_inside_and_is_thin():
    mask = np.zeros((20, 20), bool)
    mask[4:16, 4:16] = True
    assert outline(mask, 1).sum() == 44
    assert not (outline(mask) & ~mask).any()
