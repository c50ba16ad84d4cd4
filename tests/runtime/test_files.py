"""A file is whole or absent."""

import errno
import json
import os
import stat

import pytest

from spelke.errors import InvalidInput, Unavailable
from spelke.runtime import files
from spelke.runtime.files import atomic_write, write_bytes, write_json, write_text


def test_what_is_written_is_read(tmp_path):
    write_text(tmp_path / "a.txt", "grün\r\n")
    write_bytes(tmp_path / "b.bin", b"\0\1")
    write_json(tmp_path / "c.json", {"é": [1, 2.5, None]})
    assert (tmp_path / "a.txt").read_bytes() == "grün\r\n".encode()
    assert (tmp_path / "b.bin").read_bytes() == b"\0\1"
    assert json.loads((tmp_path / "c.json").read_text("utf-8")) == {"é": [1, 2.5, None]}


def test_missing_folders_are_made(tmp_path):
    write_text(tmp_path / "new" / "deep" / "a.txt", "x")
    assert (tmp_path / "new" / "deep" / "a.txt").read_text() == "x"


def test_the_target_appears_only_at_the_end_and_nothing_else_stays(tmp_path):
    target = tmp_path / "a.png"
    with atomic_write(target) as temporary:
        temporary.write_bytes(b"half")
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".png"
        assert not target.exists()
    assert target.read_bytes() == b"half"
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_after_an_interruption_the_old_file_is_there_and_whole(tmp_path, interruption):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def write():
        with atomic_write(target) as temporary:
            temporary.write_text("new, half")
            raise interruption

    with pytest.raises(interruption):
        write()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_permissions_follow_the_old_file_and_the_umask(tmp_path):
    old = tmp_path / "old.txt"
    old.write_text("x")
    old.chmod(0o640)
    write_text(old, "y")
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    before = os.umask(0o022)
    try:
        write_text(tmp_path / "new.txt", "y")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.txt").stat().st_mode) == 0o644


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    write_text(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"


def test_a_long_name_is_no_problem(tmp_path):
    name = "n" * 250 + ".txt"
    write_text(tmp_path / name, "x")
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        RuntimeError("write failed: No space left on device"),
    ],
)
def test_a_full_disk_is_named_with_its_free_space(tmp_path, error):
    target = tmp_path / "deep" / "a.bin"
    with pytest.raises(Unavailable, match=r"no space left to write .*a\.bin.* MB are free"):
        _write_and_raise(target, error)
    assert os.listdir(tmp_path / "deep") == []


def test_a_folder_that_may_not_be_written_to_is_named(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(files.Path, "open", refuse)
    with pytest.raises(Unavailable, match=r"may not write .*a\.bin: Permission denied"):
        write_bytes(tmp_path / "a.bin", b"")


def test_other_errors_pass_as_they_are(tmp_path):
    with pytest.raises(ZeroDivisionError):
        _write_and_raise(tmp_path / "a.bin", ZeroDivisionError())


def test_a_folder_is_not_overwritten(tmp_path):
    with pytest.raises(InvalidInput, match="folder of that name"):
        write_bytes(tmp_path, b"")


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "taken").write_text("")
    for place in ("taken/x.txt", "taken/deeper/x.txt"):
        with pytest.raises(InvalidInput, match="is a file of that name"):
            write_text(tmp_path / place, "words")


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert os.listdir(tmp_path) == []


def _write_and_raise(target, error):
    with atomic_write(target) as temporary:
        temporary.write_bytes(b"half")
        raise error
