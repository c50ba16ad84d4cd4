"""Making and showing worlds from the command line."""

import os
import signal
import subprocess
import sys
import time

import pytest

from spelke.cli.main import main
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


SMALL = ["--pokes", "1", "--size", "64", "--no-after-frames", "--workers", "1"]


def test_a_damaged_shard_is_made_again_and_a_whole_one_is_kept(tmp_path, capsys):
    command = ["worlds", "make", str(tmp_path), "--scenes", "4", "--shard-size", "2", *SMALL]
    assert main(command) == 0
    first, second = sorted(tmp_path.glob("*.tar"))
    kept, content = first.stat().st_mtime_ns, second.read_bytes()
    second.write_bytes(content[: len(content) // 2])
    assert main(command) == 0
    assert "2 scenes are there already" in capsys.readouterr().err
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
    assert main([*make, "--renderer", "raycast"]) == 0
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
        (["show", "nowhere.tar"], "nowhere.tar"),
        (["show", "1", "--count", "0"], "--count"),
        (["show", "1", "--out", "x.pdf"], ".png"),
    ],
)
def test_bad_input_ends_with_2_and_says_why(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
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
