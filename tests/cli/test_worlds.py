"""Making and showing worlds from the command line."""

import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest

from spelke.cli.cluster import ClusterOptions
from spelke.cli.main import main
from spelke.cli.worlds import Make
from spelke.data import shard_jobs
from spelke.data.worlds import hdf5_keys, read_scenes, read_shards
from spelke.errors import MissingExtra, Unavailable
from spelke.worlds import photos
from spelke.worlds.gl import gl_context
from spelke.worlds.wallpapers import find_wallpapers


@pytest.fixture(autouse=True)
def graphics():
    try:
        gl_context()
    except (MissingExtra, Unavailable) as error:
        pytest.skip(f"worlds cannot be rendered here: {error}")


CAST = ["make", "out", "--renderer", "raycast"]
SMALL = ["--pokes", "1", "--size", "64", "--no-after-frames", "--workers", "1"]


def test_a_damaged_shard_is_made_again_and_a_whole_one_is_kept(tmp_path, capsys):
    command = ["worlds", "make", str(tmp_path), "--scenes", "4", "--shard-size", "2", *SMALL]
    command += ["--families", "sprites", "primitives"]
    assert main(command) == 0
    first, second = sorted(tmp_path.glob("*.tar"))
    kept, content = first.stat().st_mtime_ns, second.read_bytes()
    with tarfile.open(second) as tar:
        sample = tar.getmember("train-000000003.rgb.jpg").offset
    for length in (len(content) // 2, sample):  # the second one as a reader sees no damage
        second.write_bytes(content[:length])
        assert main(command) == 0
        told = capsys.readouterr().err
        assert "2 scenes are there already" in told
        assert f"{second} is damaged and is made again: {second} " in told
        assert f"{first} is" not in told
        assert first.stat().st_mtime_ns == kept
        assert second.read_bytes() == content
    assert [r["__key__"][-1:] for r in read_shards([first, second])] == [b"0", b"1", b"2", b"3"]
    assert main([*command, "--size", "96"]) == 2
    assert "other options" in capsys.readouterr().err


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two scenes in one shard."""
    folder = tmp_path_factory.mktemp("shards")
    make = ["worlds", "make", str(folder), "--scenes", "2", "--families", "sprites", *SMALL]
    assert main(make) == 0
    return make


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--families", "sprites", "stacks"], "families was sprites and is sprites stacks"),
        (["--pokes", "3"], "pokes was 1 and is 3"),
        (["--size", "96"], "size was 64 and is 96"),
        (["--groups"], "groups was 0 and is 8"),
        (["--renderer", "raycast"], "renderer was gl and is raycast"),
        (["--shard-size", "1"], "--shard-size"),
        (["--scenes", "1"], "--scenes"),
    ],
)
def test_going_on_with_other_options_names_what_differs(made, change, words, capsys):
    assert main([*made, *change]) == 2
    assert words in capsys.readouterr().err
    assert main(made) == 0


def make_in_schema_1(arguments, monkeypatch):
    """As an earlier version of spelke would have done."""
    with monkeypatch.context() as patched:
        for module in ("world_records", "worlds"):
            patched.setattr(f"spelke.data.{module}.SCHEMA", 1)
        assert main(arguments) == 0


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_shards_of_another_schema_are_refused_and_kept(tmp_path, capsys, monkeypatch):
    make = ["worlds", "make", str(tmp_path), "--families", "sprites", "--shard-size", "1", *SMALL]
    make_in_schema_1([*make, "--scenes", "2"], monkeypatch)
    before = contents(tmp_path)
    first = tmp_path / "train-000000000.tar"
    # One that is damaged too is not made again where the whole is refused.
    before[first] = before[first][:3000]
    first.write_bytes(before[first])
    capsys.readouterr()
    assert main([*make, "--scenes", "3"]) == 2
    told = capsys.readouterr().err
    assert "train-000000001.tar was not made by this version of spelke, and is kept" in told
    assert "has schema 1, this version reads 2" in told
    assert "in another place or after removing these" in told
    assert "made again" not in told
    assert contents(tmp_path) == before


def test_a_set_of_another_schema_is_refused_and_kept(tmp_path, capsys, monkeypatch):
    path = tmp_path / "set.h5"
    make = ["worlds", "make", str(path), "--scenes", "2", "--format", "hdf5", "--shard-size", "1"]
    make += ["--families", "sprites", *SMALL]
    for part in (["--shard", "0/2"], []):  # a part that waits to be joined, and the whole
        make_in_schema_1([*make, *part], monkeypatch)
        before = contents(tmp_path)
        assert main(make) == 2
        told = capsys.readouterr().err
        assert "has schema 1, this version reads 2" in told
        assert "is kept" in told
        assert contents(tmp_path) == before
    path.write_bytes(b"the notes of somebody" * 100)
    assert main(make) == 2
    assert f"{path} is there and is kept" in capsys.readouterr().err
    path.unlink()
    assert main(make) == 0


def test_other_versions_are_warned_of_once_and_scenes_are_kept(tmp_path, capsys, monkeypatch):
    make = ["worlds", "make", str(tmp_path), "--families", "sprites", "--shard-size", "1", *SMALL]
    assert main([*make, "--scenes", "2"]) == 0
    assert "warning" not in capsys.readouterr().err
    before = contents(tmp_path)
    monkeypatch.setattr(shard_jobs, "versions_of", lambda names: {"numpy": "99.1"})
    assert main([*make, "--scenes", "3"]) == 0
    told = capsys.readouterr().err
    words = f"{tmp_path} holds scenes made with numpy {np.__version__}; installed is numpy 99.1"
    assert told.count(words) == 1
    assert "2 scenes are there already" in told
    assert {path: contents(tmp_path)[path] for path in before} == before
    assert len(list(read_scenes(tmp_path))) == 3


def test_on_a_cluster_the_nodes_need_the_device(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    asked = {"out": Path("out"), "renderer": "raycast", "device": "cuda"}
    Make(**asked, cluster=ClusterOptions(engine="ray"))._check()
    with pytest.raises(Unavailable, match='use "cpu"'):
        Make(**asked)._check()


def test_scenes_are_not_made_twice_by_larger_shards(tmp_path, capsys):
    make = ["worlds", "make", str(tmp_path), "--families", "sprites", *SMALL]
    assert main([*make, "--scenes", "3", "--shard-size", "1"]) == 0
    assert main([*make, "--scenes", "3"]) == 2
    assert "--shard-size" in capsys.readouterr().err
    assert main([*make, "--scenes", "4", "--shard-size", "1"]) == 0
    assert len(list(read_scenes(tmp_path))) == 4


def test_a_last_shard_that_was_not_full_is_filled(tmp_path):
    make = ["worlds", "make", str(tmp_path), "--families", "sprites", *SMALL]
    for count in ("1", "2"):
        assert main([*make, "--scenes", count]) == 0
    assert len(list(read_scenes(tmp_path))) == 2


def test_parts_share_all_shards_and_make_the_same(tmp_path, capsys):
    make = ["--scenes", "5", "--shard-size", "1", "--families", "sprites", *SMALL]
    for part in ("0/2", "1/2"):
        assert main(["worlds", "make", str(tmp_path / "parts"), *make, "--shard", part]) == 0
        assert len(list((tmp_path / "parts").iterdir())) == {"0/2": 3, "1/2": 5}[part]
    assert main(["worlds", "make", str(tmp_path / "one"), *make]) == 0
    for shard in (tmp_path / "one").iterdir():
        assert shard.read_bytes() == (tmp_path / "parts" / shard.name).read_bytes()
    assert main(["worlds", "make", str(tmp_path / "one"), *make, "--shard", "2/2"]) == 2
    assert "no part 2 of 2" in capsys.readouterr().err


def test_parts_of_an_evaluation_set_are_joined_by_the_whole_command(tmp_path, capsys):
    path = tmp_path / "set.h5"
    make = ["worlds", "make", str(path), "--scenes", "4", "--shard-size", "2", "--format", "hdf5"]
    make += ["--families", "sprites", *SMALL]
    for part in ("0/2", "1/2"):
        assert main([*make, "--shard", part]) == 0
        assert not path.exists()
    assert "without --shard joins them" in capsys.readouterr().err
    assert main(make) == 0
    assert "4 scenes are there already" in capsys.readouterr().err
    assert len(hdf5_keys(path)) == 4


def test_a_scene_that_cannot_be_made_costs_its_shard(tmp_path, capsys, monkeypatch):
    real = shard_jobs.make_scene

    def fails(seed, options):
        if seed == 3:
            raise ZeroDivisionError("a body without mass")
        return real(seed, options)

    monkeypatch.setattr(shard_jobs, "make_scene", fails)
    make = ["worlds", "make", str(tmp_path), "--scenes", "6", "--shard-size", "2", *SMALL]
    make += ["--families", "sprites"]
    assert main(make) == 1
    told = capsys.readouterr().err
    assert "train-000000002.tar could not be made: ZeroDivisionError: a body without mass" in told
    assert "1 of 3 shards failed" in told
    assert [path.name[-5:] for path in sorted(tmp_path.iterdir())] == ["0.tar", "4.tar"]
    monkeypatch.setattr(shard_jobs, "make_scene", real)
    assert main(make) == 0
    assert "4 scenes are there already" in capsys.readouterr().err


def test_scenes_are_drawn_by_the_renderer_asked_for(tmp_path, capsys):
    make = ["worlds", "make", str(tmp_path), "--scenes", "1", "--families", "stacks", *SMALL]
    assert main([*make, "--renderer", "raycast", "--device", "cpu"]) == 0
    assert [scene.renderer for scene in read_scenes(tmp_path)] == ["raycast"]
    assert main(make) == 2
    assert "raycast" in capsys.readouterr().err


def test_an_evaluation_set_and_its_sheet(tmp_path, capsys):
    path, sheet = tmp_path / "set.h5", tmp_path / "sheet.png"
    make = ["worlds", "make", str(path), "--scenes", "2", "--format", "hdf5", "--groups"]
    make += ["--directions", "2", "--split", "test", *SMALL]
    assert main(make) == 0
    assert hdf5_keys(path) == ["test-000000000", "test-000000001"]
    assert main(make) == 0
    assert "there already" in capsys.readouterr().err
    assert main([*make, "--directions", "3"]) == 2
    assert "groups was 2 and is 3" in capsys.readouterr().err
    assert main(["worlds", "show", str(path), "--out", str(sheet)]) == 0
    assert sheet.stat().st_size > 5000
    assert sorted(item.name for item in tmp_path.iterdir()) == ["set.h5", "sheet.png"]


def test_photographs_that_are_not_here_are_named_before_anything_is_made(
    tmp_path, capsys, monkeypatch
):
    make = ["worlds", "make", str(tmp_path / "out"), "--scenes", "1", "--families", "sprites"]
    photos.list_photos.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(photos, "find_wallpapers", lambda split: find_wallpapers(split, [tmp_path]))
        assert main([*make, *SMALL, "--photos", "wheels", "wallpapers"]) == 2
        assert "apt-get install" in capsys.readouterr().err
        patched.setitem(photos.PHOTOS["train"], "moon", ("skimage", "data/no_moon.png"))
        assert main([*make, *SMALL]) == 2
        assert "photograph 'moon'" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
    photos.list_photos.cache_clear()
    assert main([*make, *SMALL]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["make", "out", "--scenes", "0"], "--scenes"),
        (["make", "out", "--seed", "-1"], "--seed"),
        (["make", "out.h5"], "folder"),
        (["make", "out", "--format", "hdf5"], ".h5"),
        (["make", "out", "--families", "statues"], "statues"),
        (["make", "out", "--device", "cuda"], "--device cuda is for --renderer raycast"),
        ([*CAST, "--device", "cuda"], 'device "cuda" was asked for, but'),
        ([*CAST, "--device", "mps"], "float64"),
        ([*CAST, "--device", "moon"], "no device is called 'moon'"),
        (["show", "nowhere.tar"], "nowhere.tar"),
        (["show", "1", "--count", "0"], "--count"),
        (["show", "1", "--out", "x.pdf"], ".png"),
    ],
)
def test_bad_input_ends_with_2_and_says_why(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["worlds", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_two_workers_make_the_same_shards_as_one(tmp_path):
    rest = ["--scenes", "4", "--shard-size", "2", "--pokes", "1", "--size", "64"]
    for workers in ("1", "2"):
        folder = str(tmp_path / workers)
        assert main(["worlds", "make", folder, *rest, "--workers", workers]) == 0
    shards = sorted((tmp_path / "1").glob("*.tar"))
    assert len(shards) == 2
    for shard in shards:
        assert shard.read_bytes() == (tmp_path / "2" / shard.name).read_bytes()


@pytest.mark.slow
def test_ctrl_c_leaves_whole_shards_only(tmp_path):
    command = [sys.executable, "-m", "spelke.cli.main", "worlds", "make", str(tmp_path / "out")]
    command += ["--scenes", "400", "--shard-size", "5", "--pokes", "1", "--size", "64"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    until = time.monotonic() + 120
    while not list((tmp_path / "out").glob("[!.]*.tar")) and time.monotonic() < until:
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130
    left = sorted((tmp_path / "out").iterdir())
    assert left
    for shard in left:
        assert shard.suffix == ".tar"
        assert not shard.name.startswith(".")
        assert len(list(read_shards([shard]))) == 5
