"""What a model answered, item by item, so that an interrupted run goes on where it stopped.

One JSON-lines file for each model: a head that says who answers which set, then one line for
each picture. A line cut short by Ctrl-C is dropped on reading. Masks are compressed COCO RLE.
Entry points: `AnswerFile`, `Answer`.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco

from spelke.errors import BadFile
from spelke.runtime.files import raise_if_unwritable, write_text

SCHEMA = "spelke-answers-1"


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """The masks given for one picture, or why there are none.

    Attributes:
        key: the picture.
        masks: (point, height, width) bool; None if the model failed.
        seconds: wall time of this picture.
        error: what went wrong, or "".
    """

    key: str
    masks: np.ndarray | None
    seconds: float
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return plain values; see `from_json`."""
        plain: dict[str, Any] = {"key": self.key, "seconds": round(self.seconds, 4)}
        if self.masks is None:
            return {**plain, "error": self.error}
        return {**plain, "size": list(self.masks.shape[1:]), "segments": _pack(self.masks)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Answer:
        """Read what `to_json` gave."""
        if "error" in plain:
            return cls(plain["key"], None, plain["seconds"], plain["error"])
        masks = _unpack(plain["segments"], tuple(plain["size"]))
        return cls(plain["key"], masks, plain["seconds"])


class AnswerFile:
    """Answers of one model to one set, kept on disk as they come.

    Args:
        path: the JSON-lines file; it is made if absent.
        model: name of the model.
        identity: of the model's weights and settings. Answers of another identity, or to another
            set, are not those of this model: the file is started anew.
        test_set: fingerprint of the set.
    """

    def __init__(self, path: str | os.PathLike[str], model: str, identity: str, test_set: str):
        self.path = Path(path)
        self.head = {"schema": SCHEMA, "model": model, "identity": identity, "set": test_set}
        self.is_restarted = False
        self.answers: dict[str, Answer] = {}
        self._read()

    def missing(self, keys: list[str]) -> list[str]:
        """Return the pictures without a good answer; failed ones are tried again."""
        good = {key for key, answer in self.answers.items() if answer.masks is not None}
        return [key for key in keys if key not in good]

    def add(self, answer: Answer) -> None:
        """Append one answer to the file.

        Raises:
            Unavailable: the disk is full or the file may not be written.
        """
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(answer.to_json()) + "\n")
        except OSError as error:
            raise_if_unwritable(error, self.path)
            raise
        self.answers[answer.key] = answer

    def _read(self) -> None:
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        if lines and _plain(lines[0]) == self.head:
            for line in lines[1:]:
                plain = _plain(line)
                if plain is not None:
                    answer = _answer(plain, self.path)
                    self.answers[answer.key] = answer
        else:
            self.is_restarted = bool(lines)
        # Rewritten so that a line cut short cannot swallow the one appended after it.
        kept = [self.head, *(answer.to_json() for answer in self.answers.values())]
        write_text(self.path, "".join(json.dumps(plain) + "\n" for plain in kept))


def _plain(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None


def _answer(plain: Any, path: Path) -> Answer:
    try:
        return Answer.from_json(plain)
    except (KeyError, TypeError, ValueError) as error:
        raise BadFile(
            f"{path} holds a line that is no answer ({error}): delete the file to run it again"
        ) from error


def _pack(masks: np.ndarray) -> list[str]:
    encoded = coco.encode(np.asfortranarray(masks.transpose(1, 2, 0).astype(np.uint8)))
    return [one["counts"].decode("ascii") for one in encoded]


def _unpack(counts: list[str], size: tuple[int, int]) -> np.ndarray:
    if not counts:
        return np.zeros((0, *size), bool)
    encoded = [{"size": list(size), "counts": one.encode("ascii")} for one in counts]
    with warnings.catch_warnings():  # pycocotools sets an array's shape in place
        warnings.simplefilter("ignore", DeprecationWarning)
        decoded = coco.decode(encoded)
    return np.ascontiguousarray(decoded.transpose(2, 0, 1).astype(bool))
