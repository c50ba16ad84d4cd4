from __future__ import annotations

import hashlib
import shutil
from collections import namedtuple

import pytest
from tests.weights.server import serve

from spelke.errors import BadFile, Unavailable
from spelke.weights import download as module
from spelke.weights.download import Patience, download

DATA = bytes(range(256)) * 20_000
"""5 MB: several blocks."""
SUM = hashlib.sha256(DATA).hexdigest()
SOON = Patience(tries=3, wait_s=0.0)


@pytest.fixture
def shelf():
    with serve() as made:
        made.files["a.pt"] = DATA
        yield made


@pytest.fixture
def get(shelf, tmp_path):
    def run(sha256="", **options):
        path = download(
            shelf.address + "a.pt", tmp_path / "in" / "a.pt", sha256,
            **{"patience": SOON, **options},
        )  # fmt: skip
        assert [file.name for file in path.parent.iterdir()] == ["a.pt"]
        return path.read_bytes()

    return run


def here(tmp_path):
    return {path.name: path.stat().st_size for path in (tmp_path / "in").iterdir()}


def test_a_file_arrives_whole_and_is_checked(shelf, get):
    steps = []
    assert get(SUM, report=lambda *step: steps.append(step)) == DATA
    assert steps[-1] == (len(DATA), len(DATA))
    assert shelf.asked == [""]


def test_a_file_that_is_here_is_not_fetched_again(shelf, get):
    get()
    shelf.files.clear()
    assert get(SUM) == DATA
    assert len(shelf.asked) == 1


@pytest.mark.parametrize("breaks", [[2_000_000], [1_500_000, 1, 2_000_000], [100_000] * 30])
def test_a_broken_connection_goes_on_where_it_broke(shelf, get, breaks):
    shelf.breaks_after = list(breaks)
    assert get(SUM) == DATA
    places = [sum(breaks[:count]) for count in range(1, len(breaks) + 1)]
    assert shelf.asked == ["", *(f"bytes={place}-" for place in places)]


def test_the_next_call_goes_on_where_the_last_one_stopped(shelf, get, tmp_path):
    shelf.breaks_after = [3_000_000, 0, 0]
    with pytest.raises(
        Unavailable, match=r"3 times in a row.*3,000,000 bytes .*are kept in .*part"
    ):
        get()
    assert here(tmp_path)["a.pt.part"] == 3_000_000
    shelf.asked.clear()
    assert get(SUM) == DATA
    assert shelf.asked == ["bytes=3000000-"]


def test_a_date_serves_as_well_as_a_tag(shelf, get):
    shelf.tag, shelf.date = 'W/"weak"', "Sat, 21 Nov 2026 10:00:00 GMT"
    shelf.breaks_after = [2_000_000]
    assert get(SUM) == DATA
    assert shelf.asked == ["", "bytes=2000000-"]


@pytest.mark.parametrize("what", ["no version", "no ranges", "another version", "another place"])
def test_what_cannot_be_continued_starts_again(shelf, get, what):
    shelf.breaks_after = [2_000_000]
    if what == "no version":
        shelf.tag = ""
    elif what == "no ranges":
        shelf.ranges = False
    elif what == "another place":
        shelf.shift = 7
    else:
        with pytest.raises(Unavailable):
            get(patience=Patience(tries=1))
        shelf.tag, shelf.files["a.pt"] = '"two"', DATA[::-1]
        assert get() == DATA[::-1]
        return
    assert get(SUM) == DATA


