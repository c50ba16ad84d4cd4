"""Results of a photo in files: written whole, found again, and known by what they answer.

The picture among them, a PNG, is written last and holds a note (a text chunk called `spelke`):
which question it answers, and the checksums of the other files.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from spelke.runtime.files import write_bytes

_NOTE = "spelke"


def encode_results(
    question: str, pixels: np.ndarray, picture: str, files: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Return the files of a photo by their endings.

    Args:
        question: a digest of all that the answer depends on.
        pixels: (height, width, 3) uint8.
        picture: ending of the picture.
        files: the others.
    """
    note = PngImagePlugin.PngInfo()
    sums = {ending: _digest(data) for ending, data in files.items()}
    note.add_text(_NOTE, json.dumps({"question": question, "files": sums}))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", pnginfo=note)
    return {**files, picture: buffer.getvalue()}


def write_results(stem: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of a photo in their order, each whole or not at all.

    Raises:
        Unavailable: the disk is full or the folder may not be written.
    """
    for ending, data in files.items():
        write_bytes(place_of(stem, ending), data)


def holds_results(stem: Path, endings: Sequence[str], question: str) -> bool:
    """Whether all files of a photo are there, whole, and answer this question.

    Args:
        stem: of the files.
        endings: theirs, that of the picture first.
        question: see `encode_results`.
    """
    picture, *others = endings
    note = _note_of(place_of(stem, picture))
    if not isinstance(note, dict) or note.get("question") != question:
        return False
    try:
        found = {ending: _digest(place_of(stem, ending).read_bytes()) for ending in others}
    except OSError:
        return False
    return found == note.get("files")


def place_of(stem: Path, ending: str) -> Path:
    """The file of a photo with an ending."""
    return stem.with_name(stem.name + ending)


def _note_of(path: Path) -> Any:
    """What a picture says of itself, if it is whole."""
    try:
        with Image.open(path) as image:
            text = image.info.get(_NOTE, "")
            image.verify()
        return json.loads(text)
    except Exception:  # decoders raise anything on broken data
        return None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
