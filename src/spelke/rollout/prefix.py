"""The prefix world model at work: look once, then answer pokes in batches of fixed shape.

Questions are asked in batches of `QUESTIONS_AT_ONCE`, the last one filled up, beside others that
need as much room for what they reveal: so what is computed for a question never depends on its
neighbours, to the last bit. Softmax and expectation are float32 whatever the network's precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from spelke.errors import BadCheckpoint, InvalidInput
from spelke.geometry.grid import PatchGrid
from spelke.models.local_quantizer import CODE_SIZE, LocalQuantizer
from spelke.models.prefix import CAMERA_NUMBERS, Conditions, PrefixWorld
from spelke.rollout.base import Query, Sampling
from spelke.rollout.expectation import code_entropy
from spelke.rollout.order import random_order
from spelke.rollout.sampling import sample_tokens
from spelke.runtime.device import DeviceChoice, choose_device
from spelke.runtime.seed import generator

if TYPE_CHECKING:
    from spelke.weights.load import Checkpoint

QUESTIONS_AT_ONCE = 8
"""Questions of one forward pass: as many as there are directions in a round of probing."""
CONDITION_STEP = 8
"""Room for conditions grows in such steps."""
STILL_PX = 0.5
"""A code whose mean flow is shorter means that nothing moves."""


class PrefixWorldModel:
    """A `PrefixWorld` with its flow quantizer; implements `rollout.base.WorldModel`.

    Args:
        network: the trained network.
        flow_quantizer: writes flow as the codes that the network speaks.
        choice: where and in which precision to compute; the best that is here if not given.

    Raises:
        BadCheckpoint: the parts do not fit each other, or the flow table was never filled.
    """

    def __init__(
        self,
        network: PrefixWorld,
        flow_quantizer: LocalQuantizer,
        choice: DeviceChoice | None = None,
    ) -> None:
        if flow_quantizer.config.vocab_size != network.config.num_codes:
            raise BadCheckpoint(
                f"the quantizer has {flow_quantizer.config.vocab_size} codes, the network "
                f"{network.config.num_codes}; they were not trained together"
            )
        if not network.flow_table.any():
            raise BadCheckpoint(
                "the network's flow table is empty, so its answers mean nothing; it was saved "
                "before training began"
            )
        self.choice = choose_device() if choice is None else choice
        self.network = network.to(self.choice.device).eval()
        self.flow_quantizer = flow_quantizer.to(self.choice.device).eval()
        self.size, self.patch_size = network.config.image_size, network.config.patch_size
        self.grid = PatchGrid((self.size, self.size), self.patch_size)

    @classmethod
    def from_checkpoint(
        cls, checkpoint: Checkpoint, choice: DeviceChoice | None = None
    ) -> PrefixWorldModel:
        """The world model that a checkpoint of architecture "prefix" holds."""
        networks = checkpoint.networks
        return cls(networks["network"], networks["flow_quantizer"], choice)  # type: ignore[arg-type]

    def look(self, image: Float[Tensor, "3 size size"]) -> PrefixGlance:
        """Encode one image in [0, 1], RGB.

        Raises:
            InvalidInput: the image is not of the model's size.
        """
        return PrefixGlance(self, image)


class PrefixGlance:
    """What a `PrefixWorldModel` has understood of one image; made by its `look`."""

    def __init__(self, model: PrefixWorldModel, image: Float[Tensor, "3 size size"]) -> None:
        self.model = model
        with torch.no_grad(), model.choice.autocast():
            self._view = model.network.look(image[None].to(model.choice.device))

    @torch.no_grad()
    def motion_affordance(self, queries: Sequence[Query]) -> Float[Tensor, "query rows columns"]:
        """Probability, per patch, that something there moves: mean over its 4x4 cells."""
        still = self.model.network.flow_table.mean((2, 3)).norm(dim=1) < STILL_PX

        def moves(logits: Tensor) -> Tensor:
            return 1 - logits.softmax(3)[..., still].sum(3).mean(2)

        return self._maps(queries, moves)

    @torch.no_grad()
    def entropy(self, queries: Sequence[Query]) -> Float[Tensor, "query rows columns"]:
        """Entropy of the flow code in nats, per patch: mean over its 4x4 cells."""
        return self._maps(queries, lambda logits: code_entropy(logits).mean(2))

    @torch.no_grad()
    def expected_displacement(self, queries: Sequence[Query]) -> Float[Tensor, "query 2 size size"]:
        """Mean predicted flow in pixels given each query's pokes, at full resolution."""
        table = self.model.network.flow_table.flatten(1)
        return self._to_image(self._reduced(queries, lambda logits: logits.softmax(3) @ table))

    @torch.no_grad()
    def sample_flow(
        self, queries: Sequence[Query], num_sequential: int, sampling: Sampling
    ) -> Float[Tensor, "query 2 size size"]:
        """One possible flow field in pixels for each query.

        Args:
            queries: the questions; a query's seed decides what is drawn for it.
            num_sequential: patches drawn one after another, each revealed to all that follow; the
                rest takes its likeliest codes at once.
            sampling: how the sequential part draws.

        Raises:
            InvalidInput: `num_sequential` is negative.
        """
        if num_sequential < 0:
            raise InvalidInput(f"num_sequential must not be negative, got {num_sequential}")
        fields = [self._sample_one(query, num_sequential, sampling) for query in queries]
        return torch.cat(fields)

    def _sample_one(self, query: Query, num_sequential: int, sampling: Sampling) -> Tensor:
        """Questions differ in what they have revealed, so each runs alone."""
        network = self.model.network
        known = self._revealed(query)
        drawn = generator(query.seed)
        order = random_order(network.config.num_patches, drawn).tolist()
        for patch in [p for p in order if p not in known][:num_sequential]:
            logits = self._ask([known], torch.tensor([[patch]]))[0, 0]
            codes = sample_tokens(logits.cpu(), sampling, [drawn] * len(logits))
            known[patch] = codes.tolist()
        codes = self._ask([known], None)[0].argmax(2)  # (patch, slot)
        for patch, values in known.items():
            codes[patch] = torch.tensor(values, device=codes.device)
        side, slots = network.config.patches_per_side, network.config.slots_per_side
        grid = rearrange(codes, "(r c) (i j) -> 1 (r i) (c j)", r=side, c=side, i=slots, j=slots)
        quantizer = self.model.flow_quantizer
        return quantizer.denormalise(quantizer.decode(grid)).cpu()

    def _maps(
        self, queries: Sequence[Query], reduce: Callable[[Tensor], Tensor]
    ) -> Float[Tensor, "query rows columns"]:
        """A number for each patch from its logits (question, patch, slot, code)."""
        values = self._reduced(queries, reduce)
        return rearrange(values, "q (r c) -> q r c", c=self.model.grid.columns)

    def _to_image(self, cells: Float[Tensor, "query patch slot values"]) -> Tensor:
        side, slots = self.model.grid.rows, self.model.network.config.slots_per_side
        return rearrange(
            cells, "q (r c) (i j) (d y x) -> q d (r i y) (c j x)",
            r=side, c=side, i=slots, j=slots, d=2, y=CODE_SIZE, x=CODE_SIZE,
        )  # fmt: skip

    def _reduced(self, queries: Sequence[Query], reduce: Callable[[Tensor], Tensor]) -> Tensor:
        """What `reduce` makes of the logits of all patches, in the order of `queries`.

        Questions are asked together only with others that need as much room, in batches of one
        size, so that a neighbour cannot change the shape of what is computed.
        """
        if not queries:
            raise InvalidInput("there is no query to answer; give at least one")
        known = [self._revealed(query) for query in queries]
        by_room: dict[int, list[int]] = {}
        for row, entries in enumerate(known):
            by_room.setdefault(_room(len(entries)), []).append(row)
        answers: list[Tensor] = [torch.empty(0)] * len(known)
        for rows in by_room.values():
            for first in range(0, len(rows), QUESTIONS_AT_ONCE):
                some = rows[first : first + QUESTIONS_AT_ONCE]
                filled = some + some[-1:] * (QUESTIONS_AT_ONCE - len(some))
                reduced = reduce(self._ask([known[row] for row in filled], None)).cpu()
                for row, answer in zip(some, reduced, strict=False):
                    answers[row] = answer
        return torch.stack(answers)

    def _revealed(self, query: Query) -> dict[int, list[int]]:
        """Patch to codes; the later of two pokes in one patch wins."""
        if not query.pokes:
            return {}
        quantizer, slots = self.model.flow_quantizer, self.model.network.config.num_slots
        moved = torch.tensor([poke.displacement for poke in query.pokes])
        codes = uniform_codes(quantizer, moved.to(self.model.choice.device)).tolist()
        patches = [self.model.grid.index_of(poke.point) for poke in query.pokes]
        return {patch: [code] * slots for patch, code in zip(patches, codes, strict=True)}

    def _ask(
        self, known: Sequence[dict[int, list[int]]], patches: Tensor | None
    ) -> Float[Tensor, "question pointer slot code"]:
        """Float32 logits of `patches`, or of all, given what each question has revealed."""
        device, config = self.model.choice.device, self.model.network.config
        shape = (1, len(known), _room(max(map(len, known))))
        revealed = torch.zeros(shape, dtype=torch.long)
        codes = torch.zeros(*shape, config.num_slots, dtype=torch.long)
        valid = torch.zeros(shape, dtype=torch.bool)
        for row, entries in enumerate(known):
            for place, (patch, values) in enumerate(entries.items()):
                revealed[0, row, place] = patch
                codes[0, row, place] = torch.tensor(values)
                valid[0, row, place] = True
        still = torch.zeros(1, len(known), CAMERA_NUMBERS)
        conditions = Conditions(*(x.to(device) for x in (still, revealed, codes, valid)))
        if patches is None:
            patches = torch.arange(config.num_patches).expand(len(known), -1)
        with self.model.choice.autocast():
            logits = self.model.network.ask(self._view, conditions, patches[None].to(device))
        return logits[0].float()


def _room(num_revealed: int) -> int:
    """Places set aside for so many revealed patches."""
    return CONDITION_STEP * max(1, -(-num_revealed // CONDITION_STEP))


@torch.no_grad()
def uniform_codes(
    quantizer: LocalQuantizer, displacement: Float[Tensor, "*batch 2"]
) -> Int[Tensor, "*batch"]:
    """Codes of 4x4 cells that move as a whole, for displacements in pixels."""
    cells = displacement.reshape(-1, 2, 1, 1).expand(-1, -1, CODE_SIZE, CODE_SIZE).float()
    with torch.autocast(displacement.device.type, enabled=False):
        codes = quantizer.encode(quantizer.normalise(cells))
    return codes.view(displacement.shape[:-1])
