"""Ask models about a set and keep the answers; scoring is apart (`report`).

Entry point: `answer_all`. What goes wrong with one picture is written down and counted, and the
run goes on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path

from spelke.benchmarks.answers import Answer, AnswerFile
from spelke.benchmarks.segmenter import SegmentationModel, ask
from spelke.benchmarks.test_set import TestItem
from spelke.errors import Unavailable

Track = Callable[[Sequence[TestItem], str], Iterable[TestItem]]
"""Wraps the items that are worked through, for a progress bar with a title."""


def answer_all(
    model: SegmentationModel,
    items: Sequence[TestItem],
    folder: str | os.PathLike[str],
    track: Track | None = None,
) -> AnswerFile:
    """Let one model answer what it has not yet answered.

    Args:
        model: who is asked.
        items: the pictures.
        folder: where `<name>.jsonl` lies or will lie.
        track: progress; None shows nothing.

    Raises:
        Unavailable: the disk is full.
    """
    path = Path(folder) / f"{model.name}.jsonl"
    file = AnswerFile(path, model.name, model.identity)
    todo = file.missing(items)
    left = iter(track(todo, model.name) if track else todo)
    while some := list(islice(left, model.at_once)):
        for answer in answer_some(model, some):
            file.add(answer)
    return file


def answer_some(model: SegmentationModel, items: Sequence[TestItem]) -> list[Answer]:
    """Ask about some pictures together; an error of the model becomes part of the answers.

    Where together fails, each is asked alone, to know which it was.
    """
    start = time.perf_counter()
    try:
        found = ask(model, items)
    except (Unavailable, MemoryError):
        raise
    except Exception as error:
        if len(items) > 1:
            return [answer for item in items for answer in answer_some(model, [item])]
        seconds, text = _seconds(start, items), f"{type(error).__name__}: {error}"
        return [Answer(items[0].key, items[0].fingerprint, None, seconds, text)]
    seconds = _seconds(start, items)
    return [
        Answer(item.key, item.fingerprint, masks, seconds)
        for item, masks in zip(items, found, strict=True)
    ]


def _seconds(start: float, items: Sequence[TestItem]) -> float:
    """Time since then, for each item."""
    return round((time.perf_counter() - start) / len(items), 4)
