"""World scenes survive their files; damaged files are refused by name."""

import dataclasses
import io
import tarfile

import numpy as np
import pytest

from spelke.data.world_records import OtherSchema, decode, encode, pack_depth, unpack_depth
from spelke.data.worlds import (
    hdf5_keys,
    read_hdf5,
    read_scenes,
    read_shards,
    write_hdf5,
    write_shard,
)
from spelke.errors import BadFile, InvalidInput, MissingData, MissingExtra, Unavailable
from spelke.worlds.generate import SceneOptions, make_scene
from spelke.worlds.gl import gl_context
from spelke.worlds.scene import Pokes, WorldScene


@pytest.fixture(scope="module")
def scene():
    try:
        gl_context()
    except (MissingExtra, Unavailable) as error:
        pytest.skip(f"worlds cannot be rendered here: {error}")
    return make_scene(2, SceneOptions(families=("stacks",), pokes=2, size=96, groups=2))


def assert_same(first, second, lossy=()):
    for item in dataclasses.fields(first):
        if item.name == "pokes" or item.name in lossy:
            continue
        one, two = getattr(first, item.name), getattr(second, item.name)
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, two, err_msg=item.name)
            assert one.dtype == two.dtype, item.name
        else:
            assert one == two, item.name


def test_a_sample_decodes_to_its_scene(scene):
    again = decode(encode(scene, "a"))
    assert_same(scene, again, lossy=("rgb", "depth"))
    assert_same(scene.pokes, again.pokes, lossy=("rgb", "depth"))
    assert np.abs(scene.rgb.astype(int) - again.rgb).mean() < 3
    finite = np.isfinite(scene.depth) & (scene.depth < 16)
    assert np.abs(scene.depth - again.depth)[finite].max() < 0.00013
    np.testing.assert_array_equal(np.isinf(scene.depth), np.isinf(again.depth))


def test_an_evaluation_set_is_lossless(scene, tmp_path):
    path = tmp_path / "set.h5"
    assert write_hdf5(path, [("b", scene), ("a", scene)]) == 2
    assert hdf5_keys(path) == ["a", "b"]
    (again,) = read_hdf5(path, ["a"])
    assert_same(scene, again)
    assert_same(scene.pokes, again.pokes)
    assert len(list(read_scenes(path))) == 2


