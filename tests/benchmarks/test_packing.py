"""Worlds and photographs as SpelkeBench files."""

import json

import numpy as np
from PIL import Image

from spelke.benchmarks.held_out import HeldOutSettings, item_key
from spelke.benchmarks.packing import photo_items, read_source, world_items
from spelke.data.test_item import TestItem

FAMILIES = ("cups", "trays", "twins")


def draw(settings, family, number):
    """Every third scene has nothing to ask about, every fifth cannot be made."""
    if number % 5 == 4:
        raise ValueError("it fell over")
    count = 0 if number % 3 == 2 else 1 + number % 2
    masks = np.zeros((count, 16, 16), bool)
    masks[:, 4:9, 4:9] = True
    points = np.full((count, 2), 5)
    image = np.full((16, 16, 3), number, np.uint8)
    return TestItem(item_key(family, number), family, image, points, masks, ~masks & False, masks)


def worlds(tmp_path, count, monkeypatch):
    from spelke.benchmarks import held_out

    monkeypatch.setattr(held_out, "make_item", draw)
    return world_items(count, HeldOutSettings(families=FAMILIES), cache=tmp_path)


def test_worlds_are_spread_over_families_and_a_larger_set_holds_a_smaller(tmp_path, monkeypatch):
    small, large = (worlds(tmp_path, count, monkeypatch) for count in (5, 14))
    counts = [sum(item.family == family for item in small.items) for family in FAMILIES]
    assert counts == [2, 2, 1]
    assert len(large.items) == 14
    assert all(len(item.points) for item in large.items)
    assert {item.key for item in small.items} <= {item.key for item in large.items}
    assert large.items[0].attributes["licence"] == "MIT"
    assert "it fell over" in large.broken["cups-00004"]


def make_folder(folder):
    mask = np.zeros((20, 24), np.uint8)
    mask[5:12, 6:15] = 1
    entries = []
    for source, kind in (("lab", "instance"), ("street", "parts (touching may be merged)")):
        for index in range(2):
            for name, values in (("images", np.stack([mask * 90] * 3, 2)), ("masks", mask)):
                path = folder / source / name / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(values).save(path)
            entries.append(
                {
                    "image": f"{source}/images/{index}.png",
                    "mask": f"{source}/masks/{index}.png",
                    "source": source,
                    "mask_kind": kind,
                    "truth": "drawn",
                    "ignore_value": None,
                    "segments": [{"value": 1, "click_xy": [8, 8]}],
                }
            )
    entries[1]["mask"] = "lab/masks/none.png"
    (folder / "segments_manifest.json").write_text(json.dumps({"items": entries}))
    (folder / "lab" / "SOURCE.md").write_text(
        "# Lab\n\n- Repository: lab/pictures, commit 1\n\nLicence as stated: CC BY 4.0.\n"
    )


def test_photographs_keep_licence_and_source_and_what_is_left_out_is_told(tmp_path):
    make_folder(tmp_path)
    told = {}
    (item,) = photo_items(tmp_path, skip=lambda name, reason: told.update({name: reason}))
    assert item.key == "lab_images_0"
    assert item.attributes == {
        "licence": "CC BY 4.0.",
        "source": "lab/pictures, commit 1",
        "mask_kind": "instance",
        "truth": "drawn",
        "file": "lab/images/0.png",
    }
    assert "there is no mask" in told["lab/images/1.png"]
    assert "may be merged" in told["street/images/0.png"]
    assert len(list(photo_items(tmp_path, without=()))) == 3
    assert read_source(tmp_path / "street") == {"licence": "not stated", "source": "street"}
