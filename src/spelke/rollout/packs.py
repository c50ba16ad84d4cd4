"""Which questions pass a prefix network together: packs about one picture each, and how many.

On the CPU one picture with four questions, always: arithmetic is the limit there, so larger batches
gain nothing (5 % from four to eight), and a fixed shape gives the same bits whatever is asked
beside. Elsewhere eight questions about as many pictures as a share of the free memory holds: small
batches would leave the device idle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from spelke.models.prefix import PrefixConfig, PrefixView

CPU_SHAPE = (1, 4)
"""Pictures, and questions about each: four are half a round of probing."""
QUESTIONS_AT_ONCE = 8
"""Elsewhere: as many as there are directions in a round of probing."""
MOST_PICTURES = 64
"""More bring no speed."""
MEMORY_SHARE = 0.25
"""Of the free memory that a batch may take."""
ASSUMED_FREE = 2**31
"""Bytes, on devices that do not tell."""
CONDITION_STEP = 8
"""Room for conditions grows in such steps."""


class BatchShape(NamedTuple):
    """What passes the network together: `questions` about each of `pictures`."""

    pictures: int
    questions: int

    def __str__(self) -> str:
        """One sentence for people."""
        if self.pictures == 1:
            return (
                f"questions in packs of {self.questions} about one picture, filled up so that "
                "answers do not depend on their neighbours"
            )
        return (
            f"packs of {self.questions} questions about one picture each, as many as a share of "
            f"the free memory holds: up to {self.pictures} at a time"
        )


class Pack(NamedTuple):
    """Questions about one picture.

    Attributes:
        view: what the network has understood of the picture.
        rows: of the questions, exactly `BatchShape.questions`; the last is repeated to fill up.
    """

    view: PrefixView
    rows: list[int]


def batch_shape(config: PrefixConfig, device: torch.device, free: int | None) -> BatchShape:
    """The shape of batches on a device.

    Args:
        config: of the network.
        device: where it computes.
        free: bytes of memory that are free there, None where that is unknown.
    """
    if device.type == "cpu":
        return BatchShape(*CPU_SHAPE)
    room = MEMORY_SHARE * (ASSUMED_FREE if free is None else free)
    fitting = int(room / (QUESTIONS_AT_ONCE * bytes_per_question(config)))
    return BatchShape(min(max(fitting, 1), MOST_PICTURES), QUESTIONS_AT_ONCE)


def bytes_per_question(config: PrefixConfig) -> int:
    """About what a question occupies at its peak, in float32.

    Keys and values of the picture are repeated for each question (4 widths of each patch), a block
    holds some 16 widths of each pointer, and the logits exist four times until they are reduced.
    """
    floats = config.num_patches * (
        20 * config.embed_dim + 4 * config.num_slots * (config.num_codes + config.cell_dim)
    )
    return 4 * floats


def room_for(num_revealed: int) -> int:
    """Places set aside for so many revealed patches."""
    return CONDITION_STEP * max(1, -(-num_revealed // CONDITION_STEP))


def pack_questions(
    views: Sequence[PrefixView], num_revealed: Sequence[int], shape: BatchShape
) -> Iterator[list[Pack]]:
    """Batches of packs that need as much room, of at most `shape.pictures` packs.

    Args:
        views: the picture of each question.
        num_revealed: how many patches each question reveals.
        shape: of batches.
    """
    alike: dict[tuple[int, int], list[int]] = {}
    for row, (view, count) in enumerate(zip(views, num_revealed, strict=True)):
        alike.setdefault((room_for(count), id(view)), []).append(row)
    packs: dict[int, list[Pack]] = {}
    for (room, _), rows in alike.items():
        for first in range(0, len(rows), shape.questions):
            some = rows[first : first + shape.questions]
            filled = some + some[-1:] * (shape.questions - len(some))
            packs.setdefault(room, []).append(Pack(views[some[0]], filled))
    for each in packs.values():
        for first in range(0, len(each), shape.pictures):
            yield each[first : first + shape.pictures]


def view_of(batch: PrefixView, number: int) -> PrefixView:
    """One picture of a batch, in memory of its own: it is kept when the others are forgotten."""
    one = slice(number, number + 1)
    pairs = [(key[one].clone(), value[one].clone()) for key, value in batch.keys_values]
    return PrefixView(batch.state[one].clone(), pairs, batch.detail[one].clone())


def batch_of(views: Sequence[PrefixView]) -> PrefixView:
    """Pictures as one batch."""
    if len(views) == 1:
        return views[0]
    pairs = [
        (torch.cat([key for key, _ in block]), torch.cat([value for _, value in block]))
        for block in zip(*(view.keys_values for view in views), strict=True)
    ]
    states, details = zip(*((view.state, view.detail) for view in views), strict=True)
    return PrefixView(torch.cat(states), pairs, torch.cat(details))
