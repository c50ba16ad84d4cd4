"""`spelke bench`: what it prints, keeps and refuses, on worlds and a model that need no time."""

import json

import numpy as np
import pytest
from tests.segmenters import Answering

import spelke
from spelke.benchmarks import held_out, load_segmenter
from spelke.benchmarks.segmenters.checkpoint import ObserverSegmenter
from spelke.benchmarks.test_set import TestItem
from spelke.cli.main import main


def draw(settings, family, number):
    """A grey picture with one coloured square that moves alone."""
    generator = np.random.default_rng(number)
    image = np.full((48, 48, 3), 120, np.uint8)
    mask = np.zeros((1, 48, 48), bool)
    mask[0, 12:30, 14:34] = True
    image[mask[0]] = generator.integers(0, 256, 3)
    key = held_out.item_key(family, number)
    points, ignore = np.array([[24, 20]]), np.zeros_like(mask)
    return TestItem(key, family, image, points, mask, ignore, mask, looks=mask)


@pytest.fixture(autouse=True)
def worlds(monkeypatch, tmp_path):
    """Squares for worlds, and a cache of our own."""
    monkeypatch.setattr(held_out, "make_item", draw)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def run(*arguments):
    return main(["bench", *map(str, arguments)])


def quick(tmp_path, *arguments):
    out = ("--out", tmp_path / "out", "--workers", 1, "--points", 5)
    return run("quick", *out, "--models", *arguments)


def test_json_has_one_object_for_each_model_and_family_and_all(tmp_path, capsys):
    assert quick(tmp_path, "flood-fill", "disc", "--alone", "--json") == 0
    captured = capsys.readouterr()
    rows = [json.loads(line) for line in captured.out.splitlines()]
    families = [*sorted(held_out.FAMILIES), "all"]
    expected = [(model, family) for model in ("flood-fill", "disc") for family in families]
    assert [(row["model"], row["family"]) for row in rows] == expected
    assert {"AR", "mIoU", "n", "AR_low", "AR_high"} <= rows[0].keys()
    flood, disc = (row for row in rows if row["family"] == "all")
    assert flood["n"] == len(held_out.FAMILIES)  # one point of each, at least
    assert flood["AR"] == 1
    assert disc["AR"] < 1
    assert "Held-out worlds" in captured.err


def test_people_get_a_table_with_the_baselines_and_the_oracle(tmp_path, capsys):
    assert quick(tmp_path, "disc") == 0
    text = capsys.readouterr().out
    for name in ("grabcut", "random-walker", "whole-image", "instance-oracle (told the truth)"):
        assert name in text


def test_sheets_and_scores_are_written(tmp_path):
    assert quick(tmp_path, "disc", "--alone", "--sheet") == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"disc", "disc.png", "pictures.h5", "scores.json"}


def test_score_compare_and_report_work_on_what_it_keeps(tmp_path, capsys):
    assert quick(tmp_path, "disc", "flood-fill", "--alone", "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    folders = [tmp_path / "out" / name for name in ("disc", "flood-fill")]
    assert run("score", *folders, "--json") == 0
    scores = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for name in ("disc", "flood-fill"):
        (ours,) = (row for row in rows if (row["model"], row["family"]) == (name, "all"))
        (theirs,) = (row for row in scores if (row["run"], row["kind"]) == (name, "all"))
        assert theirs["AR"] == pytest.approx(ours["AR"], abs=1e-4)
        assert theirs["images"] == ours["images"]
    assert run("compare", *folders) == 0
    assert run("report", *folders, "--out", tmp_path / "report") == 0
    assert (tmp_path / "report" / "report.html").read_text().count("data:image/webp") > 10


def test_a_scene_that_cannot_be_made_is_named_and_gives_exit_1(tmp_path, capsys, monkeypatch):
    def fail_once(settings, family, number):
        if (family, number) == ("stacks", 0):
            raise ValueError("it fell over")
        return draw(settings, family, number)

    monkeypatch.setattr(held_out, "make_item", fail_once)
    assert quick(tmp_path, "disc", "--alone", "--json") == 1
    captured = capsys.readouterr()
    assert "stacks-00000 could not be made and is left out: ValueError: it fell" in captured.err
    assert json.loads(captured.out.splitlines()[-1])["n"] == len(held_out.FAMILIES)


def test_a_checkpoint_is_asked_like_everybody_else(tmp_path, capsys, monkeypatch):
    class Observer:
        def segments(self, images, points):
            (image,) = images
            assert points == [[(24.0, 20.0)]]
            mask = (image != 120).any(2)
            return [[spelke.Segment(mask, (24.0, 20.0), 1.0)]]

    model = ObserverSegmenter(Observer(), "mine", "1")
    monkeypatch.setattr(load_segmenter, "load_segmenter", lambda name, device: model)
    assert quick(tmp_path, "mine", "--alone", "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["AR"] == 1


def test_a_model_that_fails_on_a_picture_gives_exit_1(tmp_path, capsys, monkeypatch):
    def fail(item):
        raise ValueError("too dark")

    broken = Answering(fail, "mine")
    monkeypatch.setattr(load_segmenter, "load_segmenter", lambda name, device: broken)
    assert quick(tmp_path, "mine", "--alone", "--json") == 1
    captured = capsys.readouterr()
    count = len(held_out.FAMILIES)
    assert "mine: stacks-00000: ValueError: too dark" in captured.err
    assert f"mine failed on {count} pictures: tracebacks are in" in captured.err
    assert json.loads(captured.out.splitlines()[-1])["failed"] == len(held_out.FAMILIES)


def test_unknown_models_and_impossible_numbers_give_exit_2(tmp_path, capsys):
    assert quick(tmp_path, "flod-fill", "--alone") == 2
    assert "Models to compare with are " in capsys.readouterr().err
    assert run("quick", "--points", 0) == 2
    assert run("nothing") == 2


def test_photographs_need_a_folder_with_a_manifest(tmp_path, capsys):
    assert run("real", "--data", tmp_path, "--models", "disc", "--alone") == 2
    assert "segments_manifest.json" in capsys.readouterr().err
    assert run("real", "--data", tmp_path, "--models", "instance-oracle", "--alone") == 2
    assert run("gallery", "--data", tmp_path) == 2


def test_photographs_are_scored_by_source(realdata, tmp_path, capsys):
    arguments = ("--models", "disc", "--alone", "--sources", "tabletop_rgbd", "--json")
    assert run("real", "--data", realdata, *arguments, "--out", tmp_path) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["family"] for row in rows] == ["tabletop_rgbd", "all"]
    assert rows[0]["n"] == 29
