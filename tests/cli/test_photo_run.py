"""Many photos: lists, shards of WebDatasets, parts, and what is answered already."""

from __future__ import annotations

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from spelke.cli.main import BAD_INPUT, OK, SOME_FAILED, main
from spelke.export.coco import read_segments
from spelke.flow.files import read_flow


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.is_file()}


def change(arguments, old, new):
    return [new if argument == old else argument for argument in arguments]


@pytest.fixture
def desk(photo, observer, capsys):
    """A command whose answer is there."""
    command = ["segment", str(photo), "--point", "20", "10", "--json"]
    assert main(command) == OK
    return command


def test_what_is_answered_is_said_again_and_not_asked_again(photo, observer, desk, capsys):
    before, first = times(photo.parent), capsys.readouterr().out
    assert main(desk) == OK
    told = capsys.readouterr()
    assert told.out == first
    assert "kept from before: 1 of 1" in told.err
    assert times(photo.parent) == before
    assert observer.looked == 1
    assert main([*desk, "--again"]) == OK
    assert observer.looked == 2
    assert times(photo.parent) != before


@pytest.mark.parametrize(
    "different",
    [
        lambda desk: change(desk, "20", "21"),
        lambda desk: [*desk, "--all"],
        lambda desk: [*desk, "--seed", "1"],
        lambda desk: [*desk, "--model", "spelke-tiny"],
        lambda desk: [*desk, "--parity", "reference"],
    ],
)
def test_another_question_is_asked(observer, desk, different):
    assert main(different(desk)) == OK
    assert observer.looked == 2


@pytest.mark.parametrize("ending", [".overlay.png", ".segments.json"])
@pytest.mark.parametrize("harm", ["gone", "cut", "other"])
def test_a_result_that_is_not_whole_is_made_again(photo, observer, desk, ending, harm):
    path = photo.with_name(f"desk{ending}")
    whole = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(whole[: len(whole) // 2] if harm == "cut" else photo.read_bytes())
    assert main(desk) == OK
    assert observer.looked == 2
    assert path.read_bytes() == whole


def test_another_picture_of_that_name_is_asked_about(photo, observer, desk):
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(photo)
    assert main(desk) == OK
    assert observer.looked == 2


@pytest.mark.parametrize("verb", ["affordance", "displace"])
def test_the_other_verbs_keep_their_answers_too(photo, observer, capsys, verb):
    poke = ("--poke", "9", "9", "12", "5") if verb == "displace" else ()
    command = [verb, str(photo), *poke, "--json"]
    assert main(command) == OK
    first = capsys.readouterr().out
    assert main(command) == OK
    assert capsys.readouterr().out == first
    assert observer.looked == 1
    if verb == "displace":
        assert read_flow(photo.with_name("desk.displacement.flo")).flow[:, 3, 3].tolist() == [3, -4]
        assert main(change(command, "12", "13")) == OK
        assert observer.looked == 2


def test_a_list_gives_each_photo_its_points(photo, observer, capsys):
    folder = photo.parent
    for name in ("attic", "barn"):
        (folder / f"{name}.png").write_bytes(photo.read_bytes())
    (folder / "list.txt").write_text("attic.png 3 4 8 9\nbarn.png\ngone.png 1 1\ndesk.png 99 9\n")
    out = folder / "out"
    assert main(["segment", str(folder / "list.txt"), "--out", str(out)]) == SOME_FAILED
    told = capsys.readouterr().err
    assert "there is no image" in told
    assert "2 of 4 photos failed" in told
    points = {
        name: [one.point for one in read_segments(out / f"{name}.segments.json").segments]
        for name in ("attic", "barn")
    }
    assert points == {"attic": [(3, 4), (8, 9)], "barn": [(3, 3)]}  # all that moves: (3, 3)


def test_a_table_gives_points_and_a_name_that_is_nowhere_is_said(photos, observer, capsys):
    (photos / "broken.png").unlink()
    (photos / "points.csv").write_text("image,x,y\ndesk.png,20,10\nnobody.png,1,1\n")
    table = ("--points", str(photos / "points.csv"))
    assert main(["segment", str(photos), *table, "--point", "9", "9"]) == SOME_FAILED
    assert "points of photos that are not here: nobody.png" in capsys.readouterr().err
    segments = read_segments(photos / "desk.segments.json").segments
    assert [one.point for one in segments] == [(9, 9), (20, 10)]
    # A part does not know the photos of the others.
    assert main(["segment", str(photos), *table, "--shard", "0/1"]) == OK


def test_parts_share_all_photos(photo, observer, capsys):
    folder = photo.parent
    for number in range(5):
        (folder / f"{number}.png").write_bytes(photo.read_bytes())
    seen = []
    for part in range(8):
        assert main(["affordance", str(folder), "--shard", f"{part}/8", "--json"]) == OK
        told = capsys.readouterr()
        seen += [json.loads(line)["image"] for line in told.out.splitlines()]
    assert "holds no photo" in told.err
    names = ("0.png", "1.png", "2.png", "3.png", "4.png", "desk.png")
    assert sorted(seen) == [str(folder / name) for name in names]
    assert main(["affordance", str(folder), "--shard", "2"]) == BAD_INPUT


def test_a_webdataset_is_answered_sample_by_sample(photo, observer, capsys):
    shard, out = photo.parent / "s-0.tar", photo.parent / "out"
    with tarfile.open(shard, "w") as tar:
        for name, data in (("a/0.png", photo.read_bytes()), ("a/1.png", b"no"), ("b.cls", b"3")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    command = ["segment", str(shard.with_name("s-{0..0}.tar")), "--out", str(out), "--json"]
    assert main([*command, "--point", "20", "10"]) == SOME_FAILED
    told = capsys.readouterr()
    assert "2 of 3 photos failed" in told.err
    assert json.loads(told.out)["image"] == f"{shard}/a/0.png"
    assert read_segments(out / "s-0/a/0.segments.json").image_name == "0.png"


def test_what_does_not_fit_together_is_bad_input(photo, observer, capsys):
    for arguments, says in (
        (("--workers", "0"), "--workers"),
        (("--engine", "ray", "--gpus", "0"), "--gpus-per-worker"),
        (("--points", "nowhere.csv"), "nowhere.csv"),
    ):
        assert main(["segment", str(photo), *arguments]) == BAD_INPUT
        assert says in capsys.readouterr().err
    assert observer.looked == 0


@pytest.mark.slow
def test_processes_answer_as_this_one_does(photos, all_load_first, capsys):
    command = ["affordance", str(photos), "--model", "spelke-tiny", "--device", "cpu"]
    assert main([*command, "--workers", "2"]) == SOME_FAILED
    told = capsys.readouterr()
    assert "1 of 3 photos failed" in told.err
    assert "worker 1: exit code 0" in told.err
    first = {name: (photos / name).read_bytes() for name in told.out.split()}
    assert len(first) == 4
    assert main(command) == SOME_FAILED
    assert "kept from before: 2 of 3" in capsys.readouterr().err
