"""The public files of a model onto this machine. Entry point: `fetch`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spelke.errors import InvalidInput, Unavailable
from spelke.weights.checkpoint_files import checksum
from spelke.weights.download import Patience, download
from spelke.weights.folders import check_room
from spelke.weights.home import downloads
from spelke.weights.table import ModelRecord, find_model

Report = Callable[[str, int, int | None], object]
"""Told how far a file is: (its name, bytes that are here, bytes in all if that is known)."""


def fetch(
    name: str,
    folder: Path | None = None,
    report: Report = lambda *_: None,
    tell: Callable[[str], object] = lambda _: None,
    patience: Patience | None = None,
) -> Path:
    """Download all files of a published model; those that are there already are taken.

    Args:
        name: of a published model.
        folder: where they go; the user's cache if not given.
        report: told how far each file is.
        tell: told the checksum of each file, and whether it could be compared with a known one.
        patience: how long to go on after failures.

    Returns:
        The folder that holds them.

    Raises:
        UnknownName: no model has this name.
        InvalidInput: the model ships with Spelke.
        Unavailable: the files cannot be had now; what has arrived is kept for the next try.
        BadFile: what came is not the file that is expected.
    """
    record = find_model(name)
    if record.status != "published":
        raise InvalidInput(f"{name} is part of Spelke and ready for use; there is nothing to fetch")
    folder = downloads() if folder is None else folder.expanduser()
    sums = record.sha256 or ("",) * len(record.files)
    for file, known in zip(record.files, sums, strict=True):
        try:
            path = download(
                record.where + file,
                folder / file,
                known,
                lambda done, total, file=file: report(file, done, total),
                patience,
            )
        except Unavailable as error:
            raise Unavailable(
                f"{error}. To do it by hand, download {', '.join(record.files)} from "
                f"{record.where} (with another machine or program) into a folder DIR and run "
                "`spelke weights convert DIR`"
            ) from error
        found = known or checksum(path)
        remark = "as expected" if known else "unverified: its publisher gives no checksum"
        tell(f"{path}: {path.stat().st_size:,} bytes, sha256 {found} ({remark})")
    return folder


def check_rooms(record: ModelRecord, folder: Path | None, converts: bool) -> None:
    """Refuse to begin a download that would end on a full disk.

    Args:
        record: the model.
        folder: where its files go; the user's cache if not given.
        converts: whether they are converted afterwards, which takes as much again.

    Raises:
        Unavailable: there is less room than the files will take.
    """
    place = downloads() if folder is None else folder.expanduser().resolve()
    size = int((record.size_mb or 0) * 1e6)
    here = sum(path.stat().st_size for name in record.files for path in place.glob(f"{name}*"))
    rest = max(0, size - here)
    if converts:
        same_disk = folder is None
        check_room(record.folder, size + (rest if same_disk else 0))
    check_room(place / record.name, rest)
