"""Ask models about a set and keep the answers; scoring is apart (`report`).

Entry point: `answer_all`. What goes wrong with one picture is written down and counted, and the
run goes on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from spelke.benchmarks.answers import Answer, AnswerFile
from spelke.benchmarks.contestants import Contestant
from spelke.benchmarks.test_set import TestItem
from spelke.errors import InvalidInput, Unavailable

Track = Callable[[Sequence[TestItem], str], Iterable[TestItem]]
"""Wraps the items that are worked through, for a progress bar with a title."""


def answer_all(
    contestant: Contestant,
    items: Sequence[TestItem],
    folder: str | os.PathLike[str],
    track: Track | None = None,
) -> AnswerFile:
    """Let one contestant answer what it has not yet answered.

    Args:
        contestant: who is asked.
        items: the pictures.
        folder: where `<name>.jsonl` lies or will lie.
        track: progress; None shows nothing.

    Raises:
        Unavailable: the disk is full.
    """
    path = Path(folder) / f"{contestant.name}.jsonl"
    file = AnswerFile(path, contestant.name, contestant.identity)
    todo = file.missing(items)
    for item in track(todo, contestant.name) if track else todo:
        file.add(answer_one(contestant, item))
    return file


def answer_one(contestant: Contestant, item: TestItem) -> Answer:
    """Ask about one picture; an error of the model becomes part of the answer."""
    start = time.perf_counter()
    try:
        masks = contestant.answer(item)
        if masks.shape != item.segments.shape:
            raise InvalidInput(
                f"{contestant.name} answered masks of shape {masks.shape}, "
                f"the picture asks for {item.segments.shape}"
            )
    except (Unavailable, MemoryError):
        raise
    except Exception as error:
        elapsed = round(time.perf_counter() - start, 4)
        return Answer(item.key, item.fingerprint, None, elapsed, f"{type(error).__name__}: {error}")
    elapsed = round(time.perf_counter() - start, 4)
    return Answer(item.key, item.fingerprint, masks.astype(bool), elapsed)
