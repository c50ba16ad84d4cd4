from dataclasses import fields, replace

import h5py
import numpy as np
import pytest

from spelke.benchmarks.test_set import TestItem, fingerprint_of, read_test_set, write_test_set
from spelke.data.spelkebench import SpelkeBenchFile
from spelke.errors import BadFile, InvalidInput, MissingData


def make_item(key="single-000001", seed=0, count=2):
    generator = np.random.default_rng(seed)
    masks = generator.random((3, count, 24, 32)) > 0.5
    return TestItem(
        key=key,
        family="single",
        image=generator.integers(0, 256, (24, 32, 3), np.uint8),
        points=generator.integers(0, 24, (count, 2)),
        segments=masks[0],
        ignore=masks[1],
        instances=masks[2],
    )


def test_a_set_is_read_as_it_was_written(tmp_path):
    items = [make_item("a", 0), make_item("b", 1, count=1)]
    items[1] = replace(items[1], looks=~items[1].ignore, clip="street")
    write_test_set(tmp_path / "set.h5", items)
    again = read_test_set(tmp_path / "set.h5")
    assert [item.key for item in again] == ["a", "b"]
    for before, after in zip(items, again, strict=True):
        assert (before.family, before.clip) == (after.family, after.clip)
        for name in ("image", "points", "segments", "ignore", "instances"):
            assert np.array_equal(getattr(before, name), getattr(after, name))
    assert again[0].looks is None
    assert np.array_equal(again[1].looks, items[1].looks)
    assert fingerprint_of(items) == fingerprint_of(again[::-1])


def test_the_file_has_the_names_that_spelkebench_uses(tmp_path):
    write_test_set(tmp_path / "set.h5", [make_item("a")])
    with h5py.File(tmp_path / "set.h5") as file:
        assert file["a/rgb"].shape == (24, 32, 3)
        assert file["a/segment"].shape == (2, 24, 32)
        assert file["a/centroid"].shape == (2, 2)


@pytest.mark.parametrize("field", [field.name for field in fields(TestItem)])
def test_a_fingerprint_tells_all_that_an_answer_or_a_score_depends_on(field):
    item = replace(make_item(), looks=~make_item().segments)
    value = getattr(item, field)
    if isinstance(value, np.ndarray):
        other = value.copy()
        other.flat[7 % other.size] ^= 1
    else:
        other = {"licence": "none"} if field == "attributes" else f"{value}2"
    changed = replace(item, **{field: other})
    assert (changed.fingerprint == item.fingerprint) == (field == "attributes")
    assert replace(item).fingerprint == item.fingerprint
    assert replace(item, looks=None).fingerprint != item.fingerprint


def test_a_fingerprint_tells_a_picture_from_its_bytes_in_another_shape():
    item = replace(make_item(count=0), image=np.zeros((24, 32, 3), np.uint8))
    turned = {name: np.zeros((0, 32, 24), bool) for name in ("segments", "ignore", "instances")}
    other = replace(item, image=np.zeros((32, 24, 3), np.uint8), **turned)
    assert other.fingerprint != item.fingerprint


def test_a_file_of_an_older_schema_is_read_as_one_of_another_program_and_not_as_a_cache(tmp_path):
    path = tmp_path / "set.h5"
    write_test_set(path, [make_item("a")])
    with h5py.File(path, "a") as file:
        file.attrs["schema"] = "spelke-test-set-1"
        file["a"].attrs["fingerprint"] = "0123456789ab"
    with SpelkeBenchFile(path) as file:
        assert np.array_equal(file["a"].segments, make_item("a").segments)
    with pytest.raises(BadFile, match="has schema 'spelke-test-set-1'"):
        read_test_set(path)


def test_changed_contents_are_found(tmp_path):
    path = tmp_path / "set.h5"
    write_test_set(path, [make_item("a")])
    with h5py.File(path, "a") as file:
        file["a/centroid"][0, 0] += 1
    with pytest.raises(BadFile, match="not what was written"):
        read_test_set(path)


def test_a_missing_foreign_or_truncated_file_is_named(tmp_path):
    with pytest.raises(MissingData, match=r"no SpelkeBench file at .*none.h5"):
        read_test_set(tmp_path / "none.h5")
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["something"] = 1
    with pytest.raises(BadFile, match="schema None"):
        read_test_set(tmp_path / "foreign.h5")
    write_test_set(tmp_path / "set.h5", [make_item("a")])
    content = (tmp_path / "set.h5").read_bytes()
    (tmp_path / "half.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(BadFile, match="delete it to remake it"):
        read_test_set(tmp_path / "half.h5")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("image", np.zeros((24, 32, 3), np.float32), "uint8"),
        ("segments", np.zeros((1, 24, 32), bool), "segments must be"),
        ("ignore", np.zeros((2, 24, 32), np.uint8), "ignore must be"),
        ("points", np.array([[0, 0], [32, 0]]), "inside the 32x24 image"),
    ],
)
def test_an_item_checks_itself(name, value, says):
    item = make_item()
    values = {
        field: getattr(item, field)
        for field in ("key", "family", "image", "points", "segments", "ignore", "instances")
    }
    with pytest.raises(InvalidInput, match=says):
        TestItem(**{**values, name: value})
