import io
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from spelke.benchmarks.answers import Answer
from spelke.benchmarks.clips import item_of, read_moments
from spelke.benchmarks.foretell import AFFORDANCES, Forecast, Forecaster, moved_rigidly
from spelke.benchmarks.motion import (
    draw_parts,
    leads_of,
    rows_of_part,
    score_affordance,
    score_field,
)
from spelke.benchmarks.motion_parts import AS_A_WHOLE, draw_moments, score_parts, without
from spelke.errors import BadFile


@pytest.fixture(scope="module")
def moments(clips_folder):
    return read_moments(clips_folder, ("street", "boat")).found


class Seer:
    """An observer that knows which square moves, and counts what it is asked."""

    def __init__(self, moments):
        self.things = {moment.image.tobytes(): moment.things[0] for moment in moments}
        self.asked = 0

    def look(self, image):
        self.thing = self.things[image.tobytes()]
        return self

    def affordance(self):
        return self.thing.astype(np.float32)

    def displacement(self, pokes):
        self.asked += 1
        return moved_rigidly(self.thing, np.array(pokes[0].displacement))


def test_truth_scores_best_and_its_opposite_worst(moments):
    for moment in moments:
        moving = moment.things.any(0)
        assert score_affordance(moment, moving.astype(float)) == {"AUC": 1, "AP": 1}
        assert score_affordance(moment, -moving.astype(float))["AUC"] == 0
        assert score_affordance(moment, np.zeros(moving.shape))["AUC"] == 0.5
        field = moved_rigidly(moment.things[0], moment.shifts[0])
        found = score_field(moment, 0, field)
        assert found["IoU"] == found["AP"] == 1
        assert found["inside"] < 1
        assert found["outside"] == 0


def test_what_counts_for_nothing_changes_no_score(moments, rng):
    moment = moments[0]
    neither = ~(moment.things.any(0) | moment.still)
    assert neither.any()
    ranked, field = rng.random(moment.still.shape), rng.normal(0, 4, (2, *moment.still.shape))
    changed = np.where(neither, 99, ranked), np.where(neither, 99, field)
    assert score_affordance(moment, ranked) == score_affordance(moment, changed[0])
    assert score_field(moment, 0, field) == score_field(moment, 0, changed[1])


@given(share=st.floats(0, 2))
def test_a_thing_counts_as_moved_from_half_of_the_push_on(moments, share):
    moment = moments[0]
    field = moved_rigidly(moment.things[0], share * moment.shifts[0])
    if abs(share - 0.5) > 1e-3:
        assert score_field(moment, 0, field)["IoU"] == (share > 0.5)


def test_moving_everything_covers_the_thing_and_is_charged_for_it(moments):
    moment = moments[0]
    shift = moment.shifts[0]
    found = score_field(moment, 0, moved_rigidly(np.ones_like(moment.still), shift))
    counted = (moment.things[0] | moment.still).sum()
    assert found["IoU"] == pytest.approx(moment.things[0].sum() / counted)
    assert found["outside"] == pytest.approx(np.hypot(*shift), rel=1e-5)


def test_baselines_rank_by_what_they_say(rng):
    image = np.full((40, 60, 3), 100, np.uint8)
    image[10:20, 5:15] = 250, 20, 20
    maps = {name: method(image) for name, method in AFFORDANCES.items()}
    assert all(values.shape == (40, 60) for values in maps.values())
    assert np.ptp(maps["uniform"]) == 0
    assert np.unravel_index(maps["centre"].argmax(), (40, 60)) in {
        (y, x) for y in (19, 20) for x in (29, 30)
    }
    assert maps["border-contrast"][15, 10] > 10 * maps["border-contrast"][35, 50] + 10
    assert maps["gradient"][10, 10] > 100 * maps["gradient"][35, 50] + 1


