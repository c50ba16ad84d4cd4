from __future__ import annotations

import json

from PIL import Image

from spelke.cli.main import BAD_INPUT, OK, main
from spelke.export.coco import decode_rle, read_segments


def test_a_point_gives_a_picture_and_a_document(photo, observer, capsys):
    assert main(["segment", str(photo), "--point", "20", "10.5"]) == OK
    captured = capsys.readouterr()
    overlay, document = captured.out.split()
    with Image.open(overlay) as drawn:
        assert (drawn.format, drawn.mode) == ("PNG", "RGB")
    found = read_segments(document)
    assert (found.image_name, found.model) == ("desk.png", "spelke-small")
    assert [segment.point for segment in found.segments] == [(20, 10.5)]
    assert "at (20, 10.5): 81 pixels (6.8%), confidence 0.80 after 1 poke" in captured.err
    assert "one photo at a time" in captured.err


def test_json_gives_one_object_per_segment(photo, observer, capsys):
    main(["segment", str(photo), "--point", "20", "10", "--all", "--json"])
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert set(first) == {
        "image", "rle", "box", "area", "confidence", "point", "pokes", "remark",
    }  # fmt: skip
    assert first["point"] == [20, 10]
    assert first["box"] == [16, 6, 9, 9]
    assert first["pokes"] == [{"point": [20, 10], "displacement": [5, 0]}]
    mask = decode_rle(first["rle"])
    assert mask.shape == (30, 40)
    assert mask.sum() == first["area"] == 81
    assert second["remark"] == "Hardly anything moves."


def test_a_remark_is_shown_to_people(photo, observer, capsys):
    main(["segment", str(photo), "--all"])
    assert "confidence 0.10 after 1 poke; Hardly anything moves." in capsys.readouterr().err


def test_without_a_point_everything_is_looked_for(photo, observer, capsys):
    main(["segment", str(photo), "--json"])
    assert [json.loads(line)["point"] for line in capsys.readouterr().out.splitlines()] == [[3, 3]]


def test_a_photo_in_which_nothing_moves_is_an_answer(photo, observer, capsys, monkeypatch):
    look = observer.look

    def bare(path):
        scene = look(path)
        scene.discover = lambda seed: []
        return scene

    monkeypatch.setattr(observer, "look", bare)
    assert main(["segment", str(photo)]) == OK
    assert "nothing here would move" in capsys.readouterr().err
    assert len(read_segments(photo.with_name("desk.segments.json")).segments) == 0
    assert photo.with_name("desk.overlay.png").stat().st_size > 0


def test_a_point_outside_is_bad_input(photo, observer, capsys):
    assert main(["segment", str(photo), "--point", "400", "10"]) == BAD_INPUT
    assert "400" in capsys.readouterr().err
    assert [path.name for path in photo.parent.iterdir()] == ["desk.png"]


def test_half_a_point_is_bad_input(photo, observer):
    assert main(["segment", str(photo), "--point", "4"]) == BAD_INPUT


def test_settle_reaches_the_observer(photo, monkeypatch):
    from tests.discovery.doubles import PerfectWorldModel

    import spelke
    from spelke.discovery.observer import Observer

    asked = []

    class Watched(Observer):
        def segments(self, scenes, points, seed=0):
            asked.append(self.settings.settle)
            return super().segments(scenes, points, seed)

    monkeypatch.setattr("spelke.discovery.observer.Observer", Watched)
    monkeypatch.setitem(
        spelke.__dict__, "load", lambda name, device=None, parity=None: Watched(PerfectWorldModel())
    )
    for options in ((), ("--settle", "0.9")):
        assert main(["segment", str(photo), "--point", "9", "9", *options]) == OK
    assert asked == [None, 0.9]
    assert main(["segment", str(photo), "--point", "9", "9", "--settle", "1.5"]) == BAD_INPUT