def test_a_part_that_was_whole_already_is_taken(shelf, get, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(module._Part, "finish", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            get()
    assert here(tmp_path)["a.pt.part"] == len(DATA)
    assert get(SUM) == DATA
    assert shelf.asked == ["", f"bytes={len(DATA)}-"]


def test_a_part_that_is_longer_than_the_file_starts_again(shelf, get, tmp_path):
    shelf.breaks_after = [2_000_000, 0, 0]
    with pytest.raises(Unavailable):
        get()
    shelf.files["a.pt"] = DATA[:100]
    assert get() == DATA[:100]


def _interrupt(*_):
    raise KeyboardInterrupt


def test_ctrl_c_keeps_what_has_arrived(shelf, get, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        get(report=lambda done, _: _interrupt() if done > 2_000_000 else None)
    assert here(tmp_path)["a.pt.part"] > 2_000_000
    assert get(SUM) == DATA
    assert shelf.asked[1].startswith("bytes=")


def test_passing_errors_are_tried_again(shelf, get):
    shelf.errors = [503, 429]
    assert get(SUM) == DATA


def test_errors_that_stay_end_it(shelf, get):
    shelf.errors = [500] * 3
    with pytest.raises(
        Unavailable, match=r"answers 500 .*, 3 times in a row\. Nothing has arrived"
    ):
        get()


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_refusal_is_not_asked_again(shelf, get, code):
    shelf.errors = [code]
    with pytest.raises(
        Unavailable, match=rf"could not fetch http.*a\.pt: the server answers {code}"
    ):
        get()
    assert len(shelf.asked) == 1


def test_waiting_doubles(shelf, get, monkeypatch):
    waits = []
    monkeypatch.setattr(module.time, "sleep", waits.append)
    shelf.errors = [503] * 3
    assert get(patience=Patience(tries=4, wait_s=2.0)) == DATA
    assert waits == [2.0, 4.0, 8.0]


@pytest.mark.parametrize("claims", [len(DATA) + 1, len(DATA) * 2])
def test_a_size_that_is_not_kept_is_no_whole_file(shelf, get, tmp_path, claims):
    shelf.claims, shelf.ranges = claims, False
    with pytest.raises(Unavailable, match=rf"ended at 5,120,000 of {claims:,} bytes"):
        get()
    assert "a.pt" not in here(tmp_path)


def test_another_file_than_expected_is_not_kept(shelf, get, tmp_path):
    with pytest.raises(BadFile, match=r"not the file that is expected.*abcdef"):
        get("abcdef")
    assert here(tmp_path) == {}


def test_a_file_of_the_user_is_refused_but_not_deleted(get, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.pt").write_text("mine")
    with pytest.raises(BadFile, match="delete it or move it away"):
        get(SUM)
    assert here(tmp_path) == {"a.pt": 4}


def test_a_part_of_unknown_version_is_not_continued(shelf, get, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.pt.part").write_bytes(b"x" * 1000)
    (tmp_path / "in" / "a.pt.part.json").write_text("{")
    assert get(SUM) == DATA
    assert shelf.asked == [""]


def test_no_connection_says_so(tmp_path):
    with serve() as shelf:
        address = shelf.address
    with pytest.raises(Unavailable, match=r"Connection refused, 3 times in a row\. Nothing has"):
        download(address + "a.pt", tmp_path / "a.pt", patience=SOON)
    with pytest.raises(Unavailable, match="only http and https"):
        download("file:///etc/passwd", tmp_path / "a.pt", patience=SOON)


def test_nobody_sends_us_from_https_to_http(monkeypatch, shelf, tmp_path):
    class Answer:
        url = "http://elsewhere/a.pt"

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(module.urllib.request, "urlopen", lambda *_, **__: Answer())
    with pytest.raises(Unavailable, match="unprotected address http://elsewhere"):
        download("https://here/a.pt", tmp_path / "a.pt", patience=SOON)


def test_a_redirection_is_followed(shelf, get):
    with serve() as other:
        other.files["b"] = DATA
        shelf.redirect = other.address + "b"
        assert get(SUM) == DATA


def test_a_disk_that_is_too_small_is_noticed_first(get, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(10**9, 10**9, 10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(Unavailable, match="are free in"):
        get()
    assert here(tmp_path).get("a.pt.part", 0) == 0


def test_another_program_that_writes_the_same_part_is_noticed(shelf, get, tmp_path):
    spoiled = []

    def spoil(done, _):
        if not spoiled:
            spoiled.append(done)
            with (tmp_path / "in" / "a.pt.part").open("ab") as file:
                file.write(b"x")

    assert get(SUM, report=spoil) == DATA
    assert shelf.asked == ["", ""]
