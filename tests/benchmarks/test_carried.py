"""How much of what an object carries an answer holds."""

import numpy as np
import pytest
from benchmarks.carried import read_carried, read_outlines

from benchmarks import carried
from spelke.benchmarks.predictions import Prediction, write_prediction


def box(rows, columns):
    mask = np.zeros((40, 40), bool)
    mask[rows, columns] = True
    return mask


TRAY, CUP = box(slice(10, 30), slice(0, 20)), box(slice(10, 20), slice(20, 40))


def write(folder, masks, truths, ignore=None):
    folder.mkdir(exist_ok=True)
    points = np.zeros((len(truths), 2), int)
    image = np.zeros((40, 40, 3), np.uint8)
    masks = None if masks is None else np.array(masks)
    error = "" if masks is not None else "it failed"
    answered = Prediction("a", "trays", image, points, np.array(truths), masks, ignore, error=error)
    write_prediction(folder, answered)


@pytest.fixture
def oracle(tmp_path):
    write(tmp_path / "oracle", [TRAY, CUP], [TRAY | CUP, CUP])
    return tmp_path / "oracle"


def test_an_answer_is_judged_by_what_it_holds(tmp_path, oracle):
    half = box(slice(10, 15), slice(20, 40))
    write(tmp_path / "run", [TRAY | half, ~CUP], [TRAY | CUP, CUP])
    tray, cup = read_carried(tmp_path / "run", read_outlines(oracle))
    assert (tray.carried, tray.object, tray.beyond) == (0.5, 1.0, 0.0)
    assert tray.outline == pytest.approx(400 / 600)
    assert tray.overlap == pytest.approx(500 / 600)
    assert np.isnan(cup.carried)  # nothing is carried by the cup
    assert (cup.object, cup.beyond, cup.overlap) == (0.0, 1.0, 0.0)


def test_the_outline_carries_nothing_and_the_picture_all(tmp_path, oracle):
    write(tmp_path / "all", [np.ones((40, 40), bool)] * 2, [TRAY | CUP, CUP])
    answers = {
        "*told*": read_carried(oracle, read_outlines(oracle)),
        "all": read_carried(tmp_path / "all", read_outlines(oracle)),
    }
    counts, _, _, _, told, everything = carried.overall(answers).splitlines()
    assert counts.startswith("1 of 2 segments hold something beside the object; on 1 its outline")
    # The cup is found exactly; for the tray the outline reaches four of nine thresholds.
    assert told == "| *told* | 0.000 | 1.000 | 0.000 | 0.444 | 1.000 |"
    assert everything.startswith(f"| all | 1.000 | 1.000 | {1 - 600 / 1600:.3f} | ")
    assert carried.by_family(answers).splitlines()[2:] == ["| trays (1) | 0.000 | 1.000 |"]
    head, _, line = carried.recall_by_family(answers, wrong=True).splitlines()
    assert head == "| AR, outline below 0.75 (segments) | *told* | all |"
    assert line == "| trays (1) | 0.444 | 0.000 |"
    head, _, line = carried.recall_by_family(answers, wrong=False).splitlines()
    assert head == "| AR, outline from 0.75 (segments) | *told* | all |"
    assert line == "| trays (1) | 1.000 | 0.000 |"


def test_ignored_pixels_are_not_carried(tmp_path):
    ignore = np.array([CUP, np.zeros_like(CUP)])
    write(tmp_path / "oracle", [TRAY, CUP], [TRAY | CUP, CUP], ignore=ignore)
    tray, _ = read_carried(tmp_path / "oracle", read_outlines(tmp_path / "oracle"))
    assert np.isnan(tray.carried)
    assert tray.outline == 1.0


def test_a_failed_picture_holds_nothing(tmp_path, oracle):
    write(tmp_path / "run", None, [TRAY | CUP, CUP])
    tray, _ = read_carried(tmp_path / "run", read_outlines(oracle))
    assert (tray.carried, tray.object, tray.beyond, tray.overlap) == (0.0, 0.0, 0.0, 0.0)
