"""`spelke bench pack`: from what people have to a file that `bench run` takes."""

import json

import numpy as np
import pytest
from PIL import Image

from spelke.benchmarks import held_out
from spelke.cli.main import main
from spelke.data.spelkebench import SpelkeBenchFile
from spelke.data.test_item import TestItem


def pack(*arguments):
    return main(["bench", "pack", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two pictures with label maps, one without, one with a map of another size."""
    monkeypatch.chdir(tmp_path)
    labels = np.zeros((20, 30), np.uint8)
    labels[4:12, 5:16] = 3
    for place in ("images", "masks"):
        (tmp_path / place).mkdir()
    for name in ("a", "b", "c", "d"):
        Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(
            tmp_path / "images" / f"{name}.png"
        )
    for name, values in {"a": labels, "b": labels, "d": labels[:10]}.items():
        Image.fromarray(values).save(tmp_path / "masks" / f"{name}.png")
    return tmp_path


def test_label_maps_become_a_file_and_what_does_not_fit_is_named(folder, capsys):
    known = ("--licence", "CC0", "--source", "my desk")
    assert pack("labels", "out.h5", "--images", "images", "--masks", "masks", *known) == 1
    errors = capsys.readouterr().err
    assert "left out c.png: there is no file beside it" in errors
    assert "left out d: masks/d.png has (height, width) (10, 30)" in errors
    with SpelkeBenchFile("out.h5") as file:
        assert file.keys == ("a", "b")
        assert file["a"].attributes == {"licence": "CC0", "source": "my desk"}
    assert main(["bench", "inspect", "out.h5"]) == 0
    assert main(["bench", "run", "disc", "out.h5", "--out", "o", "--workers", "0"]) == 0


def test_coco_becomes_a_file(folder, capsys):
    square = {"id": 1, "image_id": 1, "segmentation": [[5, 4, 16, 4, 16, 12, 5, 12]]}
    images = [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}]
    plain = {"images": images, "annotations": [square]}
    (folder / "coco.json").write_text(json.dumps(plain))
    assert pack("coco", "out.h5", "--json", "coco.json", "--images", "images") == 0
    assert "left out 1 pictures without a mask" in capsys.readouterr().err
    assert SpelkeBenchFile("out.h5").keys == ("a",)


def test_nothing_to_pack_writes_nothing_and_gives_exit_2(folder, capsys):
    assert pack("labels", "out.h5", "--images", "images", "--masks", "images", "--ignore", 90) == 2
    assert "there are no pictures to write" in capsys.readouterr().err
    assert pack("davis", "out.h5", "--folder", ".") == 2
    assert pack("photos", "out.h5", "--data", ".") == 2
    assert pack("worlds", "out.h5", "--pictures", 0) == 2
    assert not (folder / "out.h5").exists()


def test_worlds_become_a_file(tmp_path, monkeypatch, capsys):
    def draw(settings, family, number):
        mask = np.zeros((1, 16, 16), bool)
        mask[0, 3:8, 3:8] = True
        image = np.full((16, 16, 3), number, np.uint8)
        key = held_out.item_key(family, number)
        return TestItem(key, family, image, np.array([[5, 5]]), mask, ~mask & False, mask)

    monkeypatch.setattr(held_out, "make_item", draw)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert pack("worlds", tmp_path / "w.h5", "--pictures", 20, "--workers", 1) == 0
    with SpelkeBenchFile(tmp_path / "w.h5") as file:
        assert len(file) == 20
        assert file.attributes["title"] == "spelkebench-worlds"