def test_a_forecast_is_asked_once_and_kept(moments, tmp_path):
    seer = Seer(moments)
    first = Forecaster("seer", "1", seer, tmp_path).forecast(moments[0])
    again = Forecaster("seer", "1", seer, tmp_path).forecast(moments[0])
    assert seer.asked == moments[0].asked
    assert np.array_equal(first.fields, again.fields)
    Forecaster("seer", "2", seer, tmp_path).forecast(moments[0])  # other weights
    assert seer.asked == 2 * moments[0].asked
    for path in (tmp_path / "seer-maps").iterdir():
        path.write_bytes(b"")
    with pytest.raises(BadFile, match="delete it to ask again"):
        Forecaster("seer", "1", seer, tmp_path).forecast(moments[0])


@pytest.fixture
def parts(moments, tmp_path):
    seer = Forecaster("seer", "1", Seer(moments), tmp_path)
    forecasts = {"seer": {moment.key: seer.forecast(moment) for moment in moments}}
    answers = {}
    for name, make in (("seer", np.array), ("everything", np.ones_like)):
        answers[name] = {
            item.key: Answer(item.key, item.fingerprint, make(item.segments), 0.1)
            for item in map(item_of, moments)
        }
    return score_parts(moments, answers, forecasts)


def test_every_part_has_the_model_and_what_it_is_compared_with(parts, moments):
    assert set(parts["affordance"]) == {"seer", *AFFORDANCES}
    assert set(parts["displacement"]) == {
        "seer",
        "seer" + AS_A_WHOLE,
        "everything",
        "nothing moves",
    }
    assert set(parts["segments"]) == {"seer", "everything"}
    nothing = parts["displacement"]["nothing moves"]
    assert all(nothing[m.key]["IoU"] == nothing[m.key]["outside"] == 0 for m in moments)
    assert set(without(parts["displacement"], ["seer"])) == {"everything", "nothing moves"}


def test_rows_have_sources_and_all_and_intervals(parts, moments):
    rows = rows_of_part("affordance", "seer", moments, parts["affordance"]["seer"])
    assert [row.source for row in rows] == ["street", "boat", "all"]
    assert rows[-1].num_images == rows[0].num_images + rows[1].num_images == len(moments)
    plain = json.loads(json.dumps(rows[-1].to_json()))
    assert (plain["AUC"], plain["AUC_low"]) == (1, None)  # two clips tell no interval
    apart = [replace(moment, clip="") for moment in moments]
    rows = rows_of_part("affordance", "seer", apart, parts["affordance"]["seer"])
    assert rows[-1].to_json()["AUC_low"] == 1
    rivals = without(parts["segments"], ["seer"])
    assert leads_of("segments", moments, parts["segments"], rivals)[0].to_json()["low"] is None
    leads = leads_of("segments", apart, parts["segments"], rivals)
    assert [lead.number for lead in leads] == ["AR", "mIoU"]
    lead = leads[1]
    assert lead.rival == "everything"
    assert 0 < lead.low <= lead.ahead <= lead.high <= 1


def test_tables_are_markdown_with_the_best_method_first(parts, moments):
    rows = [
        row
        for part, methods in parts.items()
        for name, values in methods.items()
        for row in rows_of_part(part, name, moments, values)
    ]
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(draw_parts(rows))
    lines = [line for line in console.export_text().splitlines() if line.startswith("|")]
    heads = [index for index, line in enumerate(lines) if line.startswith("| method")]
    assert len(heads) == 6
    assert all(set(lines[index + 1]) <= set("|-: ") for index in heads)
    assert all(lines[index + 2].startswith("| seer") for index in heads)


def test_pictures_are_drawn(moments, parts):
    shape = moments[0].still.shape
    forecast = Forecast(np.zeros(shape, np.float32), np.ones((2, 2, *shape), np.float32))
    page = draw_moments(
        moments, {m.key: forecast for m in moments}, {}, np.random.default_rng(0), count=2
    )
    assert page.std() > 10
