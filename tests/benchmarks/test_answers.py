import json

import numpy as np
import pytest

from spelke.benchmarks.answers import Answer, AnswerFile
from spelke.errors import BadFile


def make_masks(seed=0, count=2):
    return np.random.default_rng(seed).random((count, 20, 30)) > 0.7


@pytest.mark.parametrize("count", [0, 1, 3])
def test_an_answer_survives_json(count):
    masks = make_masks(count=count)
    again = Answer.from_json(json.loads(json.dumps(Answer("a", masks, 1.5).to_json())))
    assert np.array_equal(again.masks, masks)
    assert (again.key, again.seconds, again.error) == ("a", 1.5, "")


def test_answers_are_found_again_and_failures_are_tried_again(tmp_path):
    path = tmp_path / "m.jsonl"
    file = AnswerFile(path, "m", "1", "set")
    file.add(Answer("a", make_masks(), 1.0))
    file.add(Answer("b", None, 1.0, "ValueError: no"))
    again = AnswerFile(path, "m", "1", "set")
    assert again.missing(["a", "b", "c"]) == ["b", "c"]
    again.add(Answer("b", make_masks(1), 1.0))
    assert AnswerFile(path, "m", "1", "set").missing(["a", "b", "c"]) == ["c"]


def test_a_line_cut_short_is_answered_again_and_spoils_nothing(tmp_path):
    path = tmp_path / "m.jsonl"
    file = AnswerFile(path, "m", "1", "set")
    file.add(Answer("a", make_masks(), 1.0))
    file.add(Answer("b", make_masks(), 1.0))
    path.write_text(path.read_text()[:-30])
    again = AnswerFile(path, "m", "1", "set")
    assert again.missing(["a", "b"]) == ["b"]
    again.add(Answer("b", make_masks(), 1.0))
    assert AnswerFile(path, "m", "1", "set").missing(["a", "b"]) == []


@pytest.mark.parametrize("other", [("n", "1", "set"), ("m", "2", "set"), ("m", "1", "other")])
def test_answers_of_another_model_or_set_are_not_taken_over(tmp_path, other):
    path = tmp_path / "m.jsonl"
    AnswerFile(path, "m", "1", "set").add(Answer("a", make_masks(), 1.0))
    file = AnswerFile(path, *other)
    assert file.is_restarted
    assert file.missing(["a"]) == ["a"]


def test_a_new_file_is_not_called_restarted(tmp_path):
    assert not AnswerFile(tmp_path / "m.jsonl", "m", "1", "set").is_restarted


def test_a_line_of_something_else_is_named(tmp_path):
    path = tmp_path / "m.jsonl"
    AnswerFile(path, "m", "1", "set")
    with path.open("a") as file:
        file.write('{"key": "a"}\n')
    with pytest.raises(BadFile, match=r"m\.jsonl holds a line that is no answer"):
        AnswerFile(path, "m", "1", "set")
