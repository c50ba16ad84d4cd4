import numpy as np
import pytest
from tests.segmenters import Answering, AnsweringTogether

from spelke.benchmarks.load_segmenter import load_segmenter
from spelke.benchmarks.run import answer_all
from spelke.errors import Unavailable


def test_every_picture_is_answered_once_and_a_second_run_asks_nothing(items, tmp_path):
    asked = []

    def answer(item):
        asked.append(item.key)
        return item.segments

    model = Answering(answer, "perfect")
    first = answer_all(model, items[:4], tmp_path)
    assert list(first.answers_to(items)) == asked
    again = answer_all(model, items[:4], tmp_path)
    assert len(asked) == 4
    assert np.array_equal(again.answers_to(items)[items[0].key].masks, items[0].segments)


def test_a_run_goes_on_where_it_was_stopped(items, tmp_path):
    asked = []

    def answer(item):
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(item.key)
        return item.segments

    with pytest.raises(KeyboardInterrupt):
        answer_all(Answering(answer), items, tmp_path)
    rest = []
    rest_only = Answering(lambda item: rest.append(item.key) or item.segments)
    answer_all(rest_only, items, tmp_path)
    assert asked + rest == [item.key for item in items]


def test_a_model_that_fails_on_one_picture_is_written_down_and_the_rest_is_done(items, tmp_path):
    def answer(item):
        if item.key == items[1].key:
            raise ValueError("cannot look")
        return item.segments

    file = answer_all(Answering(answer), items, tmp_path)
    assert file.answers_to(items)[items[1].key].error == "ValueError: cannot look"
    assert file.missing(items) == [items[1]]


def test_answers_of_the_wrong_shape_are_a_failure_of_the_model(items, tmp_path):
    file = answer_all(Answering(lambda item: item.segments[:1]), items[:1], tmp_path)
    assert "m answered with 1 masks to 3 points" in file.answers_to(items)[items[0].key].error


def test_a_full_disk_stops_the_run(items, tmp_path):
    def answer(item):
        raise Unavailable("no space left")

    with pytest.raises(Unavailable):
        answer_all(Answering(answer), items, tmp_path)


def test_progress_is_told_what_is_left_only(items, tmp_path):
    answer_all(load_segmenter("instance-oracle"), items, tmp_path)
    told = []
    track = lambda todo, title: told.append((len(todo), title)) or todo  # noqa: E731
    answer_all(load_segmenter("instance-oracle"), items, tmp_path, track)
    answer_all(load_segmenter("disc"), items, tmp_path, track)
    assert told == [(0, "instance-oracle"), (6, "disc")]


def test_pictures_are_asked_together_and_alone_where_that_fails(items, tmp_path):
    groups = []

    def answer(some):
        groups.append([item.key for item in some])
        if items[4] in some:
            raise ValueError("cannot look")
        return [item.segments for item in some]

    file = answer_all(AnsweringTogether(answer), items, tmp_path)
    keys = [item.key for item in items]
    assert groups == [keys[:4], keys[4:], keys[4:5], keys[5:]]
    assert list(file.answers_to(items)) == keys
    assert file.missing(items) == [items[4]]
    assert np.array_equal(file.answers_to(items)[keys[5]].masks, items[5].segments)
