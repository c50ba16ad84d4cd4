from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from spelke.cli import looking, results
from spelke.cli.main import BAD_INPUT, OK, SOME_FAILED, main
from spelke.cli.photo_run import stem_of
from spelke.cli.photos import find_photos
from spelke.data.pictures import Picture
from spelke.errors import InvalidInput, MissingData, Unavailable


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_broken_photo_is_reported_skipped_and_counted(photos, observer, capsys, tmp_path):
    out = tmp_path / "found"
    assert main(["segment", str(photos), "--point", "9", "9", "--out", str(out)]) == SOME_FAILED
    captured = capsys.readouterr()
    assert "broken.png" in captured.err
    assert "1 of 3 photos failed" in captured.err
    assert names(out) == [
        "attic.overlay.png", "attic.segments.json", "desk.overlay.png", "desk.segments.json",
    ]  # fmt: skip
    assert captured.out.split() == [str(out / name) for name in names(out)]
    assert captured.err.count("broken.png is truncated") == 1


def test_the_only_photo_being_broken_is_bad_input(photos, observer, capsys):
    assert main(["segment", str(photos / "broken.png")]) == BAD_INPUT
    assert "broken.png" in capsys.readouterr().err


def test_results_go_beside_the_photo(photo, observer):
    assert main(["affordance", str(photo)]) == OK
    assert names(photo.parent) == ["desk.affordance.npz", "desk.affordance.png", "desk.png"]


def test_our_own_pictures_are_not_looked_at(photo, observer):
    for _ in range(2):
        assert main(["segment", str(photo.parent), "--all"]) == OK
    assert observer.looked == 1
    assert [source.path for source in find_photos((photo.parent,))] == [photo]


def test_our_own_picture_is_looked_at_when_it_is_named(photo, observer):
    main(["segment", str(photo)])
    overlay = photo.with_name("desk.overlay.png")
    assert [source.path for source in find_photos((overlay,))] == [overlay]


def test_a_folder_of_results_only_is_missing_data(photo, observer):
    main(["segment", str(photo)])
    photo.unlink()
    with pytest.raises(MissingData, match="only results"):
        find_photos((photo.parent,))


def test_the_same_photo_twice_is_looked_at_once(photo, observer):
    pattern = str(photo.parent / "*.png")
    assert main(["segment", str(photo), str(photo.parent), pattern]) == OK
    assert observer.looked == 1


def test_two_photos_for_one_result_are_refused_before_work(photo, observer, capsys):
    photo.with_suffix(".jpg").write_bytes(photo.read_bytes())
    assert main(["segment", str(photo.parent)]) == BAD_INPUT
    assert "would both write" in capsys.readouterr().err
    assert observer.looked == 0


def test_no_photo_is_bad_input(observer, capsys):
    assert main(["segment"]) == BAD_INPUT
    assert "no photo was named" in capsys.readouterr().err


def test_an_empty_folder_is_bad_input(tmp_path, observer, capsys):
    assert main(["segment", str(tmp_path)]) == BAD_INPUT
    assert "holds no pictures" in capsys.readouterr().err


def test_answers_are_fast_unless_the_reference_is_asked_for(photo, observer):
    assert main(["affordance", str(photo)]) == OK
    assert observer.parity == "fast"
    assert main(["affordance", str(photo), "--parity", "reference"]) == OK
    assert observer.parity == "reference"


def test_a_device_that_is_not_here_is_bad_input(photo, observer, capsys):
    assert main(["segment", str(photo), "--device", "warp"]) == BAD_INPUT
    assert "warp" in capsys.readouterr().err


def test_results_without_a_folder_lie_beside_the_photo(tmp_path):
    assert stem_of(Picture("a.b.jpg", tmp_path, "a.b"), None) == tmp_path / "a.b"
    assert stem_of(Picture("a.jpg", tmp_path, "a"), tmp_path / "out") == tmp_path / "out" / "a"


