"""The published world model: five tokens for each patch of picture and flow, at any grid size.

A glance reads the picture once; all questions about it share that reading and are answered side by
side. Defaults improve on the published code where it only loses by them (one order of the picture's
patches for all questions, tokens drawn among flow codes only, no draws thrown away);
`prompt.published_options()` restores its behaviour number for number.
Source: Venkatesh et al. 2025, sections 3.1 and 3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from spelke.errors import InvalidInput
from spelke.models.cache import Cache
from spelke.models.local_quantizer import LocalQuantizer
from spelke.models.lras import LRAS
from spelke.rollout.base import Query, Sampling
from spelke.rollout.expectation import (
    code_entropy,
    fill_holes,
    mean_patch_flow,
    still_probability,
    tile_patches,
)
from spelke.rollout.parallel import likeliest_tokens
from spelke.rollout.prompt import (
    PublishedOptions,
    group_questions,
    pack_picture,
    put_question,
)
from spelke.rollout.sampling import sample_tokens, spend_draw
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


class PublishedWorldModel:
    """A flow predictor with its two quantizers.

    Args:
        network: predicts tokens; any precision.
        rgb_quantizer: pictures to codes.
        flow_quantizer: flow to codes and back.
        layout: what the tokens mean; square.
        flow_table: what each flow code means; decoded from the quantizer where it is not given.
        zero_codes: the flow codes for "nothing moves"; the slowest two of the table by default.
        options: how questions are put.

    Raises:
        InvalidInput: the parts do not fit each other.
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
    ) -> None:
        _check_parts(network, rgb_quantizer, flow_quantizer, layout)
        self.network = network.eval()
        self.rgb_quantizer = rgb_quantizer.eval()
        self.flow_quantizer = flow_quantizer.eval()
        self.layout = layout
        self.options = options or PublishedOptions()
        self.size = layout.image_size[0]
        self.patch_size = layout.patch_size
        self.device = network.lm_head.weight.device
        self._flow_table = None if flow_table is None else flow_table.to(self.device)
        self._zero_codes = zero_codes

    @property
    def flow_table(self) -> FlowTable:
        """What each flow code means."""
        if self._flow_table is None:
            self._flow_table = build_flow_table(
                self.decode_flow_codes, self.flow_quantizer.config.vocab_size, device=self.device
            )
        return self._flow_table

    @property
    def zero_codes(self) -> Tensor:
        """The flow codes for "nothing moves"."""
        if self._zero_codes is None:
            return self.flow_table.still_codes()
        return torch.tensor(self._zero_codes, device=self.device)

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
        """Flow in pixels of grids of flow codes (batch, rows, columns)."""
        return self.flow_quantizer.denormalise(self.flow_quantizer.decode(codes))

    def look(self, image: Float[Tensor, "3 size size"]) -> PublishedGlance:
        """Encode one image in [0, 1], RGB.

        Raises:
            InvalidInput: the image is not of the model's size.
        """
        if image.shape != (3, self.size, self.size):
            raise InvalidInput(
                f"expected an image of shape (3, {self.size}, {self.size}), got "
                f"{tuple(image.shape)}; resize or crop it to a square first"
            )
        return PublishedGlance(self, image)