def test_a_long_description_fits_and_a_missing_part_is_refused(scene, tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "set.h5"
    long = dataclasses.replace(scene, mjcf="<mujoco>" + 100_000 * " " + "</mujoco>")
    write_hdf5(path, [("a", long)])
    (again,) = read_hdf5(path)
    assert again.mjcf == long.mjcf
    with h5py.File(path, "a") as file:
        del file["a/ids"]
    with pytest.raises(BadFile, match="scene a"):
        list(read_hdf5(path))


def test_a_bare_scene_stays_bare(scene, tmp_path):
    bare = dataclasses.replace(
        scene,
        carry=None,
        group_masks=None,
        ignore_masks=None,
        pokes=dataclasses.replace(scene.pokes, rgb=None, ids=None, depth=None, visible=None),
    )
    write_hdf5(tmp_path / "set.h5", [("a", bare)])
    for again in (decode(encode(bare, "a")), *read_hdf5(tmp_path / "set.h5")):
        assert again.carry is None
        assert again.group_masks is None
        assert again.pokes.rgb is None
        assert again.pokes.visible is None


def test_shards_are_read_in_order(scene, tmp_path):
    write_shard(tmp_path / "0.tar", [("a", scene), ("b", scene)])
    write_shard(tmp_path / "1.tar", [("c", scene)])
    records = list(read_shards([tmp_path / "0.tar", tmp_path / "1.tar"]))
    assert [record["__key__"] for record in records] == [b"a", b"b", b"c"]
    assert len(list(read_scenes(tmp_path))) == 3


def test_shards_are_webdataset_files(scene, tmp_path):
    tariterators = pytest.importorskip("webdataset.tariterators")
    write_shard(tmp_path / "0.tar", [("a", scene)])
    with (tmp_path / "0.tar").open("rb") as stream:
        files = tariterators.tar_file_expander([{"url": "0.tar", "stream": stream}])
        (sample,) = tariterators.group_by_keys(files)
    assert sample["__key__"].endswith("a")
    assert {"rgb.jpg", "ids.png", "depth.png", "npz"} <= set(sample)


def test_depth_keeps_the_sky_and_a_quarter_of_a_millimetre():
    depth = np.array([[0.02, 1.23456, 16.0], [40.0, np.inf, 0.5]], np.float32)
    back = unpack_depth(pack_depth(depth))
    np.testing.assert_allclose(back[0], depth[0], atol=0.00013)
    assert back[1, 0] == pytest.approx(16.3835)
    assert np.isinf(back[1, 1])


def test_a_truncated_shard_is_refused(scene, tmp_path):
    whole, cut = tmp_path / "0.tar", tmp_path / "1.tar"
    write_shard(whole, [("a", scene), ("b", scene)])
    content = whole.read_bytes()
    for share in (0.2, 0.5, 0.8):
        cut.write_bytes(content[: int(share * len(content))])
        with pytest.raises(BadFile):
            list(read_shards([cut]))


def boundaries(path):
    """Where the files of a tar begin, but for the first one; with their names."""
    with tarfile.open(path) as tar:
        return [(member.offset, member.name) for member in tar][1:]


def test_a_shard_cut_between_two_files_is_refused_before_its_first_sample(scene, tmp_path):
    """Readers of tars take such a cut for the end; it falls between samples, or in one."""
    whole, cut = tmp_path / "0.tar", tmp_path / "cut.tar"
    write_shard(whole, [("a", scene), ("b", scene), ("c", scene)])
    content, places = whole.read_bytes(), boundaries(whole)
    assert len(places) == 20
    between = [at for (at, name), (_, then) in zip(places[1:], places, strict=False)
               if name[0] != then[0]]  # fmt: skip
    assert len(between) == 2
    end = len(content.rstrip(b"\0")) // 512 * 512 + 512  # of what the last file holds
    for at in [at for at, _ in places] + [end, end + 512]:
        cut.write_bytes(content[:at])
        with pytest.raises(BadFile, match=r"cut\.tar is not a whole tar"):
            next(read_shards([cut]))
        with pytest.raises(BadFile, match=r"cut\.tar"):
            next(read_scenes(cut))
    cut.write_bytes(content[: end + 1024])
    assert len(list(read_shards([cut]))) == 3


def test_a_zero_at_the_end_of_the_last_file_is_not_the_end_of_the_tar(scene, tmp_path):
    """A zip may end in zeros, which may then be all that its last block holds."""
    path, record = tmp_path / "cut.tar", encode(scene, "a")
    with tarfile.open(path, "w") as tar:
        for name in ("rgb.jpg", "ids.png", "depth.png", "npz"):
            body = record[name]
            body += bytes(-len(body) % 512 + 1) if name == "npz" else b""
            info = tarfile.TarInfo(f"a.{name}")
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
        end = tar.offset
    assert not any(path.read_bytes()[end - 512 : end])
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(BadFile, match="its end is missing"):
        list(read_shards([path]))


def test_shards_that_webdataset_wrote_are_read(scene, tmp_path):
    webdataset = pytest.importorskip("webdataset")
    record = encode(scene, "a")
    with webdataset.TarWriter(str(tmp_path / "0.tar"), encoder=False) as writer:
        for key in ("a", "b"):
            writer.write({**record, "__key__": key})
    assert [r["__key__"] for r in read_shards([tmp_path / "0.tar"])] == [b"a", b"b"]
    assert len(list(read_scenes(tmp_path))) == 2


def test_other_files_are_refused(scene, tmp_path):
    noise = tmp_path / "noise.tar"
    noise.write_bytes(b"not a tar" * 200)
    with pytest.raises(BadFile):
        list(read_shards([noise]))
    with pytest.raises(BadFile):
        hdf5_keys(noise)
    with pytest.raises(MissingData):
        list(read_shards([tmp_path / "none.tar"]))
    with pytest.raises(MissingData):
        list(read_scenes(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingData, match="holds no shards"):
        list(read_scenes(tmp_path / "empty"))
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InvalidInput, match="must be"):
        list(read_scenes(tmp_path / "a.txt"))


def test_a_sample_without_a_part_or_of_another_schema_is_refused(scene, monkeypatch):
    record = encode(scene, "a")
    with pytest.raises(BadFile, match="sample a"):
        decode({name: body for name, body in record.items() if name != "ids.png"})
    with pytest.raises(BadFile):
        decode({**record, "depth.png": b"garbage"})
    flipped = bytearray(record["npz"])
    flipped[len(flipped) // 2] ^= 255
    with pytest.raises(BadFile, match="sample a") as damaged:
        decode({**record, "npz": bytes(flipped)})
    assert not isinstance(damaged.value, OtherSchema)
    monkeypatch.setattr("spelke.data.world_records.SCHEMA", 99)
    with pytest.raises(OtherSchema, match="a has schema 2, this version reads 99"):
        decode(record)


def test_an_incomplete_sample_in_a_shard_is_refused(scene, tmp_path):
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        info = tarfile.TarInfo("a.rgb.jpg")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    with pytest.raises(OtherSchema, match="lacks"):
        list(read_shards([tmp_path / "0.tar"]))


def test_nothing_is_left_when_writing_fails(scene, tmp_path):
    def failing():
        yield "a", scene
        raise RuntimeError("the renderer died")

    with pytest.raises(RuntimeError):
        write_shard(tmp_path / "0.tar", failing())
    assert not list(tmp_path.iterdir())


def test_every_field_is_a_field_of_the_file(scene):
    """A field that is added to the record must not be lost silently."""
    again = decode(encode(scene, "a"))
    for kind, one, two in ((WorldScene, scene, again), (Pokes, scene.pokes, again.pokes)):
        for item in dataclasses.fields(kind):
            assert (getattr(one, item.name) is None) == (getattr(two, item.name) is None)
