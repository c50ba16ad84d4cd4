"""The program as a user meets it: its own process, a real photo, the tiny model that ships."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spelke.export.coco import decode_rle, read_segments
from spelke.weights.table import CHECKPOINTS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHECKPOINTS / "spelke-tiny").is_dir(), reason="spelke-tiny is not in this source tree"
    ),
]

COFFEE = Path(__file__).parents[2] / "examples" / "photos" / "coffee.jpg"
TINY = ("--model", "spelke-tiny", "--device", "cpu")


def test_a_point_on_a_photo_gives_a_segment(spelke_command, tmp_path):
    ended = spelke_command(
        "segment", COFFEE, "--point", 290, 230, "--out", tmp_path, "--json", *TINY, timeout=300
    )
    assert ended.returncode == 0, ended.stderr
    [line] = ended.stdout.splitlines()
    record = json.loads(line)
    mask = decode_rle(record["rle"])
    assert mask.shape == (400, 600)
    assert mask.sum() == record["area"]
    assert 0 <= record["confidence"] <= 1
    assert record["point"] == [290, 230]
    assert record["pokes"]
    document = read_segments(tmp_path / "coffee.segments.json")
    assert (document.segments[0].mask == mask).all()
    assert "spelke-tiny on cpu in" in ended.stderr


def test_the_same_seed_gives_the_same_segment_beside_other_points(spelke_command, tmp_path):
    point = ("--point", 290, 230)
    alone = spelke_command("segment", COFFEE, *point, "--out", tmp_path, "--json", *TINY)
    both = spelke_command(
        "segment", COFFEE, *point, "--point", 100, 60, "--out", tmp_path, "--json", *TINY
    )
    assert alone.stdout.splitlines() == both.stdout.splitlines()[:1]
    assert len(both.stdout.splitlines()) == 2


def test_affordance_displacement_and_everything_run(spelke_command, tmp_path):
    for arguments in (
        ("affordance", COFFEE),
        ("displace", COFFEE, "--poke", 290, 230, 320, 230),
        ("segment", COFFEE, "--all"),
    ):
        ended = spelke_command(*arguments, "--out", tmp_path, *TINY, timeout=300)
        assert ended.returncode == 0, ended.stderr
        assert all(Path(line).is_file() for line in ended.stdout.splitlines())


def test_a_point_outside_is_exit_2_and_writes_nothing(spelke_command, tmp_path):
    ended = spelke_command("segment", COFFEE, "--point", 9000, 1, "--out", tmp_path, *TINY)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert "9000" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_shipped_checkpoints_are_intact(spelke_command):
    ended = spelke_command("weights", "show", "spelke-tiny", "--json")
    record = json.loads(ended.stdout)
    assert record["size_mb"] <= 2
    assert record["num_parameters"] > 10_000
