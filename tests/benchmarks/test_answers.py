import json
from dataclasses import replace

import numpy as np
import pytest

from spelke.benchmarks.answers import Answer, AnswerFile
from spelke.errors import BadFile


def make_masks(seed=0, count=2):
    return np.random.default_rng(seed).random((count, 20, 30)) > 0.7


def answer_to(item):
    return Answer(item.key, item.fingerprint, item.instances, 1.0)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_an_answer_survives_json(count):
    masks = make_masks(count=count)
    again = Answer.from_json(json.loads(json.dumps(Answer("a", "f", masks, 1.5).to_json())))
    assert np.array_equal(again.masks, masks)
    assert (again.key, again.fingerprint, again.seconds, again.error) == ("a", "f", 1.5, "")


def test_answers_are_found_again_and_failures_are_tried_again(items, tmp_path):
    path = tmp_path / "m.jsonl"
    file = AnswerFile(path, "m", "1")
    file.add(answer_to(items[0]))
    file.add(Answer(items[1].key, items[1].fingerprint, None, 1.0, "ValueError: no"))
    again = AnswerFile(path, "m", "1")
    assert again.missing(items[:3]) == items[1:3]
    again.add(answer_to(items[1]))
    assert AnswerFile(path, "m", "1").missing(items[:3]) == items[2:3]


def test_a_line_cut_short_is_answered_again_and_spoils_nothing(items, tmp_path):
    path = tmp_path / "m.jsonl"
    file = AnswerFile(path, "m", "1")
    for item in items[:2]:
        file.add(answer_to(item))
    path.write_text(path.read_text()[:-30])
    again = AnswerFile(path, "m", "1")
    assert again.missing(items[:2]) == items[1:2]
    again.add(answer_to(items[1]))
    assert AnswerFile(path, "m", "1").missing(items[:2]) == []


@pytest.mark.parametrize("other", [("n", "1"), ("m", "2")])
def test_answers_of_another_model_are_not_taken_over(items, tmp_path, other):
    path = tmp_path / "m.jsonl"
    AnswerFile(path, "m", "1").add(answer_to(items[0]))
    file = AnswerFile(path, *other)
    assert file.is_restarted
    assert file.missing(items[:1]) == items[:1]


def test_an_answer_to_another_question_about_the_same_picture_does_not_count(items, tmp_path):
    file = AnswerFile(tmp_path / "m.jsonl", "m", "1")
    file.add(answer_to(items[0]))
    moved = replace(items[0], points=items[0].points + 1)
    assert file.missing([moved]) == [moved]
    assert file.answers_to([moved]) == {}


def test_answers_outside_of_the_asked_set_are_kept(items, tmp_path):
    file = AnswerFile(tmp_path / "m.jsonl", "m", "1")
    for item in items:
        file.add(answer_to(item))
    again = AnswerFile(tmp_path / "m.jsonl", "m", "1")
    assert list(again.answers_to(items[:1])) == [items[0].key]
    assert AnswerFile(tmp_path / "m.jsonl", "m", "1").missing(items) == []


def test_a_new_file_is_not_called_restarted(tmp_path):
    assert not AnswerFile(tmp_path / "m.jsonl", "m", "1").is_restarted


def test_a_line_of_something_else_is_named(tmp_path):
    path = tmp_path / "m.jsonl"
    AnswerFile(path, "m", "1")
    with path.open("a") as file:
        file.write('{"key": "a"}\n')
    with pytest.raises(BadFile, match=r"m\.jsonl holds a line that is no answer"):
        AnswerFile(path, "m", "1")
