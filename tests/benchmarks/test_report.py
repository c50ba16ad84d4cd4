import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from spelke.benchmarks.answers import Answer
from spelke.benchmarks.report import draw_tables, rows_of


def answers_with(items, masks_of):
    return {item.key: Answer(item.key, "f", masks_of(item), 0.5) for item in items}


def test_truth_scores_one_in_every_family_and_over_all(items):
    rows = rows_of("perfect", items, answers_with(items, lambda item: item.segments))
    assert [row.family for row in rows] == ["singles", "stacks", "all"]
    for row in rows:
        plain = row.to_json()
        assert plain["AR"] == plain["mIoU"] == 1
        known = plain["images"] == 6  # three pictures tell no interval
        assert plain["AR_low"] == plain["mIoU_high"] == (1 if known else None)
    assert rows[-1].to_json()["n"] == 18
    assert rows[-1].to_json()["images"] == 6


def test_the_instance_is_not_the_segment_where_things_carry_things(items):
    rows = rows_of("instance", items, answers_with(items, lambda item: item.instances))
    assert rows[-1].summary.mean_iou == pytest.approx((1 + 400 / 800 + 1) / 3)


def test_pictures_without_an_answer_score_zero_and_are_counted(items):
    answers = answers_with(items[:3], lambda item: item.segments)
    answers[items[3].key] = Answer(items[3].key, "f", None, 0.1, "ValueError: no")
    singles, stacks, total = rows_of("m", items, answers)
    assert (singles.num_failed, stacks.num_failed, total.num_failed) == (0, 3, 3)
    assert stacks.summary.average_recall == 0
    assert total.summary.average_recall == 0.5
    assert total.seconds_per_image == 0.5


def test_ignored_pixels_do_not_count(items):
    item = items[0]
    ignore = np.zeros_like(item.segments)
    ignore[1] = item.instances[2]
    lenient = type(item)(
        item.key, item.family, item.image, item.points, item.segments, ignore, item.instances
    )
    answers = answers_with([item], lambda item: item.instances)
    assert rows_of("m", [lenient], answers)[-1].summary.own_iou == 1


def test_pictures_of_one_clip_are_drawn_together(items):
    frames = [replace(item, key=f"{item.key}-{n}", clip=item.key) for item in items for n in "ab"]

    def masks_of(item):
        return item.segments if item.key[-3] == "0" else item.instances

    apart = rows_of(
        "m", items, answers_with(items, lambda i: masks_of(replace(i, key=i.key + "-a")))
    )
    once, twice = (
        apart[-1].to_json(),
        rows_of("m", frames, answers_with(frames, masks_of))[-1].to_json(),
    )
    assert (once["images"], twice["images"], twice["clips"]) == (6, 12, 6)
    for name in ("AR", "AR_low", "AR_high", "mIoU", "mIoU_low", "mIoU_high"):
        assert twice[name] == once[name]
    assert once["AR_low"] < once["AR_high"]


def test_rows_are_json_and_a_table_names_every_model(items):
    rows = rows_of("first", items, answers_with(items, lambda item: item.segments))
    rows += rows_of("told", items, answers_with(items, lambda i: i.instances), is_oracle=True)
    for row in rows:
        plain = json.loads(json.dumps(row.to_json(), allow_nan=False))
        assert {"model", "family", "AR", "mIoU", "n"} <= plain.keys()
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(draw_tables(rows, "a title"))
    text = console.export_text()
    for word in ("a title", "first", "told (told the truth)", "stacks (9)", "1.000"):
        assert word in text
