import json

import numpy as np
import pytest
from PIL import Image
from tests.segmenters import Answering

from spelke.benchmarks.load_segmenter import load_segmenter
from spelke.benchmarks.quick import run_models, write_sheets
from spelke.errors import MissingData

PERFECT = Answering(lambda item: item.segments, "perfect")


def test_all_models_answer_the_same_points_and_the_scores_are_kept(items, tmp_path):
    contestants = [PERFECT, load_segmenter("instance-oracle"), load_segmenter("disc")]
    outcome = run_models(contestants, items, tmp_path)
    totals = {row.model: row.summary for row in outcome.rows if row.family == "all"}
    assert totals["perfect"].average_recall == 1
    assert 0.5 < totals["instance-oracle"].mean_iou < 1
    assert totals["disc"].mean_iou < totals["instance-oracle"].mean_iou
    assert {summary.num_points for summary in totals.values()} == {18}
    kept = json.loads((tmp_path / "scores.json").read_text())
    assert kept["rows"] == [row.to_json() for row in outcome.rows]
    assert kept["set"] == outcome.set_fingerprint


def test_a_second_run_gives_the_same_scores_without_asking(items, tmp_path):
    first = run_models([PERFECT], items, tmp_path)

    def refuse(item):
        raise AssertionError("asked again")

    again = run_models([Answering(refuse, "perfect")], items, tmp_path)
    assert again.rows == first.rows


def test_users_hear_of_failures_and_of_answers_that_no_longer_hold(items, tmp_path):
    def fail(item):
        raise ValueError("too dark")

    told = []
    outcome = run_models([Answering(fail)], items, tmp_path, notice=told.append)
    assert outcome.num_failed == 6
    assert told == ["m failed on 6 pictures: ValueError: too dark"]
    run_models([Answering(PERFECT.answer, identity="2")], items, tmp_path, notice=told.append)
    assert told[1:] == ["m.jsonl was of other weights or settings: all is asked again"]


def test_an_empty_set_is_refused(tmp_path):
    with pytest.raises(MissingData, match="no pictures"):
        run_models([PERFECT], [], tmp_path)


def test_sheets_are_pictures_that_can_be_looked_at(items, tmp_path):
    outcome = run_models([PERFECT, load_segmenter("instance-oracle")], items, tmp_path)
    paths = write_sheets(outcome, items, tmp_path)
    assert [path.name for path in paths] == ["perfect.png", "instance-oracle.png"]
    assert np.array(Image.open(paths[0])).std() > 10
