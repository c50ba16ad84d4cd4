import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from spelke.benchmarks.answers import Answer
from spelke.benchmarks.shift import compare, draw_table, draw_versions, in_all
from spelke.errors import MissingData


def answered(items, masks=None):
    return {
        item.key: Answer(item.key, item.fingerprint, item.segments if masks is None else masks, 0.1)
        for item in items
    }


@pytest.fixture
def versions(items):
    return {"a": items, "b": [replace(item, image=255 - item.image) for item in items]}


def test_a_version_that_is_answered_as_well_keeps_everything(versions):
    rows = compare("m", versions, {name: answered(items) for name, items in versions.items()})
    assert [(row.version, row.reference) for row in rows] == [("a", "a"), ("b", "a")]
    for row in rows:
        assert row.recall == row.iou == row.kept == 1
        assert row.change_interval == (0, 0)
        assert (row.num_points, row.num_images) == (18, 6)


def test_the_interval_of_a_change_is_paired(versions):
    """Every picture loses the same share, so the difference is sure although scores are not."""
    half = {}
    for item in versions["b"]:
        masks = item.segments.copy()
        masks[0] = False
        half[item.key] = Answer(item.key, item.fingerprint, masks, 0.1)
    _, row = compare("m", versions, {"a": answered(versions["a"]), "b": half})
    assert row.change == pytest.approx(-1 / 3)
    assert row.change_interval == pytest.approx((-1 / 3, -1 / 3))
    assert row.kept == pytest.approx(2 / 3)
    plain = json.loads(json.dumps(row.to_json()))
    assert plain["AR_change_low"] == pytest.approx(-0.3333)
    assert plain["n"] == 18


def test_only_pictures_of_all_versions_are_compared(versions):
    shared = in_all({"a": versions["a"], "b": versions["b"][3:1:-1]})
    assert [item.key for item in shared["b"]] == [item.key for item in versions["a"][2:4]]
    assert [item.key for item in shared["a"]] == [item.key for item in shared["b"]]
    with pytest.raises(MissingData, match="pictures: a 6, b 0"):
        in_all({"a": versions["a"], "b": []})


def test_a_model_that_finds_nothing_has_no_share_to_keep(versions):
    nothing = {
        name: {
            item.key: Answer(item.key, item.fingerprint, np.zeros_like(item.segments), 0.1)
            for item in items
        }
        for name, items in versions.items()
    }
    row = compare("m", versions, nothing)[1]
    assert row.recall == 0
    assert np.isnan(row.kept)


def test_the_table_is_markdown_with_the_best_model_first(versions):
    good = {name: answered(items) for name, items in versions.items()}
    bad = {**good, "a": {}}
    rows = [*compare("worse", versions, bad), *compare("better", versions, good)]
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(draw_table(rows, "Squares"))
    lines = [line for line in console.export_text().splitlines() if line.startswith("|")]
    assert "change from a" in lines[0]
    assert set(lines[1]) <= set("|-: ")
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["better", "worse"]


def test_every_version_of_a_picture_is_drawn(versions):
    answers = {"a": answered(versions["a"]), "b": {}}
    page = draw_versions(versions, answers, np.random.default_rng(0), count=2, scenes_per_row=1)
    assert page.shape[0] > 2 * 176
    assert page.std() > 10
