import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from PIL import Image
from tests.segmenters import Answering, AnsweringTogether

from spelke.benchmarks.asking import ModelSpec
from spelke.benchmarks.engine import InProcess
from spelke.benchmarks.load_segmenter import load_segmenter
from spelke.benchmarks.prediction_folder import PredictionFolder
from spelke.benchmarks.prediction_run import run_model
from spelke.benchmarks.quick import PICTURES, run_models, write_sheets
from spelke.benchmarks.report import score_answers
from spelke.benchmarks.scoring import score_run
from spelke.data.spelkebench import SpelkeBenchFile
from spelke.errors import InvalidInput, MissingData, Unavailable

PERFECT = Answering(lambda item: item.segments, "perfect")


def refuse(item):
    raise AssertionError("asked again")


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
    again = run_models([Answering(refuse, "perfect")], items, tmp_path)
    assert again.rows == first.rows


def test_its_folders_are_runs_that_can_be_scored_and_gone_on_with(items, tmp_path):
    outcome = run_models([load_segmenter("disc")], items, tmp_path)
    run = score_run(tmp_path / "disc")
    expected = score_answers(items, outcome.answers["disc"])
    assert [result.key for result in run.results] == sorted(expected)
    for result in run.results:
        assert result.score.average_recall == expected[result.key].average_recall
        assert result.score.mean_iou == expected[result.key].mean_iou
    assert (run.problems, run.is_oracle) == ((), False)
    run_models([load_segmenter("instance-oracle")], items, tmp_path)
    assert score_run(tmp_path / "instance-oracle").is_oracle
    spec, dataset = ModelSpec("disc"), SpelkeBenchFile(tmp_path / PICTURES)
    folder = PredictionFolder(tmp_path / "disc")
    gone_on = run_model(InProcess(spec), spec, dataset, dataset.keys, folder)
    assert (gone_on.answered, len(gone_on.kept)) == ([], len(items))
    assert folder.manifest().pictures == f"../{PICTURES}"


def test_pictures_are_written_once_and_not_beside_every_answer(items, tmp_path):
    run_models([PERFECT, load_segmenter("disc")], items, tmp_path)
    path = tmp_path / PICTURES
    before = path.stat().st_mtime_ns
    run_models([PERFECT], items, tmp_path)
    assert path.stat().st_mtime_ns == before
    with h5py.File(tmp_path / "perfect" / f"{items[0].key}.h5") as file:
        assert set(file) == {"segments", "segment_gt", "segment_pred", "probe_points"}
    run_models([PERFECT], items[:2], tmp_path)
    assert SpelkeBenchFile(path).keys == tuple(sorted(item.key for item in items[:2]))


def test_a_smaller_set_is_scored_alone_and_the_rest_is_kept_for_a_larger_one(items, tmp_path):
    run_models([PERFECT], items, tmp_path)
    run_models([Answering(refuse, "perfect")], items[:2], tmp_path)
    run = score_run(tmp_path / "perfect")
    assert [result.key for result in run.results] == [item.key for item in items[:2]]
    assert {problem.kind for problem in run.problems} == {"unknown"}
    run_models([Answering(refuse, "perfect")], items, tmp_path)


def test_predictions_whose_pictures_are_gone_are_not_scored_by_guess(items, tmp_path):
    run_models([PERFECT], items, tmp_path)
    (tmp_path / PICTURES).rename(tmp_path / "elsewhere.h5")
    with pytest.raises(MissingData, match="name their file with --dataset"):
        score_run(tmp_path / "perfect")
    run = score_run(tmp_path / "perfect", SpelkeBenchFile(tmp_path / "elsewhere.h5"))
    assert len(run.results) == len(items)


