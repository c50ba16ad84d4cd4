"""From flow fields of one picture to questions about them: what is revealed, what is asked.

A question reveals the camera's motion and the flow of some patches, and asks for that of others.
The mixture covers every query of discovery: nothing poked (affordance), one poke (expected
displacement), several pokes, and many revealed patches (sequential sampling).

A poke always lies on the body that was in fact pushed, never on one that was carried along: so a
pushed base carries its load, and a pushed load leaves its base behind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spelke.errors import InvalidInput

QUESTION_KINDS = ("unpoked", "poke", "pokes", "revealed")


@dataclass(frozen=True, kw_only=True, slots=True)
class QuestionConfig:
    """Which questions are asked about one picture."""

    num_questions: int = 4
    """Questions about each picture; each is about the response to one poke."""
    num_pointers: int = 128
    """Patches asked about in each question."""
    max_conditions: int = 16
    """Room for revealed patches, still corners included."""
    mixture: tuple[float, float, float, float] = (0.12, 0.6, 0.13, 0.15)
    """Probability of each of `QUESTION_KINDS`."""
    still_corners: float = 0.75
    """Probability that the corners of the picture are revealed as still, where they are."""
    min_motion_px: float = 1.0
    """A pixel that moves less does not count as moving."""

    def __post_init__(self) -> None:
        if len(self.mixture) != len(QUESTION_KINDS) or abs(sum(self.mixture) - 1) > 1e-6:
            raise InvalidInput(
                f"mixture must hold {len(QUESTION_KINDS)} probabilities that sum to 1 "
                f"({', '.join(QUESTION_KINDS)}), got {self.mixture}"
            )
        if min(self.mixture) < 0 or not 0 <= self.still_corners <= 1:
            raise InvalidInput(
                "mixture and still_corners are probabilities in [0, 1], got "
                f"{self.mixture} and {self.still_corners}"
            )
        for name, least in (("max_conditions", 8), ("num_questions", 1), ("num_pointers", 1)):
            if getattr(self, name) < least:
                raise InvalidInput(f"{name} must be at least {least}, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class Question:
    """What one question reveals and asks, in patch indices.

    Attributes:
        kind: index into `QUESTION_KINDS`.
        revealed: (max_conditions,) patches, in the order in which they are revealed.
        displacement: (max_conditions, 2) flow in pixels for a patch revealed as moving uniformly;
            NaN where the patch's true flow codes are revealed.
        valid: (max_conditions,) False for padding.
        asked: (num_pointers,) patches.
    """

    kind: int
    revealed: np.ndarray
    displacement: np.ndarray
    valid: np.ndarray
    asked: np.ndarray


def draw_question(
    flow: np.ndarray,
    poked: np.ndarray,
    patch_size: int,
    config: QuestionConfig,
    rng: np.random.Generator,
) -> Question:
    """Draw one question about a flow field.

    Args:
        flow: (2, side, side) true flow in pixels.
        poked: (side, side) bool, the visible pixels of the body that was pushed.
        patch_size: side of a patch in pixels.
        config: the mixture.
        rng: source of randomness.
    """
    columns = flow.shape[2] // patch_size
    length = np.hypot(flow[0], flow[1])
    moving = length >= config.min_motion_px
    kind = int(rng.choice(len(QUESTION_KINDS), p=config.mixture))
    reveal = _Revealed(flow, patch_size, config.max_conditions)
    if rng.random() < config.still_corners:
        _reveal_still_corners(reveal, length, rng)
    if QUESTION_KINDS[kind] in ("poke", "pokes"):
        pixels = np.flatnonzero(moving & poked)
        if pixels.size == 0:
            kind = 0  # the pushed body is out of sight or did not move: ask without a poke
        else:
            reveal.pixel(int(rng.choice(pixels)), exact=rng.random() < 0.5)
            if QUESTION_KINDS[kind] == "pokes":
                _reveal_more_pokes(reveal, pixels, rng)
    elif QUESTION_KINDS[kind] == "revealed":
        room = config.max_conditions - len(reveal.patches)
        for patch in rng.permutation(columns * columns)[: rng.integers(1, room + 1)]:
            reveal.patch(int(patch), None)
    moving_patches = np.asarray(_by_patch(moving, patch_size).any(1))
    asked = _choose_asked(moving_patches, kind, config.num_pointers, rng)
    return reveal.question(kind, asked)


class _Revealed:
    """The growing list of revealed patches of one question; a patch is revealed once."""

    def __init__(self, flow: np.ndarray, patch_size: int, room: int) -> None:
        self.flow, self.patch_size, self.room = flow, patch_size, room
        self.columns = flow.shape[2] // patch_size
        self.patches: list[int] = []
        self.displacements: list[tuple[float, float]] = []

    def patch(self, patch: int, displacement: tuple[float, float] | None) -> None:
        if patch not in self.patches and len(self.patches) < self.room:
            self.patches.append(patch)
            self.displacements.append(displacement or (np.nan, np.nan))

    def pixel(self, pixel: int, exact: bool) -> None:
        """Reveal the patch of a pixel: its true codes, or uniform motion as in a virtual poke."""
        y, x = divmod(pixel, self.flow.shape[2])
        patch = x // self.patch_size + self.columns * (y // self.patch_size)
        moved = (float(self.flow[0, y, x]), float(self.flow[1, y, x]))
        self.patch(patch, None if exact else moved)

    def question(self, kind: int, asked: np.ndarray) -> Question:
        count, room = len(self.patches), self.room
        revealed = np.zeros(room, np.int64)
        displacement = np.full((room, 2), np.nan, np.float32)
        revealed[:count] = self.patches
        displacement[:count] = np.array(self.displacements).reshape(count, 2)
        return Question(kind, revealed, displacement, np.arange(room) < count, asked)


def _reveal_still_corners(reveal: _Revealed, length: np.ndarray, rng: np.random.Generator) -> None:
    last = reveal.columns - 1
    still = _by_patch(length, reveal.patch_size).max(1) < 0.5
    for x, y in rng.permutation([(0, 0), (last, 0), (0, last), (last, last)]):
        patch = int(x + reveal.columns * y)
        if still[patch]:
            reveal.patch(patch, (0.0, 0.0))


def _reveal_more_pokes(reveal: _Revealed, pixels: np.ndarray, rng: np.random.Generator) -> None:
    """One to three more points: mostly on the pushed body, else anywhere."""
    for _ in range(rng.integers(1, 4)):
        anywhere = rng.random() < 0.4
        choice = rng.integers(reveal.flow[0].size) if anywhere else rng.choice(pixels)
        reveal.pixel(int(choice), exact=rng.random() < 0.5)


def _choose_asked(
    moving: np.ndarray, kind: int, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Patches to ask about: with a poke up to half of them move; without one, an even sample.

    The even sample keeps the affordance map calibrated.
    """
    if kind == 0:
        return rng.permutation(moving.size)[:count]
    movers = rng.permutation(np.flatnonzero(moving))[: count // 2]
    rest = np.setdiff1d(np.arange(moving.size), movers)
    return np.concatenate([movers, rng.permutation(rest)[: count - movers.size]])


def _by_patch(pixels: np.ndarray, patch_size: int) -> np.ndarray:
    """(side, side) to (patch, patch_size ** 2)."""
    side = pixels.shape[0] // patch_size
    x = pixels.reshape(side, patch_size, side, patch_size).transpose(0, 2, 1, 3)
    return x.reshape(side * side, patch_size * patch_size)
