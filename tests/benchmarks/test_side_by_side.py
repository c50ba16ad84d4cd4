"""The script that asks all models about both sets and writes their tables."""

import sys

import pytest
from benchmarks.transfer import replaced
from tests.benchmarks.conftest import draw_item

from benchmarks import side_by_side
from spelke.data.spelkebench import write_spelkebench

PARTS = ("all", "family", "size")
CARRIED = ("carried", "carried-family", "wrong-family", "right-family")


def row(run, kind="all", group="all", recall=0.5, oracle=False):
    numbers = dict.fromkeys(side_by_side.COLUMNS, 0.25)
    return {
        "run": run, "kind": kind, "group": group, "oracle": oracle, **numbers, "AR": recall,
        "AR_low": recall - 0.1, "AR_high": recall + 0.1, "seconds_per_image": 0.01,
        "images": 4, "truths": 9,
    }  # fmt: skip


def test_the_best_comes_first_and_oracles_last():
    rows = [row("worse", recall=0.2), row("told", recall=0.9, oracle=True), row("better")]
    first, _, head, _, *lines = side_by_side.overall(rows).splitlines()
    assert first == "4 pictures, 9 segments"
    assert [line.split(" | ")[0] for line in lines] == ["| `better`", "| `worse`", "| *told*"]
    assert lines[0].count("|") == head.count("|")
    assert "| 0.500 | 0.400 to 0.600 |" in lines[0]


def test_parts_are_in_the_order_of_the_whole():
    rows = [
        row("worse", recall=0.2), row("better"),
        row("worse", "family", "stacks", 0.7), row("better", "family", "stacks", 0.6),
        row("better", "family", "trays", 0.4),
    ]  # fmt: skip
    assert side_by_side.by_group(rows, "family").splitlines() == [
        "| AR by family (segments) | `better` | `worse` |",
        "| --- | --- | --- |",
        "| stacks (9) | 0.600 | 0.700 |",
        "| trays (9) | 0.400 |  |",
    ]


def test_the_page_has_a_place_for_every_table():
    text = side_by_side.PAGE.read_text(encoding="utf-8")
    for name in ("worlds", "real"):
        for part in PARTS:
            assert replaced(text, f"{name}-{part}", "x") != text
    for part in CARRIED:
        assert replaced(text, f"worlds-{part}", "x") != text


@pytest.mark.slow
def test_a_file_that_is_there_is_asked_and_tabulated(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    marks = [f"<!-- worlds-{part} -->\n<!-- end -->\n" for part in (*PARTS, *CARRIED)]
    page.write_text("\n".join(marks))
    monkeypatch.setattr(side_by_side, "PAGE", page)
    out = tmp_path / "side"
    items = [draw_item("a-00000", "a", 0), draw_item("b-00001", "b", 1)]
    write_spelkebench(out / "spelkebench-worlds.h5", items)
    asked = ["side_by_side", "--out", str(out), "--models", "disc", "instance-oracle"]
    monkeypatch.setattr(sys, "argv", asked)
    side_by_side.main()
    text = page.read_text()
    assert "2 pictures" in text
    assert "| `disc` |" in text
    assert "| *instance-oracle* |" in text
    assert (out / "worlds" / "report" / "report.html").stat().st_size > 10_000
