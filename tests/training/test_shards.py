import io
import tarfile

import numpy as np
import pytest
from tests.training.scenes import hand_made_scene, records

from spelke.data.worlds import write_shard
from spelke.errors import BadFile, MissingData
from spelke.training.shards import load_shards


@pytest.fixture
def folder(tmp_path):
    for shard in range(2):
        scenes = [(f"{shard}-{n}", hand_made_scene(n)) for n in range(2)]
        write_shard(tmp_path / f"train-{shard}.tar", scenes)
    return tmp_path


def spoil_schema(path):
    """A shard whose scenes say that they are of schema 99."""
    with tarfile.open(path, "w") as tar:
        record = dict(records(1)[0])
        with np.load(io.BytesIO(record["npz"])) as archive:
            tables = dict(archive)
        buffer = io.BytesIO()
        np.savez(buffer, **{**tables, "schema": np.array(99)})
        record["npz"] = buffer.getvalue()
        for name in set(record) - {"__key__"}:
            info = tarfile.TarInfo(f"0000.{name}")
            info.size = len(record[name])
            tar.addfile(info, io.BytesIO(record[name]))


def cut_before(path, key):
    """As a copy that stopped exactly between two files: readers of tars take that for the end."""
    with tarfile.open(path) as tar:
        names = [member.name for member in tar]
        at = tar.getmember(next(n for n in names if n.startswith(key) and n != names[0])).offset
    path.write_bytes(path.read_bytes()[:at])


def spoil(path, how):
    if how == "cut":
        path.write_bytes(path.read_bytes()[:3000])
    elif how == "cut between samples":
        cut_before(path, "0-1.")
    elif how == "cut between files":
        cut_before(path, "0-0.npz")
    elif how == "end cut off":
        path.write_bytes(path.read_bytes().rstrip(b"\0") + bytes(600))
    elif how == "noise":
        path.write_bytes(b"no tar at all" * 100)
    elif how == "empty":
        path.write_bytes(b"")
    else:
        spoil_schema(path)


def test_all_scenes_in_order(folder):
    loaded = load_shards(folder)
    assert [record["__key__"] for record in loaded.records] == [b"0-0", b"0-1", b"1-0", b"1-1"]
    assert loaded.skipped == {}


@pytest.mark.parametrize(
    "how",
    [
        "cut", "cut between samples", "cut between files", "end cut off", "noise", "empty",
        "schema",
    ],
)  # fmt: skip
def test_an_unusable_shard_is_named_and_left_out_only_if_asked(folder, how):
    spoil(folder / "train-0.tar", how)
    with pytest.raises(BadFile, match=r"train-0\.tar.*--skip-bad-shards"):
        load_shards(folder)
    told = []
    loaded = load_shards(folder, skip_bad=True, tell=told.append)
    assert [record["__key__"] for record in loaded.records] == [b"1-0", b"1-1"]
    assert [path.name for path in loaded.skipped] == ["train-0.tar"]
    assert len(told) == 1
    assert "train-0.tar" in told[0]


def test_nothing_usable_is_missing_data(folder):
    for shard in range(2):
        spoil(folder / f"train-{shard}.tar", "noise")
    with pytest.raises(MissingData, match="none of the 2 shards"):
        load_shards(folder, skip_bad=True)


def test_shards_that_are_being_written_do_not_count(tmp_path):
    (tmp_path / ".train-0.1234.part.tar").write_bytes(b"half")
    with pytest.raises(MissingData, match="spelke worlds make"):
        load_shards(tmp_path)
