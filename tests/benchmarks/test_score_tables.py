"""Tables of scores: measured and published rows apart, nothing unknown made up."""

import csv
import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from spelke.benchmarks.breakdown import break_down_all
from spelke.benchmarks.compare import compare
from spelke.benchmarks.published_scores import PUBLISHED
from spelke.benchmarks.score_tables import (
    draw_comparison,
    draw_scores,
    p_text,
    plain_rows,
    to_csv,
    to_latex,
)
from spelke.benchmarks.scoring import RunScores, score_masks


def run_of(name, side, count=8, extra=0):
    """Truth: a square of 20 pixels; answers: squares about `side`, and some more of nothing."""
    results = []
    for number in range(count):
        truth = np.zeros((1, 60, 60), bool)
        masks = np.zeros((1 + extra, 60, 60), bool)
        truth[0, :20, :20] = True
        masks[0, : side - number % 3, :side] = True
        family = "ab"[number % 2]
        results.append(score_masks(str(number), truth, masks, family=family, seconds=0.5))
    return RunScores(name, tuple(results))


@pytest.fixture
def parts():
    return break_down_all([run_of("half & half", 16), run_of("good_one", 20)])


def text_of(drawn, width=200):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(drawn)
    return console.export_text()


def test_csv_has_every_number_of_every_part_and_published_rows_say_so(parts):
    rows = plain_rows(parts, PUBLISHED)
    read = list(csv.DictReader(io.StringIO(to_csv(rows))))
    assert len(read) == len(rows) == len(parts) + len(PUBLISHED)
    for row, plain in zip(read, rows, strict=True):
        assert row["run"] == plain["run"]
        assert float(row["AR"]) == plain["AR"]
        assert row["source"] == (
            "published" if row["run"] in {p.model for p in PUBLISHED} else "measured"
        )
    assert read[-1]["boundary_F"] == read[-1]["AR_low"] == ""
    json.dumps(rows, allow_nan=False)


def test_latex_is_whole_and_keeps_published_rows_under_a_rule_of_their_own(parts):
    text = to_latex(parts, PUBLISHED)
    assert r"half \& half" in text
    assert r"good\_one" in text
    assert text.index("good\\_one") < text.index("half") < text.index("Published, not measured")
    assert text.index("Published, not measured") < text.index("SpelkeNet &")
    rows = [
        line for line in text.splitlines() if line.endswith(r"\\") and "multicolumn" not in line
    ]
    assert {line.replace(r"\&", "").count("&") for line in rows} == {6}
    assert "Published" not in to_latex(parts, ())
    assert text.count("{tabular}") == 2


def test_a_terminal_shows_every_run_every_part_and_the_best_first(parts):
    text = text_of(draw_scores(parts))
    assert text.index("good_one") < text.index("half & half")
    for word in ("family: a (4)", "size: small (8)", "share: large (8)", "boundary F", "0.50"):
        assert word in text
    assert "AP" not in text.splitlines()[2]  # one answer for each segment: it would repeat AR


def test_oracles_are_marked_and_stand_below_the_models_in_every_form():
    told = replace(run_of("told", 20), is_oracle=True)
    parts = break_down_all([told, run_of("half", 16), run_of("good", 18)])
    text = text_of(draw_scores(parts))
    assert text.index("good") < text.index("half") < text.index("told (told the truth)")
    latex = to_latex(parts, ())
    assert latex.index("half") < latex.index("Oracles: told the truth") < latex.index("told & ")
    assert latex.count("Oracles") == 1
    assert r"\toprule" not in to_latex(break_down_all([told]), ()).split("Oracles")[1]
    plain = plain_rows(parts, PUBLISHED)
    assert {row["run"] for row in plain if row.get("oracle")} == {"told"}


def test_precision_is_shown_where_it_says_something():
    parts = break_down_all([run_of("talks much", 20, extra=3)])
    assert "AP (10 thresholds)" in text_of(draw_scores(parts), width=400)


def test_a_comparison_names_both_and_gives_signs():
    text = text_of(draw_comparison(compare(run_of("mine", 20), run_of("theirs", 15))))
    assert "mine against theirs" in text
    assert "+0." in text
    assert "AR, size: small" in text


def test_p_values_have_as_many_digits_as_they_deserve():
    assert [p_text(value) for value in (0.0312, 1e-9, math.nan)] == ["0.031", "< 0.001", "–"]
