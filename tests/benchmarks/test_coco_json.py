"""COCO JSON: every form of a mask, and what is wrong with one by its name."""

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from spelke.benchmarks.coco_json import CocoFile
from spelke.data.label_maps import Selection
from spelke.errors import BadFile, InvalidInput, MissingData

LABELS = np.zeros((30, 40), np.uint8)
LABELS[2:12, 3:18] = 7
LABELS[15:25, 20:39] = 2
LABELS[0, :] = 255


def coco(tmp_path, annotations, **entry):
    for name in ("b", "a"):
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.new("RGB", (40, 30)).save(tmp_path / "images" / f"{name}.jpg")
    plain = {
        "images": [
            {"id": 1, "file_name": "b.jpg", "height": 30, "width": 40, "license": 4, **entry},
            {"id": 2, "file_name": "a.jpg"},
        ],
        "annotations": [{"image_id": 1, "id": i, **one} for i, one in enumerate(annotations)],
        "licenses": [{"id": 4, "name": "CC BY 4.0"}],
    }
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(plain))
    return CocoFile(path, tmp_path / "images")


def code(mask):
    plain = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {**plain, "counts": plain["counts"].decode()}


def runs(mask):
    flat = np.concatenate([[False], mask.ravel(order="F")])
    changes = np.flatnonzero(np.diff(flat.astype(int)))
    counts = np.diff(np.concatenate([[0], changes, [mask.size]]))
    return {"size": list(mask.shape), "counts": counts.tolist()}


def test_polygons_both_run_length_codes_and_crowds_are_read(tmp_path):
    square = [3, 2, 18, 2, 18, 12, 3, 12]
    file = coco(
        tmp_path,
        [
            {"segmentation": [square]},
            {"segmentation": code(LABELS == 2)},
            {"segmentation": runs(LABELS == 255), "iscrowd": 1},
        ],
    )
    assert file.keys == ["a", "b"]
    assert file.read(0, Selection()) is None  # without annotations
    item = file.read(1, Selection())
    assert np.array_equal(item.segments[0], LABELS == 2)
    overlap = (item.segments[1] & (LABELS == 7)).sum()
    assert overlap / (item.segments[1] | (LABELS == 7)).sum() > 0.85
    assert np.array_equal(item.ignore[0], LABELS == 255)
    assert item.attributes == {"licence": "CC BY 4.0"}


@pytest.mark.parametrize(
    ("annotation", "entry", "says"),
    [
        ({"segmentation": code(LABELS[:20] == 2)}, {}, r"of size \(20, 40\)"),
        ({"segmentation": None}, {}, "no polygons or run-length code"),
        ({}, {}, "no polygons or run-length code"),
        ({"segmentation": [[1, 2, 3]]}, {}, "no polygons or run-length code"),
        ({"segmentation": code(LABELS == 2)}, {"height": 99}, r"says \(99, 40\)"),
    ],
)
def test_what_is_wrong_with_an_annotation_is_named(tmp_path, annotation, entry, says):
    with pytest.raises(InvalidInput, match=says):
        coco(tmp_path, [annotation], **entry).read(1, Selection())


def test_files_that_are_not_coco_are_refused(tmp_path):
    with pytest.raises(MissingData, match="no COCO file"):
        CocoFile(tmp_path / "none.json", tmp_path)
    for text in ("{", "[]", '{"images": []}'):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(BadFile, match="no COCO file with images and annotations"):
            CocoFile(tmp_path / "bad.json", tmp_path)
