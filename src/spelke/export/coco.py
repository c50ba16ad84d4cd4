"""Segments as JSON: masks in COCO's compressed run-length code, one document per image.

A document is `{"schema": "spelke.segments", "version": 1, "image": {name, width, height}, "model",
"segments": [record …]}`; a record is what `segment_record` returns. Coordinates are pixels of the
image, (0, 0) the centre of the top-left pixel, rounded to 1/1000.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool
from pycocotools import mask as coco_mask

from spelke.errors import BadFile, InvalidInput, MissingData
from spelke.runtime.files import write_json
from spelke.types import Poke, Segment, Segments

SCHEMA = "spelke.segments"
VERSION = 1

_DECIMALS = 3
_MAX_PIXELS = 2**28
"""Largest mask that a record may claim, so that a forged size cannot fill the memory."""


class SegmentsDocument(NamedTuple):
    """What a document holds."""

    image_name: str
    model: str
    segments: Segments


def encode_rle(mask: Bool[np.ndarray, "height width"]) -> dict[str, Any]:
    """Encode a mask as COCO's compressed RLE: `{"size": [height, width], "counts": str}`.

    Raises:
        InvalidInput: the mask is not a 2-D bool array with at least one pixel.
    """
    if mask.ndim != 2 or mask.dtype != np.bool_ or mask.size == 0:
        raise InvalidInput(
            f"expected a (height, width) bool mask, got {mask.dtype} of shape {mask.shape}; "
            "use `mask > 0`"
        )
    encoded: Any = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(mask.shape), "counts": encoded["counts"].decode("ascii")}


def decode_rle(rle: dict[str, Any]) -> Bool[np.ndarray, "height width"]:
    """Decode COCO's compressed RLE.

    Raises:
        InvalidInput: it is not such a record, or its runs do not fill the size that it names.
    """
    try:
        (height, width), counts = rle["size"], rle["counts"]
        whole = all(isinstance(side, int) and side > 0 for side in (height, width))
    except (TypeError, KeyError, ValueError) as error:
        raise InvalidInput(
            'an RLE is {"size": [height, width], "counts": text}, got ' + _short(rle)
        ) from error
    if not whole or height * width > _MAX_PIXELS or not isinstance(counts, str):
        raise InvalidInput(f"an RLE needs a positive size and counts as text, got {_short(rle)}")
    runs = np.array(_runs_of(counts), np.int64)
    if runs.min(initial=0) < 0 or runs.sum() != height * width:
        raise InvalidInput(
            f"the runs of an RLE must fill its {height} x {width} pixels = {height * width}, got "
            f"{runs.sum()}; the text is cut or corrupt"
        )
    # Not by pycocotools: it does not check the runs, and warns about itself under numpy 2.
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T.copy()


def segment_record(segment: Segment) -> dict[str, Any]:
    """One segment as JSON values.

    Returns:
        `rle`, `box` ([left, top, width, height]), `area` (pixels), `confidence`, `point` ([x, y]),
        `pokes` ([{point, displacement}, …]) and `remark`.
    """
    return {
        "rle": encode_rle(segment.mask),
        "box": list(segment.box),
        "area": segment.area,
        "confidence": round(float(segment.confidence), 4),
        "point": _pair(segment.point),
        "pokes": [
            {"point": _pair(poke.point), "displacement": _pair(poke.displacement)}
            for poke in segment.pokes
        ],
        "remark": segment.remark,
    }


def segments_document(image_name: str, segments: Segments, *, model: str) -> dict[str, Any]:
    """The segments of one image as a JSON document with a schema version.

    Args:
        image_name: name of the picture.
        segments: what was found in it.
        model: name of the model that found them.
    """
    height, width = segments.image_size
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "image": {"name": image_name, "width": int(width), "height": int(height)},
        "model": model,
        "segments": [segment_record(segment) for segment in segments],
    }


def write_segments(
    path: str | os.PathLike[str], image_name: str, segments: Segments, *, model: str
) -> None:
    """Write the segments of one image, whole or not at all."""
    write_json(path, segments_document(image_name, segments, model=model))


def read_segments(path: str | os.PathLike[str]) -> SegmentsDocument:
    """Read and check what `write_segments` wrote.

    Raises:
        MissingData: there is no such file.
        BadFile: it is not a valid document; the message names the place.
    """
    path = Path(path)
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise MissingData(f"there is no file of segments {path}; check the name") from error
    except (OSError, ValueError) as error:
        raise BadFile(f"cannot read the segments in {path}: {error}") from error
    try:
        return parse_document(document)
    except InvalidInput as error:
        raise BadFile(f"{path} is not a valid file of segments: {error}") from error


def parse_document(document: Any) -> SegmentsDocument:
    """Check a document and turn it back into segments.

    Raises:
        InvalidInput: something is missing or wrong; the message names the place.
    """
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise InvalidInput(f'expected an object with "schema": "{SCHEMA}", got {_short(document)}')
    if document.get("version") != VERSION:
        raise InvalidInput(
            f"version {document.get('version')!r} of the schema is not known, only {VERSION}; it "
            "was written by another release of spelke"
        )
    image = _take(document, "image", dict, "document")
    size = tuple(_take(image, side, int, "image") for side in ("height", "width"))
    records = _take(document, "segments", list, "document")
    items = tuple(_parse_record(record, index) for index, record in enumerate(records))
    return SegmentsDocument(
        _take(image, "name", str, "image"),
        _take(document, "model", str, "document"),
        Segments(size, items),
    )


def _parse_record(record: Any, index: int) -> Segment:
    """One record as a segment."""
    where = f"segments[{index}]"
    if not isinstance(record, dict):
        raise InvalidInput(f"{where} must be an object, got {_short(record)}")
    try:
        segment = Segment(
            mask=decode_rle(_take(record, "rle", dict, where)),
            point=_parse_pair(record, "point", where),
            confidence=float(_take(record, "confidence", (int, float), where)),
            pokes=tuple(
                Poke(_parse_pair(poke, "point", where), _parse_pair(poke, "displacement", where))
                for poke in _take(record, "pokes", list, where)
            ),
            remark=_take(record, "remark", str, where),
        )
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {str(error).removeprefix(where + ': ')}") from error
    for name, found in (("area", segment.area), ("box", list(segment.box))):
        if record.get(name) != found:
            raise InvalidInput(
                f"{where}: {name} is {_short(record.get(name))}, but its mask says {found}"
            )
    return segment


def _take(record: Any, name: str, kind: type | tuple[type, ...], where: str) -> Any:
    """A field of a record, of the kind it must have."""
    value = record.get(name) if isinstance(record, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        names = " or ".join(one.__name__ for one in kinds)
        raise InvalidInput(f'{where}: "{name}" must be {names}, got {_short(value)}')
    return value


def _parse_pair(record: Any, name: str, where: str) -> tuple[float, float]:
    """A field of two numbers."""
    pair = _take(record, name, list, where)
    if len(pair) != 2 or not all(isinstance(value, int | float) for value in pair):
        raise InvalidInput(f'{where}: "{name}" must be two numbers, got {_short(pair)}')
    return (float(pair[0]), float(pair[1]))


def _pair(values: tuple[float, float]) -> list[float]:
    return [round(float(value), _DECIMALS) for value in values]


def _runs_of(counts: str) -> list[int]:
    """Lengths of the runs in COCO's text: 5 bits a character, the 6th says that more follow.

    From the third run on, the difference to the run before the last is stored.
    """
    runs: list[int] = []
    value, shift = 0, 0
    for letter in counts:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise InvalidInput(f"the counts of an RLE hold a letter that cannot be: {letter!r}")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value, shift = 0, 0
    if shift:
        raise InvalidInput("the counts of an RLE end in the middle of a number; the text is cut")
    return runs


def _short(value: Any) -> str:
    """A value for a message, cut to one line."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"
