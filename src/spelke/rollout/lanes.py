"""Which questions are drawn side by side, and from which random numbers.

A question takes a lane. Lanes of one batch advance together, so they must be equally long; those
about one reading of a picture stand beside each other, a share of the batch for each reading.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from jaxtyping import Float, Int
from torch import Tensor

from spelke.rollout.base import Sampling
from spelke.rollout.head import Head
from spelke.rollout.sampling import sample_tokens, spend_draw


@dataclass(frozen=True, slots=True)
class Lanes:
    """One batch.

    Attributes:
        shares: which question stands in each lane, reading by reading; all equally many. What a
            share lacks is filled up with its last question.
        used: how many lanes of each share are no filling.
    """

    shares: tuple[tuple[int, ...], ...]
    used: tuple[int, ...]

    @property
    def questions(self) -> list[int]:
        """The question of every lane."""
        return list(chain.from_iterable(self.shares))

    @property
    def wanted(self) -> list[int]:
        """The lanes that are no filling."""
        width = len(self.shares[0])
        return [
            number * width + place for number, used in enumerate(self.used) for place in range(used)
        ]


def into_lanes(
    readings: Sequence[Hashable], lengths: Sequence[int], width: int, *, exactly: bool
) -> Iterator[Lanes]:
    """Put every question into a lane, each once (fillings aside).

    Args:
        readings: what each question is about; equal ones share a reading.
        lengths: tokens of each question; only equal ones go together.
        width: lanes of a batch.
        exactly: each batch has one share of exactly `width` lanes; otherwise a batch takes several
            shares, as long as it does not grow beyond `width`.
    """
    groups: dict[tuple[int, Hashable], list[int]] = {}
    for question, (reading, length) in enumerate(zip(readings, lengths, strict=True)):
        groups.setdefault((length, reading), []).append(question)
    waiting: list[list[int]] = []
    waiting_length = -1
    for (length, _), questions in sorted(groups.items(), key=lambda item: item[0][0]):
        for start in range(0, len(questions), width):
            share = questions[start : start + width]
            if exactly:
                yield _filled([share], width)
                continue
            widest = max(len(share), *map(len, waiting)) if waiting else len(share)
            if waiting and (length != waiting_length or (len(waiting) + 1) * widest > width):
                yield _filled(waiting)
                waiting = []
            waiting.append(share)
            waiting_length = length
    if waiting:
        yield _filled(waiting)


def _filled(shares: list[list[int]], width: int = 0) -> Lanes:
    width = max(width, *map(len, shares)) if len(shares) > 1 else max(width, len(shares[0]))
    full = tuple(tuple(share + share[-1:] * (width - len(share))) for share in shares)
    return Lanes(full, tuple(map(len, shares)))


class LaneDraws:
    """How the lanes of a batch choose their tokens: each from a generator of its own.

    Args:
        head: of the tokens that may be chosen.
        seeds: one for each lane.
        sampling: how a token is drawn.
        multinomial: draw with torch's `multinomial`, as the published code does.
    """

    def __init__(
        self, head: Head, seeds: Sequence[int], sampling: Sampling, *, multinomial: bool
    ) -> None:
        self.head, self.sampling, self.multinomial = head, sampling, multinomial
        # Uniform numbers come from the CPU, so that every device draws the same.
        device = head.weight.device if multinomial else torch.device("cpu")
        self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]

    def draw(self, features: Float[Tensor, "lane embed_dim"], step: int) -> Int[Tensor, " lane"]:
        """A token for each lane, given what the head reads."""
        logits = self.head.logits(features)
        columns = sample_tokens(
            logits, self.sampling, self.generators, multinomial=self.multinomial
        )
        return self.head.token(columns)

    def spend(self) -> None:
        """What the published code does where a token is forced: draw one and throw it away."""
        if self.sampling.temperature > 0:
            spend_draw(len(self.head.weight), self.generators)
