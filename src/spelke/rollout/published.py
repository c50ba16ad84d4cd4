"""The published world model: five tokens for each patch of picture and flow, at any grid size.

The engine behind it: a picture is read once and its keys and values serve every question about it;
questions are drawn side by side (`lanes`); a parallel pass stops at the first slot where only that
is used; the head is cut to the tokens that matter (`head`); memory is asked for before it is taken
(`budget`). Defaults improve on the published code where it only loses by them (one order of the
picture's patches for all questions, tokens drawn among flow codes only, no draws thrown away);
`prompt.published_options()` restores its behaviour number for number.
Source: Venkatesh et al. 2025, sections 3.1 and 3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from spelke.errors import InvalidInput
from spelke.models.cache import Cache
from spelke.models.local_quantizer import LocalQuantizer
from spelke.models.lras import LRAS
from spelke.rollout.base import Ask, Glance, Sampling
from spelke.rollout.budget import Budget, plan_budget
from spelke.rollout.expectation import (
    code_entropy,
    fill_holes,
    mean_patch_flow,
    still_probability,
    tile_patches,
)
from spelke.rollout.head import Head
from spelke.rollout.lanes import LaneDraws, Lanes, into_lanes
from spelke.rollout.prompt import PublishedOptions, pack_picture, put_question
from spelke.rollout.readings import Readings
from spelke.rollout.seq2par import (
    DecodedFlow,
    Question,
    decode_flow,
    first_features,
    scatter_patches,
)
from spelke.tokens.campose import IDENTITY_CODES
from spelke.tokens.flow_table import FlowTable, build_flow_table
from spelke.tokens.layout import Layout
from spelke.tokens.patches import from_patches, to_patches


class PublishedGlance:
    """What a `PublishedWorldModel` has understood of one image; made by its `look`.

    Attributes:
        codes: (patch, 4) RGB codes.
    """

    def __init__(self, codes: Int[Tensor, "patch 4"]) -> None:
        self.codes = codes


class _Put(NamedTuple):
    """One question as the network is asked it."""

    row: int
    glance: PublishedGlance
    order_seed: int
    question: Question


class PublishedWorldModel:
    """A flow predictor with its two quantizers; implements `rollout.base.WorldModel`.

    Args:
        network: predicts tokens, in any precision; logits and expectations are float32 always.
        rgb_quantizer: pictures to codes.
        flow_quantizer: flow to codes and back.
        layout: what the tokens mean; square.
        flow_table: what each flow code means; decoded from the quantizer where it is not given.
        zero_codes: the flow codes for "nothing moves"; the slowest two of the table by default.
        options: how questions are put.
        budget: how much memory readings and lanes may take; asked from the device by default.

    Raises:
        InvalidInput: the parts do not fit each other.
        Unavailable: not even one picture fits into memory.
    """

    def __init__(
        self,
        network: LRAS,
        rgb_quantizer: LocalQuantizer,
        flow_quantizer: LocalQuantizer,
        layout: Layout,
        *,
        flow_table: FlowTable | None = None,
        zero_codes: Sequence[int] | None = None,
        options: PublishedOptions | None = None,
        budget: Budget | None = None,
    ) -> None:
        _check_parts(network, rgb_quantizer, flow_quantizer, layout)
        self.network = network.eval()
        self.rgb_quantizer = rgb_quantizer.eval()
        self.flow_quantizer = flow_quantizer.eval()
        self.layout = layout
        self.options = options or PublishedOptions()
        self.size = layout.image_size[0]
        self.patch_size = layout.patch_size
        weight = network.lm_head.weight
        self.device, self._dtype = weight.device, weight.dtype
        self._flow_table = None if flow_table is None else flow_table.to(self.device)
        self._zero_codes = zero_codes
        self.budget = budget or plan_budget(network.config, layout, self._dtype, self.device)
        self.batching = str(self.budget)
        self._readings = Readings(self.budget.readings)

    @cached_property
    def flow_table(self) -> FlowTable:
        """What each flow code means."""
        if self._flow_table is not None:
            return self._flow_table
        num_codes = self.flow_quantizer.config.vocab_size
        return build_flow_table(self.decode_flow_codes, num_codes, device=self.device)

    @cached_property
    def zero_codes(self) -> Tensor:
        """The flow codes for "nothing moves"."""
        if self._zero_codes is None:
            return self.flow_table.still_codes()
        return torch.tensor(self._zero_codes, device=self.device)

    def look(self, images: Float[Tensor, "image 3 size size"]) -> list[Glance]:
        """Encode images in [0, 1], RGB, as tokens; the network reads them when it is asked.

        Raises:
            InvalidInput: the images are not of the model's size.
        """
        if images.shape[1:] != (3, self.size, self.size):
            raise InvalidInput(
                f"expected images of shape (image, 3, {self.size}, {self.size}), got "
                f"{tuple(images.shape)}; resize or crop them to squares first"
            )
        return [PublishedGlance(self._encode_picture(image)) for image in images]

    def motion_affordance(self, asks: Sequence[Ask]) -> Float[Tensor, "ask rows columns"]:
        """Probability, per patch, that something there moves; 0 at poked patches."""
        return self._maps(asks, lambda logits: 1 - still_probability(logits, self.zero_codes))

    def entropy(self, asks: Sequence[Ask]) -> Float[Tensor, "ask rows columns"]:
        """Entropy in nats, per patch, of the first flow code; 0 at poked patches."""
        return self._maps(asks, code_entropy)

    @torch.no_grad()
    def expected_displacement(self, asks: Sequence[Ask]) -> Float[Tensor, "ask 2 size size"]:
        """Mean predicted flow in pixels given each question's pokes.

        Only the first of a patch's four codes is asked, and its 4x4 pixels are stretched over the
        patch. Poked patches take the flow of the nearest patch that was predicted.
        """
        layout, table, options = self.layout, self.flow_table, self.options

        def mean(logits: Tensor) -> Tensor:
            return mean_patch_flow(logits, table.flow, in_bfloat16=options.expects_in_bfloat16)

        nothing = mean(table.flow.new_zeros(1, len(table.codes)))  # even odds
        nothing = nothing.expand(1, layout.num_patches, 2, 4, 4)
        patches = torch.zeros(len(asks), layout.num_patches, 2, 4, 4)
        for put, features in self._first(asks):
            moved = self._table_head.reduce(features, mean)
            order = put.question.order
            full = scatter_patches(moved, order, nothing)
            filled = fill_holes(full, order, layout.columns, one_step=options.fills_one_step)
            patches[put.row] = filled[0]
        field = tile_patches(patches, layout.columns)
        scale = self.size // field.shape[2]
        return field.repeat_interleave(scale, 2).repeat_interleave(scale, 3)

    @torch.no_grad()
    def sample_flow(
        self, asks: Sequence[Ask], num_sequential: int, sampling: Sampling
    ) -> Float[Tensor, "ask 2 size size"]:
        """One possible flow field in pixels for each question.

        Args:
            asks: the questions; a query's seed decides what is drawn for it.
            num_sequential: patches drawn one after another; the rest is decoded in parallel.
            sampling: how the sequential part draws.
        """
        start, columns = self.layout.flow.codes.start, self.layout.columns
        result = torch.zeros(len(asks), 2, *self.layout.image_size)
        for row, decoded in self.decode(asks, num_sequential, sampling):
            codes = from_patches(decoded.tokens - start, columns)
            result[row] = self.decode_flow_codes(codes)[0]
        return result

    @torch.no_grad()
    def decode(
        self, asks: Sequence[Ask], num_sequential: int, sampling: Sampling
    ) -> Iterator[tuple[int, DecodedFlow]]:
        """Decode token by token; yields which ask, and its tokens, in no particular order."""
        puts = self._put(asks)
        for lanes in self._lanes(puts, num_sequential):
            side_by_side = [puts[number] for number in lanes.questions]
            width = len(lanes.shares[0])
            readings = [self._reading(put.glance, put.order_seed) for put in side_by_side[::width]]
            draws = LaneDraws(
                self._code_head,
                [asks[put.row].query.seed for put in side_by_side],
                sampling,
                multinomial=self.options.draws_multinomial,
            )
            parts = zip(*(put.question for put in side_by_side), strict=True)
            flows = decode_flow(
                self.network,
                readings,
                Question(*map(torch.cat, parts)),
                self.layout.flow,
                num_sequential,
                draws.draw,
                self._code_head.likeliest,
                forced=draws.spend if self.options.spends_pointer_draws else None,
                rows=lanes.wanted,
            )
            for lane, decoded in zip(lanes.wanted, flows, strict=True):
                yield side_by_side[lane].row, decoded

    @torch.no_grad()
    def encode_flow(
        self, flow: Float[Tensor, "batch 2 height width"]
    ) -> Int[Tensor, "batch rows columns"]:
        """Flow codes of fields in pixels."""
        quantizer = self.flow_quantizer
        return quantizer.encode(quantizer.normalise(flow.to(self.device)))

    @torch.no_grad()
    def decode_flow_codes(
        self, codes: Int[Tensor, "batch rows columns"]
    ) -> Float[Tensor, "batch 2 height width"]:
        """Flow in pixels of grids of flow codes."""
        return self.flow_quantizer.denormalise(self.flow_quantizer.decode(codes))

    @torch.no_grad()
    def _encode_picture(self, image: Tensor) -> Tensor:
        raw = image[None].to(self.device, torch.float32)
        return to_patches(self.rgb_quantizer.encode(self.rgb_quantizer.normalise(raw)))[0].cpu()

    @torch.no_grad()
    def _maps(self, asks: Sequence[Ask], measure: Callable[[Tensor], Tensor]) -> Tensor:
        """One number for each patch, 0 where the patch is given."""
        layout = self.layout
        result = torch.zeros(len(asks), layout.num_patches)
        for put, features in self._first(asks):
            values = self._flow_head.reduce(features, measure)
            nothing = values.new_zeros(1, layout.num_patches)
            result[put.row] = scatter_patches(values, put.question.order, nothing)[0]
        return result.view(len(asks), layout.rows, layout.columns)

    def _first(self, asks: Sequence[Ask]) -> Iterator[tuple[_Put, Tensor]]:
        """What the head reads for the first codes; questions about one reading together."""
        puts = sorted(self._put(asks), key=lambda put: (id(put.glance), put.order_seed))
        for put in puts:
            reading = self._reading(put.glance, put.order_seed)
            yield put, first_features(self.network, reading, put.question, self.layout.flow)

    def _put(self, asks: Sequence[Ask]) -> list[_Put]:
        """The questions in tokens, on the device."""
        result = []
        for row, (glance, query) in enumerate(asks):
            if not isinstance(glance, PublishedGlance):
                raise InvalidInput(f"{type(glance).__name__} is another model's; look at it again")
            question = put_question(query, self.layout, self.options, self.encode_flow)
            question = Question(*(part.to(self.device) for part in question))
            seed = self.options.frame0_seed if self.options.is_pinned else query.seed
            result.append(_Put(row, glance, seed, question))
        return result

    def _lanes(self, puts: Sequence[_Put], num_sequential: int) -> Iterator[Lanes]:
        """Who is drawn beside whom; each alone where nothing is drawn one after another."""
        given = [put.question.given.shape[1] for put in puts]
        drawn = [min(num_sequential, put.question.order.shape[1]) for put in puts]
        longest = max((5 * (a + b) for a, b in zip(given, drawn, strict=True)), default=0)
        width = self.budget.lanes(longest) if num_sequential else 1
        return into_lanes(
            [(put.glance, put.order_seed) for put in puts],
            given,
            width,
            exactly=width == 1 or self.budget.fixed_lanes is not None,
        )

    def _reading(self, glance: PublishedGlance, seed: int) -> Cache:
        """Picture and camera in the order of a seed, read once and kept while memory allows."""

        def read() -> Cache:
            camera = IDENTITY_CODES if self.options.has_camera else None
            sequence = pack_picture(glance.codes, seed, self.layout, camera).to(self.device)
            cache = Cache.empty(self.network.config.depth, sequence.length)
            self.network.features(sequence.tokens[None], sequence.positions[None], cache)
            return cache

        return self._readings.get(glance, seed, read)

    @cached_property
    def _flow_head(self) -> Head:
        return Head.of(self.network.lm_head, self.layout.flow.codes)

    @cached_property
    def _table_head(self) -> Head:
        """Of the codes that the table names, in its order."""
        codes = self.flow_table.codes
        if torch.equal(codes, torch.arange(len(self.layout.flow.codes), device=codes.device)):
            return self._flow_head
        return Head.of(self.network.lm_head, codes + self.layout.flow.codes.start)

    @cached_property
    def _code_head(self) -> Head:
        """Of the tokens that may be chosen."""
        if self.options.whole_vocabulary:
            return Head.of(self.network.lm_head, range(self.layout.vocab_size))
        return self._flow_head


def _check_parts(
    network: LRAS, rgb_quantizer: LocalQuantizer, flow_quantizer: LocalQuantizer, layout: Layout
) -> None:
    if layout.rows != layout.columns:
        raise InvalidInput(
            f"a world model looks at squares, got a grid of {layout.rows}x{layout.columns} patches"
        )
    for name, have, need in (
        ("vocab_size", network.config.vocab_size, layout.vocab_size),
        ("num_positions", network.config.num_positions, layout.num_positions),
        ("RGB codes", rgb_quantizer.config.vocab_size, len(layout.frames[0].codes)),
        ("flow codes", flow_quantizer.config.vocab_size, len(layout.flow.codes)),
    ):
        if have != need:
            raise InvalidInput(
                f"{name}: the network or quantizer has {have}, the layout {need}; use the layout "
                "that the weights were trained with"
            )
