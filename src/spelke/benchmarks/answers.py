"""What a model answered, item by item, so that an interrupted run goes on where it stopped.

One JSON-lines file for each model: a head that says who answers, then one line for each picture,
with the fingerprint of the picture and its points.
A line cut short by Ctrl-C is dropped on reading. Masks are compressed COCO RLE.
Entry points: `AnswerFile`, `Answer`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spelke.benchmarks.test_set import TestItem
from spelke.errors import BadFile
from spelke.export.coco import decode_rle, encode_rle
from spelke.runtime.files import raise_if_unwritable, write_text

SCHEMA = "spelke-answers-1"


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """The masks given for one picture, or why there are none.

    Attributes:
        key: the picture.
        fingerprint: of the picture and its questions.
        masks: (point, height, width) bool; None if the model failed.
        seconds: wall time of this picture; its share where several were asked together.
        error: what went wrong, or "".
        traceback: where that was, or ""; it is not kept by `to_json`.
    """

    key: str
    fingerprint: str
    masks: np.ndarray | None
    seconds: float
    error: str = ""
    traceback: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return plain values; see `from_json`."""
        plain: dict[str, Any] = {
            "key": self.key,
            "fingerprint": self.fingerprint,
            "seconds": self.seconds,
        }
        if self.masks is None:
            return {**plain, "error": self.error}
        return {
            **plain,
            "size": list(self.masks.shape[1:]),
            "rle": [encode_rle(m)["counts"] for m in self.masks],
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Answer:
        """Read what `to_json` gave."""
        key, fingerprint, seconds = plain["key"], plain["fingerprint"], plain["seconds"]
        if "error" in plain:
            return cls(key, fingerprint, None, seconds, plain["error"])
        size = plain["size"]
        masks = [decode_rle({"size": size, "counts": counts}) for counts in plain["rle"]]
        return cls(key, fingerprint, np.array(masks, bool).reshape(-1, *size), seconds)


class AnswerFile:
    """Answers of one model, kept on disk as they come.

    Args:
        path: the JSON-lines file; it is made if absent.
        model: name of the model.
        identity: of the model's weights and settings. A file of another identity does not hold
            answers of this model: it is started anew.

    Attributes:
        is_restarted: whether it was.
    """

    def __init__(self, path: str | os.PathLike[str], model: str, identity: str):
        self.path = Path(path)
        self.head = {"schema": SCHEMA, "model": model, "identity": identity}
        self.is_restarted = False
        self._answers: dict[str, Answer] = {}
        self._read()

    def answers_to(self, items: Sequence[TestItem]) -> dict[str, Answer]:
        """Return what was answered to exactly these pictures and points, by key."""
        found = {item.key: self._answers.get(item.key) for item in items}
        return {
            item.key: answer
            for item in items
            if (answer := found[item.key]) and answer.fingerprint == item.fingerprint
        }

    def missing(self, items: Sequence[TestItem]) -> list[TestItem]:
        """Return the pictures without a good answer; failed ones are tried again."""
        given = self.answers_to(items)
        return [item for item in items if item.key not in given or given[item.key].masks is None]

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
        self._answers[answer.key] = answer

    def _read(self) -> None:
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        if lines and _plain(lines[0]) == self.head:
            for line in lines[1:]:
                plain = _plain(line)
                if plain is not None:
                    answer = _answer(plain, self.path)
                    self._answers[answer.key] = answer
        else:
            self.is_restarted = bool(lines)
        # Rewritten so that a line cut short cannot swallow the one appended after it.
        kept = [self.head, *(answer.to_json() for answer in self._answers.values())]
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
