"""Reading a `.pt` file without running anything that it says.

A `.pt` file is a pickle, and a pickle is a program. It is read by torch's restricted unpickler,
which knows tensors, plain containers and the names of `inert.ALLOWED`; whatever else a file names
is refused and never looked up. Entry point: `read_pickle`.
"""

from __future__ import annotations

import re
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from spelke.errors import BadFile, MissingData
from spelke.weights.inert import ALLOWED

_HEAD = 512
_WEB_PAGE = re.compile(rb"\s*(<!doctype|<html|<\?xml|<error)", re.IGNORECASE)
_NAMED = re.compile(r"GLOBAL ([\w.]+)")
_AGAIN = "fetch it again from its source"


def read_pickle(path: Path) -> Any:
    """What `torch.save` wrote, by memory map: tensors are read when they are used.

    Files of the format before torch 1.6 cannot be mapped and are read whole.

    Raises:
        MissingData: there is no such file.
        BadFile: it is truncated, of another format, or names something that is not allowed.
    """
    zipped = _check_kind(path)
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(ALLOWED):  # type: ignore[arg-type]
            # An unusual pickle protocol is no worry of whoever converts.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except MemoryError:
        raise
    except Exception as error:
        raise BadFile(_why_not(path, error)) from error


def _check_kind(path: Path) -> bool:
    """Whether a file is in torch's zip format; refused if in neither of torch's formats."""
    if path.is_dir():
        raise BadFile(f"{path} is a folder; name the .pt file in it")
    if not path.is_file():
        raise MissingData(f"there is no file {path}; check the name")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        raise BadFile(f"{path} is empty; {_AGAIN}")
    if head.startswith(b"PK"):
        _check_zip(path)
        return True
    if head[0] == 0x80 and not tarfile.is_tarfile(path):
        return False
    raise BadFile(f"{path} {_describe(path, head)}; a .pt file of weights is wanted: {_AGAIN}")


def _check_zip(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise BadFile(
            f"{path} is truncated: the table of contents at its end is missing ({_size(path)} are "
            f"there); {_AGAIN}"
        ) from error
    inner = {name.partition("/")[2] for name in names}
    if "data.pkl" not in inner or "constants.pkl" in inner:
        kind = "a TorchScript program" if "constants.pkl" in inner else "a zip archive"
        shown = ", ".join(names[:3]) or "nothing"
        raise BadFile(
            f"{path} is {kind} that holds {shown}, not weights written by torch.save; name the .pt "
            "file"
        )


def _describe(path: Path, head: bytes) -> str:
    if _WEB_PAGE.match(head):
        text = " ".join(head.decode("utf-8", "replace").split())
        return f"is a web page of {_size(path)}, perhaps an error message ({text[:80]}…)"
    if head[8:9] == b"{":
        return "is in the safetensors format"
    if tarfile.is_tarfile(path):
        return "is a tar archive, a format that cannot be read safely"
    return f"is {_size(path)} of an unknown format, beginning with {head[:8]!r}"


def _why_not(path: Path, error: Exception) -> str:
    found = _NAMED.search(str(error))
    if found:
        return (
            f"{path} was refused: it wants to call or build {found[1]!r}, which no weights need. "
            "Nothing of it was run. Files of unknown origin that do so are often malicious; use "
            "one from its publisher"
        )
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return (
        f"{path} cannot be read as weights ({_size(path)}; {lines[0][:200]}): it is truncated, "
        f"corrupt or no file of torch.save; {_AGAIN}"
    )


def _size(path: Path) -> str:
    return f"{path.stat().st_size:,} bytes"
