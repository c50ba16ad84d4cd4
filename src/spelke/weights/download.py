"""One file from a public address, whole, checked, and continued where an earlier try stopped.

What has arrived lies beside the target under the name `.part`, with a small `.part.json` that says
which version of the file on the server it belongs to. It is continued only if the server still has
that version; otherwise it starts again. Entry point: `download`.
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spelke.errors import BadFile, Unavailable
from spelke.runtime.files import raise_if_unwritable, write_json
from spelke.weights.checkpoint_files import checksum
from spelke.weights.folders import check_room

_BLOCK = 1 << 20
_TIMEOUT_S = 60
"""Without a byte from the server for so long, the connection counts as broken."""
_PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Answers of a server that may be another one a little later."""
_BROKEN = (urllib.error.URLError, http.client.HTTPException, OSError)

Report = Callable[[int, int | None], object]
"""Told how far a file is: (bytes that are here, bytes in all if the server says so)."""


class _Refused(Exception):
    """The server's answer will not change by asking again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long to go on after failures."""

    tries: int = 5
    """In a row without a single new byte."""
    wait_s: float = 1.0
    """Before the second try; doubles with each."""


@dataclass(slots=True)
class _Part:
    """What has arrived of a file, and of which version of it."""

    path: Path
    version: str = ""
    """The server's ETag or date; empty where it gives neither."""
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = self.path.stat().st_size if self.path.exists() else 0
        try:
            self.version = str(json.loads(self._note.read_text(encoding="utf-8"))["version"])
        except (OSError, ValueError, KeyError, TypeError):
            self.version = ""
        if not self.version:  # nobody knows what these bytes are the beginning of
            self.restart("")

    @property
    def _note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    def restart(self, version: str) -> None:
        """Forget what is there."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
        self.version, self.size = version, 0
        if version:
            write_json(self._note, {"version": version})

    def finish(self, target: Path) -> None:
        """Take the target's name."""
        self.path.replace(target)
        self._note.unlink(missing_ok=True)


def download(
    url: str,
    target: Path,
    sha256: str = "",
    report: Report = lambda *_: None,
    patience: Patience | None = None,
) -> Path:
    """Fetch a file; one that is already there is taken as it is, after the check of its sum.

    Args:
        url: http or https.
        target: the file to write. It gets its name when it is whole.
        sha256: what it must be, in hexadecimal; "" if nobody knows.
        report: told how far it is.
        patience: how long to go on after failures.

    Returns:
        `target`.

    Raises:
        Unavailable: no connection, no such file there, or no room here. What has arrived is kept.
        BadFile: it is not the file of that checksum.
    """
    patience = patience or Patience()
    if target.is_file():
        if not _is_expected(target, sha256):
            raise BadFile(
                f"{target} is not the file of {url} (its sha256 is not {sha256[:12]}…); delete it "
                "or move it away, and fetch again"
            )
        report(target.stat().st_size, target.stat().st_size)
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = _Part(target.with_name(f"{target.name}.part"))
        _fetch(url, part, report, patience)
        if not _is_expected(part.path, sha256):
            part.restart("")
            raise BadFile(
                f"what {url} gave is not the file that is expected (its sha256 is not "
                f"{sha256[:12]}…): it was changed or damaged on its way, and was deleted; try "
                "again, and if it happens again, do not use it"
            )
        part.finish(target)
    except OSError as error:
        raise_if_unwritable(error, target)
        raise
    return target


def _fetch(url: str, part: _Part, report: Report, patience: Patience) -> None:
    """Try until the part is whole."""
    failures = 0
    while True:
        before = part.size
        try:
            _continue(url, part, report)
            return
        except _Refused as error:
            raise Unavailable(_failed(url, part, str(error))) from error
        except _BROKEN as error:
            raise_if_unwritable(error, part.path)
            failures = 1 if part.size > before else failures + 1
            if failures >= patience.tries:
                reason = f"{_reason(error)}, {failures} times in a row"
                raise Unavailable(_failed(url, part, reason)) from error
        time.sleep(patience.wait_s * 2 ** (failures - 1))


def _continue(url: str, part: _Part, report: Report) -> None:
    """Ask once for what is missing and write what comes.

    Raises:
        _Refused: the server will not give it.
        OSError, HTTPException: the connection broke, or may work later.
    """
    headers = {"User-Agent": "spelke", "Accept-Encoding": "identity"}
    if part.size and part.version:
        headers |= {"Range": f"bytes={part.size}-", "If-Range": part.version}
    try:
        request = urllib.request.Request(_check_address(url), headers=headers)
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:  # nothing comes after what we hold
                if error.headers.get("Content-Range") == f"bytes */{part.size}":
                    return
                part.restart("")
            elif error.code not in _PASSING:
                raise _Refused(f"the server answers {error.code} {error.reason}") from error
            raise ConnectionError(f"the server answers {error.code} {error.reason}") from error
    with answer:
        if url.startswith("https:") and not answer.url.startswith("https:"):
            raise _Refused(f"the server sends us to the unprotected address {answer.url}")
        total = _expected(answer, part)
        _write(answer, part, total, report)
    if total is not None and part.size != total:
        raise ConnectionError(f"the connection ended at {part.size:,} of {total:,} bytes")
    if part.path.stat().st_size != part.size:
        part.restart("")
        raise ConnectionError(f"another program writes to {part.path} at the same time")


def _check_address(url: str) -> str:
    if url.startswith(("https://", "http://")):
        return url
    raise _Refused("only http and https addresses can be fetched")


def _expected(answer: Any, part: _Part) -> int | None:
    """Size of the whole file; a part that this answer does not continue is dropped."""
    length = answer.headers.get("Content-Length")
    if answer.status == 206 and part.size:
        span = str(answer.headers.get("Content-Range", ""))
        first, _, total = span.removeprefix("bytes ").replace("-", "/").partition("/")
        if first == str(part.size) and total.rpartition("/")[2].isdigit():
            return int(total.rpartition("/")[2])
        part.restart("")
        raise ConnectionError(f"the server continues at {span!r}, not where it was asked to")
    tag = answer.headers.get("ETag", "")
    # A weak tag does not promise the same bytes.
    strong = "" if tag.startswith("W/") else tag
    part.restart(strong or answer.headers.get("Last-Modified", ""))
    return int(length) if length is not None and length.isdigit() else None


def _write(answer: Any, part: _Part, total: int | None, report: Report) -> None:
    check_room(part.path, 0 if total is None else total - part.size)
    with part.path.open("ab") as file:
        while block := answer.read(_BLOCK):
            file.write(block)
            part.size += len(block)
            report(part.size, total)


def _is_expected(path: Path, sha256: str) -> bool:
    """Whether a file has this checksum; any has where none is known."""
    return not sha256 or checksum(path) == sha256


def _reason(error: BaseException) -> str:
    inner = getattr(error, "reason", None) or error
    return str(inner) or type(error).__name__


def _failed(url: str, part: _Part, reason: str) -> str:
    kept = (
        f"The {part.size:,} bytes that have arrived are kept in {part.path}, and the next try goes "
        "on from there"
        if part.size and part.version
        else "Nothing has arrived"
    )
    return f"could not fetch {url}: {reason}. {kept}"
