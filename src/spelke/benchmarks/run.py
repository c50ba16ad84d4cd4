"""Ask models about a set and keep the answers; scoring is apart (`report`).

Entry point: `answer_all`. What goes wrong with one picture is written down and counted, and the
run goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path

from spelke.benchmarks.answers import AnswerFile
from spelke.benchmarks.asking import answer_items
from spelke.benchmarks.segmenter import SegmentationModel
from spelke.benchmarks.test_set import TestItem
from spelke.errors import Unavailable

Track = Callable[[Sequence[TestItem], str], Iterable[TestItem]]
"""Wraps the items that are worked through, for a progress bar with a title."""
_STOPS = (KeyboardInterrupt, SystemExit, Unavailable, MemoryError)
"""What ends a run: a person, or a machine that will fail the next picture as well."""


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
        for answer in answer_items(model, some, seed=None, stop_at=_STOPS):
            file.add(answer)
    return file
