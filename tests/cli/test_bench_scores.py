"""`spelke bench score|compare|report` from files to exit codes."""

import csv
import io
import json
import math

import h5py
import numpy as np
import pytest

from spelke.cli.main import main
from spelke.data.spelkebench import write_spelkebench
from spelke.data.test_item import TestItem

NAMES = [f"{family}_{number}" for family in ("desk", "floor") for number in range(4)]


def item(key):
    generator = np.random.default_rng(NAMES.index(key))
    image = generator.integers(0, 255, (48, 64, 3), dtype=np.uint8)
    masks = np.zeros((2, 48, 64), bool)
    masks[0, 5:25, 5:25], masks[1, 30:40, 30:60] = True, True
    points = np.array([[10, 10], [40, 35]])
    family = key.split("_")[0]
    return TestItem(key, family, image, points, masks, np.zeros_like(masks), masks)


def publish(folder, key, masks):
    """A prediction as the published program writes it."""
    truth = item(key)
    folder.mkdir(exist_ok=True)
    with h5py.File(folder / f"{key}.h5", "w") as file:
        for name, values in {
            "segments": truth.segments.astype("u1"),
            "segment_gt": truth.segments.astype("u1"),
            "segment_pred": masks,
            "probe_points": truth.points,
            "image": truth.image,
        }.items():
            file.create_dataset(name, data=values, compression="gzip")


@pytest.fixture
def good(tmp_path):
    for key in NAMES:
        publish(tmp_path / "good", key, item(key).segments.astype("u1"))
    return tmp_path / "good"


@pytest.fixture
def poor(tmp_path):
    for number, key in enumerate(NAMES):
        masks = item(key).segments.copy()
        masks[0, 5 : 8 + number] = False
        publish(tmp_path / "poor", key, masks.astype("u1"))
    return tmp_path / "poor"


@pytest.fixture
def dataset(tmp_path):
    write_spelkebench(tmp_path / "set.h5", [item(key) for key in NAMES])
    return tmp_path / "set.h5"


def run(*arguments):
    return main(["bench", *map(str, arguments)])


def test_json_has_one_object_for_each_run_and_part(good, poor, capsys):
    assert run("score", good, poor, "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    totals = {row["run"]: row for row in rows if row["kind"] == "all"}
    assert totals["good"]["AR"] == totals["good"]["AR_ten_thresholds"] == 1
    assert totals["poor"]["AR"] < 1
    assert totals["poor"]["AR_low"] < totals["poor"]["AR"] < totals["poor"]["AR_high"]
    assert {(row["kind"], row["group"]) for row in rows} == {
        ("all", "all"),
        ("size", "small"),
        ("share", "large"),
    }
    assert {row["source"] for row in rows} == {"measured"}


def test_a_dataset_gives_families_and_finds_what_is_missing(good, dataset, capsys):
    (good / "desk_1.h5").unlink()
    publish(good, "desk_2", np.full((2, 48, 64), math.nan))
    publish(good, "floor_3", np.zeros((2, 20, 20), "u1"))
    (good / "stranger.h5").write_bytes((good / "desk_0.h5").read_bytes())
    (good / "floor_0.h5").write_bytes(b"no file of that kind")
    assert run("score", good, "--dataset", dataset, "--json") == 1
    captured = capsys.readouterr()
    rows = [json.loads(line) for line in captured.out.splitlines()]
    assert [(row["group"], row["images"], row["failed"]) for row in rows[:3]] == [
        ("all", 8, 4),
        ("desk", 4, 2),
        ("floor", 4, 2),
    ]
    assert rows[0]["AR"] == 0.5
    for said in (
        "good: missing: desk_1",
        "good: failed: desk_2",
        "good: failed: floor_3",
        "good: unknown: stranger",
        "good: unreadable: floor_0",
    ):
        assert said in captured.err


def test_people_get_tables_and_papers_latex(good, poor, capsys):
    assert run("score", good, poor) == 0
    assert "AR by part" in capsys.readouterr().out
    assert run("score", good, poor, "--latex") == 0
    assert r"\begin{tabular}" in capsys.readouterr().out
    assert run("score", good, poor, "--csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["run"] for row in rows if row["kind"] == "all"] == ["good", "poor"]


def test_comparing_gives_the_paired_difference(good, poor, capsys):
    assert run("compare", good, poor, "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (found,) = (row for row in rows if (row["metric"], row["kind"]) == ("mIoU", "all"))
    assert (found["first_run"], found["second_run"]) == ("good", "poor")
    assert found["difference"] > 0
    assert found["better"] == found["images"] == 8
    assert found["low"] <= found["difference"] <= found["high"]
    assert found["p_value"] == pytest.approx(2 / 2**8, abs=1e-6)  # exact: eight of eight
    assert run("compare", good, poor) == 0
    assert "good against poor" in capsys.readouterr().out


def test_an_image_of_one_run_alone_is_named_and_gives_exit_1(good, poor, capsys):
    (poor / "desk_1.h5").unlink()
    assert run("compare", good, poor) == 1
    assert "desk_1: only good has this image" in capsys.readouterr().err


def test_a_report_is_written_with_its_table(good, poor, tmp_path, capsys):
    options = ("--out", tmp_path / "page", "--title", "Mine", "--cases", 1)
    assert run("report", good, poor, *options) == 0
    names = {path.name for path in (tmp_path / "page").iterdir()}
    assert names == {"report.html", "report.json", "report.csv", "report.tex"}
    assert "<h1>Mine</h1>" in (tmp_path / "page" / "report.html").read_text()
    assert "report.html" in capsys.readouterr().err


def test_folders_of_one_name_are_told_apart_by_the_folder_above(good, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "good").symlink_to(good)
    publish(tmp_path / "other" / "best", "desk_0", item("desk_0").segments)
    (tmp_path / "third").mkdir()
    publish(tmp_path / "third" / "best", "desk_0", item("desk_0").segments)
    folders = (tmp_path / "other" / "best", tmp_path / "third" / "best")
    assert run("score", *folders, "--json") == 0
    names = {json.loads(line)["run"] for line in capsys.readouterr().out.splitlines()}
    assert names == {"other/best", "third/best"}


def test_bad_input_gives_exit_2_and_the_remedy(good, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert run("score", tmp_path / "empty") == 2
    assert "no predictions in" in capsys.readouterr().err
    assert run("score", good, good) == 2
    assert "named twice" in capsys.readouterr().err
    assert run("score", good, "--json", "--csv") == 2
    assert "exclude each other" in capsys.readouterr().err
    assert run("score", good, "--dataset", tmp_path / "absent.h5") == 2
    assert run("compare", good) == 2