def test_a_damaged_answer_and_an_answer_to_another_point_are_asked_again(items, tmp_path):
    asked = []
    model = Answering(lambda item: asked.append(item.key) or item.segments, "perfect")
    run_models([model], items, tmp_path)
    path = tmp_path / "perfect" / f"{items[1].key}.h5"
    path.write_bytes(path.read_bytes()[:500])
    moved = replace(items[0], points=items[0].points + 1)
    asked.clear()
    run_models([model], [moved, *items[1:]], tmp_path)
    assert asked == [items[0].key, items[1].key]


def test_a_run_goes_on_where_it_was_stopped(items, tmp_path):
    asked = []

    def answer(item):
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(item.key)
        return item.segments

    with pytest.raises(KeyboardInterrupt):
        run_models([Answering(answer)], items, tmp_path)
    rest = []
    rest_only = Answering(lambda item: rest.append(item.key) or item.segments)
    run_models([rest_only], items, tmp_path)
    assert asked + rest == [item.key for item in items]


def test_pictures_are_asked_together_and_alone_where_that_fails(items, tmp_path):
    groups = []

    def answer(some):
        groups.append([item.key for item in some])
        if items[4] in some:
            raise ValueError("cannot look")
        return [item.segments for item in some]

    found = run_models([AnsweringTogether(answer)], items, tmp_path).answers["m"]
    keys = [item.key for item in items]
    assert groups == [keys[:4], keys[4:], keys[4:5], keys[5:]]
    assert list(found) == keys
    assert [key for key in keys if found[key].masks is None] == [keys[4]]
    assert np.array_equal(found[keys[5]].masks, items[5].segments)


def test_users_hear_of_failures_and_of_answers_that_no_longer_hold(items, tmp_path):
    def fail(item):
        if item.key == items[1].key:
            raise ValueError("too dark")
        return item.segments[:1]

    told = []
    outcome = run_models([Answering(fail)], items[:2], tmp_path, notice=told.append)
    assert outcome.num_failed == 2
    answers = outcome.answers["m"]
    assert "m answered with 1 masks to 3 points" in answers[items[0].key].error
    assert answers[items[1].key].error == "ValueError: too dark"
    assert "Traceback" in (tmp_path / "m" / "failed" / f"{items[1].key}.txt").read_text()
    assert told[1:] == [
        f"m: {items[1].key}: ValueError: too dark",
        f"m failed on 2 pictures: tracebacks are in {tmp_path / 'm' / 'failed'}",
    ]
    other = Answering(PERFECT.answer, identity="2")
    assert run_models([other], items[:2], tmp_path, notice=told.append).num_failed == 0
    assert "all is asked again" in told[-1]


def test_a_full_disk_stops_the_run(items, tmp_path, monkeypatch):
    def full(*_):
        raise Unavailable("no space left")

    monkeypatch.setattr(PredictionFolder, "add", full)
    with pytest.raises(Unavailable):
        run_models([PERFECT], items, tmp_path)


def test_progress_is_told_of_every_model(items, tmp_path):
    told = []
    models = [PERFECT, load_segmenter("disc")]
    run_models(models, items, tmp_path, advance=lambda name, so: told.append((name, so.num_done)))
    assert told == [(name, n) for name in ("perfect", "disc") for n in range(1, 7)]


def test_an_empty_set_and_two_models_of_one_name_are_refused(items, tmp_path):
    with pytest.raises(MissingData, match="no pictures"):
        run_models([PERFECT], [], tmp_path)
    with pytest.raises(InvalidInput, match="perfect, perfect"):
        run_models([PERFECT, PERFECT], items, tmp_path)
    with pytest.raises(InvalidInput, match="1 pictures have the key of another"):
        run_models([PERFECT], [*items, items[0]], tmp_path)


def test_sheets_are_pictures_that_can_be_looked_at(items, tmp_path):
    outcome = run_models([PERFECT, load_segmenter("instance-oracle")], items, tmp_path)
    paths = write_sheets(outcome, items, tmp_path)
    assert [path.name for path in paths] == ["perfect.png", "instance-oracle.png"]
    assert np.array(Image.open(paths[0])).std() > 10
