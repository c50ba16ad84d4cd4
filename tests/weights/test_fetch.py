from __future__ import annotations

import hashlib
import shutil
from collections import namedtuple
from dataclasses import replace

import pytest
from tests.weights.published_format import tiny_published
from tests.weights.server import serve

from spelke.errors import BadFile, InvalidInput, Unavailable, UnknownName
from spelke.weights.download import Patience
from spelke.weights.fetch import check_rooms, fetch
from spelke.weights.home import downloads, home, model_folder
from spelke.weights.table import MODELS, named_folder

SOON = Patience(tries=2, wait_s=0.0)


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    files = tiny_published().write(tmp_path_factory.mktemp("published"))
    return {path.name: path.read_bytes() for path in files.all()}


@pytest.fixture
def shelf(contents, monkeypatch, tmp_path):
    """The address of spelkenet-1b, with small files."""
    monkeypatch.setenv("SPELKE_HOME", str(tmp_path / "home"))
    with serve() as made:
        made.files |= contents
        record = replace(MODELS["spelkenet-1b"], where=made.address)
        monkeypatch.setitem(MODELS, "spelkenet-1b", record)
        yield made


def test_all_files_arrive_and_their_checksums_are_told(shelf, contents):
    told, steps = [], {}
    folder = fetch(
        "spelkenet-1b", report=lambda name, *step: steps.update({name: step}), tell=told.append
    )
    assert folder == downloads() == home() / "downloads"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == contents
    assert steps == {name: (len(data), len(data)) for name, data in contents.items()}
    for line, name in zip(told, MODELS["spelkenet-1b"].files, strict=True):
        assert hashlib.sha256(contents[name]).hexdigest() in line
        assert "unverified" in line


def test_known_checksums_are_compared(shelf, contents, monkeypatch):
    record = MODELS["spelkenet-1b"]
    sums = [hashlib.sha256(contents[name]).hexdigest() for name in record.files]
    monkeypatch.setitem(MODELS, record.name, replace(record, sha256=(*sums[:3], "")))
    told = []
    fetch("spelkenet-1b", tell=told.append)
    assert ["as expected" in line for line in told] == [True, True, True, False]
    shutil.rmtree(downloads())
    monkeypatch.setitem(MODELS, record.name, replace(record, sha256=("0" * 64, "", "", "")))
    with pytest.raises(BadFile, match="not the file that is expected"):
        fetch("spelkenet-1b")


def test_a_failure_tells_how_to_do_it_by_hand(shelf):
    del shelf.files["flow_quantizer.pt"]
    with pytest.raises(Unavailable) as caught:
        fetch("spelkenet-1b", patience=SOON)
    for words in (
        "flow_quantizer.pt: the server answers 404",
        shelf.address,
        "flow_token_to_flow_vector_mapping.pt",
        "spelke weights convert DIR",
    ):
        assert words in str(caught.value)
    asked = len(shelf.asked)
    with pytest.raises(Unavailable):
        fetch("spelkenet-1b", patience=SOON)
    assert len(shelf.asked) == asked + 1  # what had arrived was not asked for again


def test_what_ships_and_what_is_unknown_is_not_fetched():
    with pytest.raises(InvalidInput, match="nothing to fetch"):
        fetch("spelke-tiny")
    with pytest.raises(UnknownName, match="did you mean 'spelkenet-1b'"):
        fetch("spelkenet-1")


def test_room_is_looked_for_before_the_first_byte(shelf, monkeypatch, tmp_path):
    record, folder = MODELS["spelkenet-1b"], tmp_path / "in"
    folder.mkdir()

    def disk(free):
        usage = namedtuple("usage", "total used free")(10**12, 0, int(free))
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    disk(6e9)  # enough for the files or for the checkpoint
    check_rooms(record, None, converts=False)
    check_rooms(record, folder, converts=True)
    with pytest.raises(Unavailable, match=r"needs 8\.82 GB and 6\.00 GB are free"):
        check_rooms(record, None, converts=True)
    disk(4e9)
    with pytest.raises(Unavailable, match=r"needs 4\.41 GB"):
        check_rooms(record, folder, converts=False)
    (folder / "SpelkeNet1B.pt.part").write_bytes(b"x")
    with (folder / "SpelkeNet1B.pt.part").open("r+b") as file:
        file.truncate(10**9)
    check_rooms(record, folder, converts=False)


def test_models_live_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("SPELKE_HOME", str(tmp_path))
    assert model_folder("x") == tmp_path / "models" / "x"
    monkeypatch.delenv("SPELKE_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert home() == tmp_path / "cache" / "spelke"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home() == tmp_path / ".cache" / "spelke"


def test_a_converted_model_is_found_by_its_name(monkeypatch, tmp_path):
    monkeypatch.setenv("SPELKE_HOME", str(tmp_path))
    with pytest.raises(Unavailable, match="weights fetch spelkenet-1b"):
        named_folder("spelkenet-1b")
    model_folder("spelkenet-1b").mkdir(parents=True)
    assert named_folder("spelkenet-1b") == tmp_path / "models" / "spelkenet-1b"
