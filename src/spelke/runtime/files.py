"""Files that are either whole or absent, whatever happens while they are written.

A file is written beside its target under a hidden name and takes its place in one step. After an
error or Ctrl-C the target is what it was, and nothing half-written stays behind.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from spelke.errors import InvalidInput, Unavailable

_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write to; when the block ends well, it becomes `path`.

    The temporary file lies in the target's folder (which is made if it is absent) and has the
    target's suffix, for libraries that choose the format by it.

    Args:
        path: the file to write. A symbolic link is followed; an existing file is replaced and its
            permissions are kept.

    Yields:
        The path to write to. It exists and is empty.

    Raises:
        InvalidInput: `path` is a folder, or its folder is a file.
        Unavailable: the disk is full, or the folder may not be written to.
    """
    target = Path(path).expanduser().resolve()
    if target.is_dir():
        raise InvalidInput(f"cannot write the file {target}: there is a folder of that name")
    temporary = target.with_name(f".{target.stem[:40]}.{secrets.token_hex(4)}.part{target.suffix}")
    try:
        _make_folder(target.parent)
        temporary.open("xb").close()
        if target.exists():
            shutil.copymode(target, temporary)
        yield temporary
        _flush(temporary)
        temporary.replace(target)
    except Exception as error:
        raise_if_unwritable(error, target)
        raise
    finally:
        with suppress(OSError):
            temporary.unlink()
    with suppress(OSError):  # some file systems cannot flush a folder
        _flush(target.parent)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InvalidInput(
            f"cannot write into {folder}: there, or above it, is a file of that name"
        ) from error
    except FileNotFoundError as error:  # file systems without real folders, such as /proc
        raise Unavailable(f"the folder {folder} cannot be made: choose another one") from error


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file of bytes, whole or not at all (see `atomic_write`)."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a UTF-8 file, whole or not at all (see `atomic_write`). Line ends stay as they are."""
    write_bytes(path, text.encode())


def write_json(path: str | os.PathLike[str], value: Any, indent: int | None = 2) -> None:
    """Write JSON in UTF-8, whole or not at all; NaN and infinity are refused by `ValueError`."""
    write_bytes(path, encode_json(value, indent))


def encode_json(value: Any, indent: int | None = 2) -> bytes:
    """Return JSON in UTF-8; NaN and infinity are refused by `ValueError`."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def raise_if_unwritable(error: BaseException, target: Path) -> None:
    """Raise `Unavailable` in the place of an error that means: this cannot be written here.

    Libraries pass a full disk on in various exceptions, so the text is looked at as well.
    """
    number = getattr(error, "errno", None)
    if number in _FULL or os.strerror(errno.ENOSPC) in str(error):
        raise Unavailable(
            f"no space left to write {target}: {_free_space(target)}; free some space or write "
            "elsewhere. Nothing half-written was left"
        ) from error
    if number in _REFUSED:
        raise Unavailable(
            f"may not write {target}: {os.strerror(number)}; choose another folder or change its "
            "permissions"
        ) from error


def _free_space(target: Path) -> str:
    """How much room the disk of `target` has, for a message."""
    folder = next((parent for parent in target.parents if parent.exists()), Path("/"))
    try:
        return f"{shutil.disk_usage(folder).free / 1e6:.1f} MB are free in {folder}"
    except OSError:
        return f"the free space of {folder} is unknown"


def _flush(path: Path) -> None:
    """Have the operating system put a file or folder on the disk now."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