def test_a_full_disk_stops_and_keeps_what_is_done(photos, observer, capsys, monkeypatch):
    real, count = results.write_bytes, []

    def fills_up(path, data):
        count.append(path)
        if len(count) > 3:
            raise Unavailable(f"no space left to write {path}")
        return real(path, data)

    monkeypatch.setattr(results, "write_bytes", fills_up)
    (photos / "broken.png").unlink()
    assert main(["segment", str(photos), "--all"]) == SOME_FAILED
    assert "no space left" in capsys.readouterr().err
    kept = ["attic.overlay.png", "attic.png", "attic.segments.json", "desk.png"]
    assert names(photos) == [*kept, "desk.segments.json"]
    # Without its picture, which is written last, a result does not count.
    monkeypatch.setattr(results, "write_bytes", real)
    assert main(["segment", str(photos), "--all"]) == OK
    assert "kept from before: 1 of 2 photos" in capsys.readouterr().err


def test_no_memory_fails_one_photo_only(photos, observer, capsys, monkeypatch):
    (photos / "broken.png").unlink()
    look, calls = observer.look, []

    def big(image):
        calls.append(image)
        if len(calls) == 1:
            raise MemoryError
        return look(image)

    monkeypatch.setattr(observer, "look", big)
    assert main(["segment", str(photos), "--all"]) == SOME_FAILED
    assert "attic.png: MemoryError" in capsys.readouterr().err
    assert "desk.segments.json" in names(photos)


@pytest.fixture
def in_pairs(monkeypatch):
    """Photos are asked two at a time, as on a GPU more."""
    real = looking.make_looker

    def make(options):
        looker, card = real(options)
        return looker, replace(card, at_once=2)

    monkeypatch.setattr(looking, "make_looker", make)


def five_photos(folder):
    photo = folder / "desk.png"
    for name in ("attic", "barn", "cellar", "door"):
        (folder / f"{name}.png").write_bytes(photo.read_bytes())
    return folder


@pytest.mark.usefixtures("in_pairs")
def test_photos_side_by_side_answer_in_their_order(photo, observer, capsys, monkeypatch):
    groups = []
    real = observer.segments
    monkeypatch.setattr(
        observer,
        "segments",
        lambda scenes, *rest: groups.append(len(scenes)) or real(scenes, *rest),
    )
    folder = five_photos(photo.parent)
    assert main(["segment", str(folder), "--point", "9", "9", "--json"]) == OK
    images = [json.loads(line)["image"] for line in capsys.readouterr().out.splitlines()]
    names = ("attic", "barn", "cellar", "desk", "door")
    assert images == [str(folder / f"{name}.png") for name in names]
    assert groups == [2, 2, 1]


@pytest.mark.usefixtures("in_pairs")
def test_a_photo_that_fails_does_not_take_its_neighbour_along(photo, observer, capsys):
    folder = five_photos(photo.parent)
    (folder / "barn.png").write_bytes(photo.read_bytes()[:200])
    Image.fromarray(np.zeros((6, 6, 3), np.uint8)).save(folder / "door.png")
    point = ("--point", "9", "9")
    assert main(["segment", str(folder), *point, "--out", str(folder / "out")]) == SOME_FAILED
    told = capsys.readouterr().err
    assert "2 of 5 photos failed" in told
    assert told.index("attic.png: at") < told.index("barn.png is") < told.index("cellar.png: at")
    assert names(folder / "out") == [
        f"{name}.{ending}"
        for name in ("attic", "cellar", "desk")
        for ending in ("overlay.png", "segments.json")
    ]


def test_json_lines_are_alone_on_standard_output(photos, observer, capsys):
    main(["segment", str(photos), "--point", "9", "9", "--point", "30", "20", "--json"])
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["image"] for record in records] == [
        str(photos / name) for name in ("attic.png", "attic.png", "desk.png", "desk.png")
    ]


def test_ctrl_c_in_the_middle_keeps_what_is_finished(photos):
    (photos / "broken.png").unlink()
    code = f"""
        import os, signal, sys
        import spelke
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        from conftest import QuickObserver
        class Slow(QuickObserver):
            def look(self, image):
                if self.looked == 1:
                    os.kill(os.getpid(), signal.SIGINT)
                return super().look(image)
        spelke.load = lambda name, device=None, parity=None: Slow()
        from spelke.cli.main import main
        sys.exit(main(["segment", {str(photos)!r}, "--all"]))
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 128 + signal.SIGINT, ended.stderr
    assert "finished is kept" in ended.stderr
    assert names(photos) == ["attic.overlay.png", "attic.png", "attic.segments.json", "desk.png"]


def test_nothing_to_look_at_is_our_error():
    with pytest.raises(InvalidInput, match="no photo"):
        find_photos(())