class PublishedGlance:
    """What a `PublishedWorldModel` has understood of one image; made by its `look`."""

    def __init__(self, model: PublishedWorldModel, image: Float[Tensor, "3 size size"]) -> None:
        self.model = model
        quantizer = model.rgb_quantizer
        with torch.no_grad():
            raw = image[None].to(model.device, torch.float32)
            codes = quantizer.encode(quantizer.normalise(raw))
        self.codes = to_patches(codes)[0].cpu()
        self._prefixes: dict[int, Cache] = {}

    @torch.no_grad()
    def motion_affordance(self, queries: Sequence[Query]) -> Float[Tensor, "query rows columns"]:
        """Probability, per patch, that something there moves; 0 at poked patches."""
        zero_codes = self.model.zero_codes
        return self._maps(queries, lambda logits: 1 - still_probability(logits, zero_codes))

    @torch.no_grad()
    def entropy(self, queries: Sequence[Query]) -> Float[Tensor, "query rows columns"]:
        """Entropy in nats, per patch, of the first flow code; 0 at poked patches."""
        return self._maps(queries, code_entropy)

    @torch.no_grad()
    def expected_displacement(self, queries: Sequence[Query]) -> Float[Tensor, "query 2 size size"]:
        """Mean predicted flow in pixels given each query's pokes.

        Only the first of a patch's four codes is asked, and its 4x4 pixels are stretched over the
        patch. Poked patches take the flow of the nearest patch that was predicted.
        """
        layout, table = self.model.layout, self.model.flow_table
        result = torch.zeros(len(queries), layout.num_patches, 2, 4, 4)
        for rows, question in self._questions(queries):
            features = self._first(queries[rows[0]].seed, question)
            moved = self._by_chunks(
                features, lambda logits: mean_patch_flow(logits[..., table.codes], table.flow)
            )
            full = scatter_patches(
                moved, question.order, table.flow.mean(0).expand(len(rows), *result.shape[1:])
            )
            one_step = self.model.options.fills_one_step
            filled = fill_holes(full, question.order, layout.columns, one_step=one_step)
            result[rows] = filled.cpu()
        field = tile_patches(result, layout.columns)
        scale = layout.image_size[0] // field.shape[2]
        return field.repeat_interleave(scale, 2).repeat_interleave(scale, 3)

    @torch.no_grad()
    def sample_flow(
        self, queries: Sequence[Query], num_sequential: int, sampling: Sampling
    ) -> Float[Tensor, "query 2 size size"]:
        """One possible flow field in pixels for each query.

        Args:
            queries: the questions; a query's seed decides what is drawn for it.
            num_sequential: patches drawn one after another; the rest is decoded in parallel.
            sampling: how the sequential part draws.
        """
        layout = self.model.layout
        result = torch.zeros(len(queries), 2, *layout.image_size)
        for rows, decoded in self.decode(queries, num_sequential, sampling):
            codes = from_patches(decoded.tokens - layout.flow.codes.start, layout.columns)
            result[rows] = self.model.decode_flow_codes(codes).cpu()
        return result

    @torch.no_grad()
    def decode(
        self, queries: Sequence[Query], num_sequential: int, sampling: Sampling
    ) -> Iterator[tuple[list[int], DecodedFlow]]:
        """Decode token by token; yields, batch by batch, which queries and their tokens."""
        network, layout, options = self.model.network, self.model.layout, self.model.options
        flow = layout.flow.codes
        columns = slice(None) if options.whole_vocabulary else slice(flow.start, flow.stop)
        for rows, question in self._questions(queries):
            seeds = (queries[row].seed for row in rows)
            generators = [torch.Generator(self.model.device).manual_seed(seed) for seed in seeds]

            def draw(features: Tensor, step: int, generators=generators) -> Tensor:
                logits = network.logits(features, columns).float()
                return sample_tokens(logits, sampling, generators) + (columns.start or 0)

            def spend(step: int, generators=generators) -> None:
                if options.spends_pointer_draws and sampling.temperature > 0:
                    spend_draw(layout.vocab_size, generators)

            yield (
                rows,
                decode_flow(
                    network,
                    self._prefix(queries[rows[0]].seed),
                    question,
                    layout.flow,
                    num_sequential,
                    draw,
                    lambda features: likeliest_tokens(network, features, columns),
                    spend,
                ),
            )

    def _maps(self, queries: Sequence[Query], measure: Callable[[Tensor], Tensor]) -> Tensor:
        """One number for each patch, 0 where the patch is given."""
        layout = self.model.layout
        result = torch.zeros(len(queries), layout.num_patches)
        for rows, question in self._questions(queries):
            features = self._first(queries[rows[0]].seed, question)
            values = self._by_chunks(features, measure)
            result[rows] = scatter_patches(
                values, question.order, values.new_zeros(len(rows), layout.num_patches)
            ).cpu()
        return result.view(len(queries), layout.rows, layout.columns)

    def _first(self, seed: int, question: Question) -> Tensor:
        return first_features(
            self.model.network, self._prefix(seed), question, self.model.layout.flow
        )

    def _by_chunks(
        self, features: Tensor, measure: Callable[[Tensor], Tensor], chunk: int = 256
    ) -> Tensor:
        """`measure` of the first code's logits over the flow range, some patches at a time."""
        network, flow = self.model.network, self.model.layout.flow.codes
        columns = slice(flow.start, flow.stop)
        parts = [measure(network.logits(part, columns)) for part in features.split(chunk, 1)]
        return torch.cat(parts, 1)

    def _prefix(self, seed: int) -> Cache:
        """Picture and camera, read once; the last reading is kept."""
        model, options = self.model, self.model.options
        seed = options.frame0_seed if options.is_pinned else seed
        if seed not in self._prefixes:
            camera = IDENTITY_CODES if options.has_camera else None
            sequence = pack_picture(self.codes, seed, model.layout, camera).to(model.device)
            cache = Cache.empty(model.network.config.depth, sequence.length)
            model.network.features(sequence.tokens[None], sequence.positions[None], cache)
            self._prefixes.clear()
            self._prefixes[seed] = cache
        return self._prefixes[seed]

    def _questions(self, queries: Sequence[Query]) -> Iterator[tuple[list[int], Question]]:
        model = self.model
        questions = [
            put_question(query, model.layout, model.options, model.encode_flow) for query in queries
        ]
        for rows, question in group_questions(queries, questions, model.options):
            yield rows, Question(*(part.to(model.device) for part in question))


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
