"""`spelke bench renderers|textures` on small scenes."""

import json

import pytest
from PIL import Image

from spelke.benchmarks import held_out, redraw
from spelke.cli.main import main


@pytest.fixture(scope="module")
def cache(graphics, tmp_path_factory):
    """Where all tests keep what was made."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def small_worlds(cache, monkeypatch):
    """Small pictures of one family, and a cache of our own."""
    whole = held_out.HeldOutSettings

    def smaller(num_points, families):
        return whole(num_points=num_points, families=families, size=64, directions=2)

    monkeypatch.setattr(held_out, "HeldOutSettings", smaller)
    monkeypatch.setattr(redraw, "WITH_SHAPES", ("primitives",))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


def run(verb, tmp_path, *arguments):
    common = ("--models", "disc", "--alone", "--points", 2, "--workers", 1)
    out = ("--out", tmp_path / "out")
    return main(["bench", verb, *map(str, (*common, *out, *arguments))])


@pytest.mark.slow
def test_renderers_are_compared_and_cycles_takes_part_when_it_has_drawn(tmp_path, capsys):
    folder = tmp_path / "cycles"
    assert run("renderers", tmp_path, "--json", "--cycles", folder) == 0
    captured = capsys.readouterr()
    rows = [json.loads(line) for line in captured.out.splitlines()]
    assert [(row["model"], row["version"]) for row in rows] == [("disc", "gl"), ("disc", "raycast")]
    assert rows[0]["AR"] == rows[1]["AR"]  # a disc does not look
    assert "tools/cycles_render.py" in captured.err
    written = sorted(folder.iterdir())
    for path in written:
        Image.new("RGB", (64, 64)).save(path / "cycles.png")
    assert run("renderers", tmp_path, "--cycles", folder, "--sheet") == 0
    captured = capsys.readouterr()
    assert "| cycles |" in " ".join(captured.out.split())
    assert "tools/cycles_render.py" not in captured.err
    assert (tmp_path / "out" / "disc.png").is_file()


def test_textures_are_compared(tmp_path, capsys):
    assert run("textures", tmp_path, "--json", "--photos", "wheels") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["version"] for row in rows] == ["procedural", "wheels"]


def test_photographs_that_are_not_there_are_refused_before_anything_is_made(tmp_path, capsys):
    assert run("textures", tmp_path, "--photos", "attic") == 2
    assert "attic" in capsys.readouterr().err
