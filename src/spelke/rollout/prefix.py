"""The prefix world model at work: look once, then answer pokes of many pictures in batches.

Questions travel in packs: `BatchShape.questions` about one picture, the last pack filled up, beside
others that need as much room for what they reveal; `BatchShape.pictures` packs pass the network
together (see `packs.py`). On the CPU that is one pack: what is computed there for a question has
one shape whatever its neighbours, so its answer is the same to the last bit. Softmax and
expectation are float32 whatever the network's precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from spelke.errors import BadCheckpoint, InvalidInput
from spelke.geometry.grid import PatchGrid
from spelke.models.prefix import CAMERA_NUMBERS, Conditions, PrefixView, PrefixWorld
from spelke.rollout.base import Ask, Glance, Sampling
from spelke.rollout.expectation import code_entropy
from spelke.rollout.order import random_order
from spelke.rollout.packs import (
    BatchShape,
    batch_of,
    batch_shape,
    pack_questions,
    room_for,
    view_of,
)
from spelke.rollout.sampling import sample_tokens
from spelke.runtime.device import DeviceChoice, choose_device, free_bytes
from spelke.runtime.seed import generator
from spelke.tokens.flow_codes import spread_cells

if TYPE_CHECKING:
    from spelke.weights.load import Checkpoint

CODES_AT_ONCE = 64
"""Displacements that are written as codes together."""
STILL_PX = 0.5
"""A code whose displacement is shorter means that nothing moves."""

NO_QUESTION = "there is no question to answer; give at least one"

Known = dict[int, list[int]]
"""Patches whose flow is revealed, and their codes."""


@dataclass(frozen=True, eq=False)
class PrefixGlance:
    """What a `PrefixWorldModel` has understood of one image."""

    view: PrefixView


class PrefixWorldModel:
    """A `PrefixWorld` that answers questions; implements `rollout.base.WorldModel`.

    Args:
        network: the trained network.
        choice: where and in which precision to compute; the best that is here if not given.
        shape: how much is computed together; what fits the device if not given.

    Raises:
        BadCheckpoint: the displacements of the codes were never filled in.
    """

    def __init__(
        self,
        network: PrefixWorld,
        choice: DeviceChoice | None = None,
        shape: BatchShape | None = None,
    ) -> None:
        if not network.displacements.any():
            raise BadCheckpoint(
                "the displacements of the network's codes are all zero, so its answers mean "
                "nothing; it was saved before training began"
            )
        self.choice = choose_device() if choice is None else choice
        self.network = network.to(self.choice.device).eval()
        self.size, self.patch_size = network.config.image_size, network.config.patch_size
        self.grid = PatchGrid((self.size, self.size), self.patch_size)
        device = self.choice.device
        self.shape = shape or batch_shape(network.config, device, free_bytes(device))
        self.batching = str(self.shape)

    @classmethod
    def from_checkpoint(
        cls, checkpoint: Checkpoint, choice: DeviceChoice | None = None
    ) -> PrefixWorldModel:
        """The world model that a checkpoint of architecture "prefix" holds."""
        return cls(checkpoint.network, choice)  # type: ignore[arg-type]

    @torch.no_grad()
    def look(self, images: Float[Tensor, "image 3 size size"]) -> list[Glance]:
        """Encode images in [0, 1], RGB.

        Raises:
            InvalidInput: the images are not of the model's size.
        """
        glances: list[Glance] = []
        for some in images.split(self.shape.pictures):
            with self.choice.autocast():
                view = self.network.look(some.to(self.choice.device))
            glances += [PrefixGlance(view_of(view, number)) for number in range(len(some))]
        return glances

    @torch.no_grad()
    def motion_affordance(self, asks: Sequence[Ask]) -> Float[Tensor, "ask rows columns"]:
        """Probability, per patch, that something there moves: mean over its 4x4 cells."""
        still = self.network.displacements.norm(dim=1) < STILL_PX
        return self._maps(asks, lambda logits: 1 - logits.softmax(3)[..., still].sum(3).mean(2))

    @torch.no_grad()
    def entropy(self, asks: Sequence[Ask]) -> Float[Tensor, "ask rows columns"]:
        """Entropy of the flow code in nats, per patch: mean over its 4x4 cells."""
        return self._maps(asks, lambda logits: code_entropy(logits).mean(2))

    @torch.no_grad()
    def expected_displacement(self, asks: Sequence[Ask]) -> Float[Tensor, "ask 2 size size"]:
        """Mean predicted flow in pixels given each question's pokes, at full resolution."""

        def mean_flow(logits: Tensor) -> Tensor:
            return spread_cells(self._in_place(logits.softmax(3) @ self.network.displacements))

        return self._reduced(asks, self._all_known(asks), None, mean_flow).cpu()

    @torch.no_grad()
    def sample_flow(
        self, asks: Sequence[Ask], num_sequential: int, sampling: Sampling
    ) -> Float[Tensor, "ask 2 size size"]:
        """One possible flow field in pixels for each question.

        Args:
            asks: the questions; a query's seed decides what is drawn for it.
            num_sequential: patches drawn one after another, each revealed to all that follow; the
                rest takes its likeliest codes at once.
            sampling: how the sequential part draws.

        Raises:
            InvalidInput: `num_sequential` is negative.
        """
        if num_sequential < 0:
            raise InvalidInput(f"num_sequential must not be negative, got {num_sequential}")
        if not asks:
            raise InvalidInput(NO_QUESTION)
        known = self._all_known(asks)
        drawn = [generator(ask.query.seed) for ask in asks]
        orders = []
        for entries, source in zip(known, drawn, strict=True):
            order = random_order(self.network.config.num_patches, source).tolist()
            orders.append([patch for patch in order if patch not in entries][:num_sequential])
        for step in range(max(map(len, orders))):
            rows = [row for row, order in enumerate(orders) if step < len(order)]
            asked = torch.tensor([[orders[row][step]] for row in rows])
            some = [known[row] for row in rows]
            logits = self._reduced([asks[row] for row in rows], some, asked, _as_it_is).cpu()
            for row, patch, one in zip(rows, asked.flatten().tolist(), logits[:, 0], strict=True):
                codes = sample_tokens(one, sampling, [drawn[row]] * len(one))
                known[row][patch] = codes.tolist()
        codes = self._reduced(asks, known, None, lambda logits: logits.argmax(3))
        return torch.cat([self._decoded(*one) for one in zip(codes, known, strict=True)])

    def _decoded(self, codes: Int[Tensor, "patch slot"], known: Known) -> Tensor:
        """The flow field (1, 2, size, size) of codes, in which what is known takes its place."""
        for patch, values in known.items():
            codes[patch] = torch.tensor(values, device=codes.device)
        return spread_cells(self._in_place(self.network.displacements[codes][None])).cpu()

    def _in_place(
        self, moved: Float[Tensor, "question patch slot 2"]
    ) -> Float[Tensor, "question row column 2"]:
        """Cells where they are in the picture."""
        side, slots = self.grid.rows, self.network.config.slots_per_side
        return rearrange(
            moved, "q (r c) (i j) d -> q (r i) (c j) d", r=side, c=side, i=slots, j=slots
        )

    def _maps(
        self, asks: Sequence[Ask], reduce: Callable[[Tensor], Tensor]
    ) -> Float[Tensor, "ask rows columns"]:
        """A number for each patch from its logits (question, patch, slot, code)."""
        values = self._reduced(asks, self._all_known(asks), None, reduce).cpu()
        return rearrange(values, "q (r c) -> q r c", c=self.grid.columns)

    def _reduced(
        self,
        asks: Sequence[Ask],
        known: Sequence[Known],
        patches: Int[Tensor, "ask pointer"] | None,
        reduce: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """What `reduce` makes of the logits (question, patch, slot, code), in the order of `asks`.

        Args:
            asks: whose glances are read.
            known: what each question reveals.
            patches: that each question asks about; None: all.
            reduce: is given whole packs, on the device.
        """
        answers: Tensor | None = None
        views = [cast(PrefixGlance, ask.glance).view for ask in asks]
        for packs in pack_questions(views, [len(entries) for entries in known], self.shape):
            filled = [row for pack in packs for row in pack.rows]
            conditions = self._conditions([known[row] for row in filled])
            if patches is None:
                pointers = torch.arange(self.network.config.num_patches).expand(len(filled), -1)
            else:
                pointers = patches[filled]
            reduced = reduce(self._ask([pack.view for pack in packs], conditions, pointers))
            if answers is None:
                answers = reduced.new_empty(len(asks), *reduced.shape[1:])
            places = {row: place for place, row in reversed(list(enumerate(filled)))}
            answers[list(places)] = reduced[list(places.values())]
        if answers is None:
            raise InvalidInput(NO_QUESTION)
        return answers

    def _all_known(self, asks: Sequence[Ask]) -> list[Known]:
        """What the pokes of each question reveal; the later of two in one patch wins."""
        pokes = [poke for ask in asks for poke in ask.query.pokes]
        codes = iter(self._codes([poke.displacement for poke in pokes]))
        slots = self.network.config.num_slots
        return [
            {self.grid.index_of(poke.point): [next(codes)] * slots for poke in ask.query.pokes}
            for ask in asks
        ]

    def _codes(self, displacements: Sequence[tuple[float, float]]) -> list[int]:
        """Codes of uniform motion, in batches of one size."""
        codes: list[int] = []
        for first in range(0, len(displacements), CODES_AT_ONCE):
            some = torch.zeros(CODES_AT_ONCE, 2)
            moved = torch.tensor(displacements[first : first + CODES_AT_ONCE])
            some[: len(moved)] = moved
            found = self.network.codes_of(some.to(self.choice.device))
            codes += found[: len(moved)].tolist()
        return codes

    def _conditions(self, known: Sequence[Known]) -> Conditions:
        """What whole packs of questions reveal, (pack, question, …)."""
        room, slots = room_for(max(map(len, known))), self.network.config.num_slots
        missing = [room - len(entries) for entries in known]
        rows = list(zip(known, missing, strict=True))
        parts = (
            torch.zeros(len(known), CAMERA_NUMBERS),
            torch.tensor([[*entries, *[0] * empty] for entries, empty in rows]),
            torch.tensor([[*entries.values(), *[[0] * slots] * empty] for entries, empty in rows]),
            torch.tensor([[True] * len(entries) + [False] * empty for entries, empty in rows]),
        )
        return Conditions(
            *(
                part.unflatten(0, (-1, self.shape.questions)).to(self.choice.device)
                for part in parts
            )
        )

    def _ask(
        self, views: Sequence[PrefixView], conditions: Conditions, patches: Tensor
    ) -> Float[Tensor, "question pointer slot code"]:
        """Float32 logits of packs of questions, one pack about each view."""
        patches = patches.unflatten(0, (-1, self.shape.questions)).to(self.choice.device)
        with self.choice.autocast():
            logits = self.network.ask(batch_of(views), conditions, patches)
        return logits.flatten(0, 1).float()


def _as_it_is(logits: Tensor) -> Tensor:
    return logits
