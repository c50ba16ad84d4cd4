"""Many pictures from files, lists and WebDatasets."""

import io
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spelke.data.picture_lists import PointTable
from spelke.data.pictures import Picture, PictureTar, find_sources, pictures_of
from spelke.errors import BadFile, MissingData, MissingExtra


def png(value):
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 6, 3), value, np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def write_tar(path, files):
    with tarfile.open(path, "w") as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with two pictures and two shards, which is the present one."""
    monkeypatch.chdir(tmp_path)
    for value, name in enumerate(("a.png", "b.png")):
        Path(name).write_bytes(png(value))
    for shard in range(2):
        files = [(f"desk/{number}.png", png(10 * shard + number)) for number in range(2)]
        write_tar(f"s-{shard}.tar", [("desk/0.cls", b"3"), *files])
    return tmp_path


def found(*names, table=None):
    return list(pictures_of(find_sources(map(Path, names)), table))


def test_files_patterns_and_lists_are_pictures_once(folder):
    Path("list.txt").write_text("b.png 1 2\na.png\nb.png 3 4\ngone.png\n")
    pictures = found("a.png", "list.txt", "*.png")
    assert [picture.name for picture in pictures] == ["a.png", "b.png", "gone.png"]
    assert [picture.points for picture in pictures] == [(), ((1, 2), (3, 4)), ()]
    assert [picture.label for picture in pictures] == ["a", "b", "gone"]
    assert pictures[1].read() == Path("b.png").read_bytes()
    with pytest.raises(MissingData, match=r"gone\.png"):
        pictures[2].read()


def test_names_in_a_list_are_relative_to_it(folder):
    Path("lists").mkdir()
    Path("lists/all.csv").write_text("image,x,y\n../a.png,1,2\n")
    (picture,) = found("lists/all.csv")
    assert picture.read() == Path("a.png").read_bytes()
    assert picture.points == ((1, 2),)


@pytest.mark.parametrize("pattern", ["s-{0..1}.tar", "s-*.tar", "s-{0,1}.tar"])
def test_samples_of_shards_are_pictures(folder, pattern):
    pictures = found(pattern)
    assert [picture.label for picture in pictures] == [
        f"s-{shard}/desk/{number}" for shard in range(2) for number in range(2)
    ]
    assert pictures[3].name == "s-1.tar/desk/1.png"
    assert pictures[3].read() == png(11)
    assert find_sources([Path(pattern)]) == [PictureTar(Path(f"s-{n}.tar")) for n in range(2)]


def test_points_of_samples_come_from_the_shard_and_from_a_table(folder):
    files = [("0.png", png(0)), ("0.points.json", b"[[1, 2]]"), ("1.png", png(1))]
    write_tar("p.tar", files)
    Path("points.csv").write_text("image,x,y\n0.png,5,6\np.tar/1.png,7,8\nnobody.png,1,1\n")
    table = PointTable(Path("points.csv"))
    assert [picture.points for picture in found("p.tar", table=table)] == [
        ((1, 2), (5, 6)), ((7, 8),),
    ]  # fmt: skip
    assert list(table.unused) == ["nobody.png"]


def test_of_several_pictures_of_a_sample_the_one_called_so_is_taken(folder):
    write_tar("w.tar", [("0.ids.png", png(1)), ("0.rgb.png", png(2)), ("0.npz", b"")])
    (picture,) = found("w.tar")
    assert (picture.name, picture.read()) == ("w.tar/0.rgb.png", png(2))


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([("0.cls", b"3")], "no picture"),
        ([("0.left.png", png(1)), ("0.right.png", png(2))], r"several pictures \(left.png, right"),
        ([("0.png", png(1)), ("0.points.json", b"[3, 4]")], r"points.json is not \[\[x, y\]"),
        ([("../0.png", png(1))], "out of its folder"),
        ([("1.png", png(1)), ("0.png", png(1)), ("1.png", png(1))], "twice"),
        ([], "no samples"),
    ],
)
def test_a_sample_that_is_none_says_so_and_the_others_are_read(folder, files, says):
    write_tar("x.tar", files)
    *_, bad, last = found("x.tar", "s-0.tar")[:-1]
    with pytest.raises(BadFile, match=says):
        bad.read()
    assert last.read() == png(0)


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.01])
def test_a_shard_cut_short_gives_what_is_whole_and_says_so(folder, keep):
    names = [f"{number}.png" for number in range(8)]
    write_tar("c.tar", [(name, png(1)) for name in names])
    data = Path("c.tar").read_bytes()[: 8 * 1024]
    Path("c.tar").write_bytes(data[: int(len(data) * keep)])
    *good, bad = found("c.tar")
    assert [picture.name for picture in good] == [f"c.tar/{name}" for name in names[: len(good)]]
    assert len(good) < 8 * keep
    with pytest.raises(BadFile, match=f"no whole .tar file .* {len(good)} samples could be read"):
        bad.read()
    assert isinstance(bad, Picture)


@pytest.mark.parametrize("name", ["gone.tar", "gone-{0..2}.tar", "gone-*.tar", "{gone", "{gone}"])
def test_what_is_not_there_is_missing_data(folder, name):
    with pytest.raises(MissingData, match="gone"):
        find_sources([Path(name)])


def test_without_webdataset_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "webdataset.tariterators", None)
    with pytest.raises(MissingExtra, match=r"spelke\[train\]"):
        found("s-0.tar")
