"""The published world model asked as its authors ask it: one poke at a time, nothing kept.

Every question encodes the picture again and reads the whole sequence four times, once for each code
of a patch; logits over the whole vocabulary are kept for all of them (patch, 4, token), stacked and
put in patch order; what is drawn one after another has a cache of its own call, and pointers cost a
step each. Weights, order of the picture's patches and random numbers are those of the engine, so
the answers are the same.

Left out is what the released code does besides, so that a ratio to this path says too little rather
than too much: attention masks of length x length that are built and not used, the cache copied
twice at every step, the logits copied once for every missing patch and brought to the CPU three
times, four cross entropies, the softmax over all four codes of which one is used, flow quantized at
patches that nobody asks about, the second picture decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from spelke.models.cache import Cache
from spelke.rollout.base import Ask, Sampling
from spelke.rollout.expectation import (
    code_entropy,
    fill_holes,
    mean_patch_flow,
    still_probability,
    tile_patches,
)
from spelke.rollout.prompt import pack_picture, put_question
from spelke.rollout.published import PublishedWorldModel
from spelke.rollout.sampling import sample_tokens, spend_draw
from spelke.rollout.seq2par import pointer_tokens
from spelke.tokens.campose import IDENTITY_CODES
from spelke.tokens.layout import CODES_PER_PATCH
from spelke.tokens.patches import from_patches, to_patches
from spelke.tokens.sequence import TokenSequence, pack_patches

_AT_ONCE = 64
"""Patches whose logits are checked together."""


@dataclass(frozen=True, eq=False)
class NaiveGlance:
    """The image itself: nothing is understood until a question comes."""

    image: Tensor


class Answer(NamedTuple):
    """What one call found.

    Attributes:
        tokens: (patch, 4) token ids, in patch order.
        logits: (patch, 4, token), 0 for patches that were given or drawn one after another.
        decoded: the patches that were decoded in parallel.
    """

    tokens: Tensor
    logits: Tensor
    decoded: Tensor


class NaiveWorldModel:
    """A `rollout.base.WorldModel` with the parts of another and none of its engine."""

    def __init__(self, model: PublishedWorldModel) -> None:
        self.model, self.size, self.patch_size = model, model.size, model.patch_size
        self.batching = "every question alone"

    def look(self, images: Tensor) -> list[NaiveGlance]:
        """Remember the images, no more."""
        return [NaiveGlance(image) for image in images]

    def motion_affordance(self, asks: Sequence[Ask]) -> Tensor:
        """See `rollout.base.WorldModel`."""
        zero_codes = self.model.zero_codes
        return self._maps(asks, lambda logits: 1 - still_probability(logits, zero_codes))

    def entropy(self, asks: Sequence[Ask]) -> Tensor:
        """See `rollout.base.WorldModel`."""
        return self._maps(asks, code_entropy)

    @torch.no_grad()
    def expected_displacement(self, asks: Sequence[Ask]) -> Tensor:
        """See `rollout.base.WorldModel`."""
        layout, table = self.model.layout, self.model.flow_table
        fields = []
        for ask in asks:
            answer = self.call(ask)
            logits = answer.logits[answer.decoded, 0, layout.flow.codes.start :]
            moved = table.flow.mean(0).repeat(layout.num_patches, 1, 1, 1)
            moved[answer.decoded] = mean_patch_flow(
                logits[:, table.codes],
                table.flow,
                in_bfloat16=self.model.options.expects_in_bfloat16,
            )
            filled = fill_holes(
                moved[None],
                answer.decoded[None],
                layout.columns,
                one_step=self.model.options.fills_one_step,
            )
            fields.append(tile_patches(filled, layout.columns).cpu())
        field = torch.cat(fields)
        scale = layout.image_size[0] // field.shape[2]
        return field.repeat_interleave(scale, 2).repeat_interleave(scale, 3)

    @torch.no_grad()
    def sample_flow(self, asks: Sequence[Ask], num_sequential: int, sampling: Sampling) -> Tensor:
        """See `rollout.base.WorldModel`."""
        layout, fields = self.model.layout, []
        for ask in asks:
            tokens = self.call(ask, num_sequential, sampling).tokens
            codes = from_patches(tokens[None] - layout.flow.codes.start, layout.columns)
            fields.append(self.model.decode_flow_codes(codes).cpu())
        return torch.cat(fields)

    @torch.no_grad()
    def call(self, ask: Ask, num_sequential: int = 0, sampling: Sampling | None = None) -> Answer:
        """One call of the predictor, from the image on."""
        network, flow = self.model.network, self.model.layout.flow
        picture, given, order = self._put(ask)
        known = picture + given
        one_by_one, rest = order[:num_sequential], order[num_sequential:]
        if len(one_by_one):
            known += self._draw(known, one_by_one, ask.query.seed, sampling or Sampling())
        pointers = pointer_tokens(rest, flow)
        sequence, kept = known + pointers, []
        for slot in range(1, 1 + CODES_PER_PATCH):
            features = network.features(sequence.tokens[None], sequence.positions[None])
            kept.append(network.logits(features[0, sequence.length - len(rest) :]))
            tokens = kept[-1][:, self._columns].argmax(-1) + self._columns.start
            sequence += TokenSequence(tokens, pointers.positions + slot)
        parallel = torch.stack(kept, 1)
        kept.clear()
        logits = parallel.new_zeros(self.model.layout.num_patches, *parallel.shape[1:])
        logits[rest] = parallel
        return Answer(self._by_patch(sequence, picture.length, len(rest)), logits, rest)

    @torch.no_grad()
    def regret(self, ask: Ask, tokens: Tensor, num_sequential: int) -> Tensor:
        """By how much each code of a greedy answer misses the best logit, (patch, 4).

        All of the answer is read at once: attention is causal, so a place sees what it saw when its
        code was chosen. 0 where a patch was given.

        Args:
            ask: the question.
            tokens: (patch, 4) token ids that somebody chose as the likeliest.
            num_sequential: how many patches were chosen one after another.
        """
        network, flow = self.model.network, self.model.layout.flow
        picture, given, order = self._put(ask)
        chosen = tokens.to(order.device)[order]
        one_by_one, rest = order[:num_sequential], order[num_sequential:]
        prompt = picture + given
        prompt += pack_patches(chosen[:num_sequential] - flow.codes.start, one_by_one, flow)
        sequence, pointers = prompt, pointer_tokens(rest, flow)
        for slot in range(CODES_PER_PATCH):
            read = pointers.tokens if slot == 0 else chosen[num_sequential:, slot - 1]
            sequence += TokenSequence(read, pointers.positions + slot)
        features = network.features(sequence.tokens[None], sequence.positions[None])[0]
        # The place before a code: for what was drawn its patch's stretch without the last token.
        drawn = features[prompt.length - 5 * num_sequential : prompt.length]
        drawn = drawn.unflatten(0, (-1, 1 + CODES_PER_PATCH))[:, :-1] if num_sequential else None
        parallel = features[prompt.length :].unflatten(0, (CODES_PER_PATCH, -1)).transpose(0, 1)
        places = parallel if drawn is None else torch.cat([drawn, parallel])
        missed = torch.zeros(tokens.shape, device=order.device)
        parts = (x.split(_AT_ONCE) for x in (order, places, chosen - self._columns.start))
        for patches, place, code in zip(*parts, strict=True):
            logits = network.logits(place, self._columns).float()
            missed[patches] = logits.max(2).values - logits.gather(2, code[..., None])[..., 0]
        return missed

    @property
    def _columns(self) -> slice:
        """Tokens that may be chosen. The engine's rule, without which answers would differ."""
        if self.model.options.whole_vocabulary:
            return slice(0, self.model.layout.vocab_size)
        codes = self.model.layout.flow.codes
        return slice(codes.start, codes.stop)

    def _put(self, ask: Ask) -> tuple[TokenSequence, TokenSequence, Tensor]:
        """Picture and camera, conditioned patches, and the order of all others."""
        model, options, layout = self.model, self.model.options, self.model.layout
        quantizer = model.rgb_quantizer
        raw = ask.glance.image[None].to(model.device, torch.float32)
        codes = to_patches(quantizer.encode(quantizer.normalise(raw)))[0].cpu()
        seed = options.frame0_seed if options.is_pinned else ask.query.seed
        camera = IDENTITY_CODES if options.has_camera else None
        picture = pack_picture(codes, seed, layout, camera).to(model.device)
        question = put_question(ask.query, layout, options, model.encode_flow)
        given, codes, order = (part[0].to(model.device) for part in question)
        return picture, pack_patches(codes, given, layout.flow), order

    def _draw(
        self, known: TokenSequence, patches: Tensor, seed: int, sampling: Sampling
    ) -> TokenSequence:
        """Patches one token at a time, pointers too, with a cache of this call alone."""
        network, flow = self.model.network, self.model.layout.flow
        generator = torch.Generator(self.model.device).manual_seed(seed)
        wanted = pack_patches(patches.new_zeros(len(patches), CODES_PER_PATCH), patches, flow)
        cache = Cache.empty(network.config.depth, known.length + wanted.length)
        network.features(known.tokens[None], known.positions[None], cache)
        tokens, logits = wanted.tokens.clone(), None
        multinomial = self.model.options.draws_multinomial
        for step in range(wanted.length):
            if step % (1 + CODES_PER_PATCH):
                assert logits is not None
                ours = logits[None, self._columns].float()
                drawn = sample_tokens(ours, sampling, [generator], multinomial=multinomial)
                tokens[step] = drawn[0] + self._columns.start
            elif self.model.options.spends_pointer_draws and sampling.temperature > 0:
                spend_draw(self.model.layout.vocab_size, [generator])
            place = slice(step, step + 1)
            features = network.features(tokens[None, place], wanted.positions[None, place], cache)
            logits = network.logits(features[0, -1])
        return TokenSequence(tokens, wanted.positions)

    def _by_patch(self, sequence: TokenSequence, start: int, parallel: int) -> Tensor:
        """The codes that a sequence holds from `start` on, in patch order."""
        layout = self.model.layout
        end = sequence.length - parallel * (1 + CODES_PER_PATCH)
        tokens = sequence.tokens.new_zeros(layout.num_patches, CODES_PER_PATCH)
        first = sequence.tokens[start:end].unflatten(0, (-1, 1 + CODES_PER_PATCH))
        tokens[first[:, 0] - layout.flow.pointers.start] = first[:, 1:]
        rest = sequence.tokens[end:].unflatten(0, (1 + CODES_PER_PATCH, parallel))
        tokens[rest[0] - layout.flow.pointers.start] = rest[1:].T
        return tokens

    def _maps(self, asks: Sequence[Ask], measure) -> Tensor:
        """One number for each patch from its first code, 0 where the patch is given."""
        layout, maps = self.model.layout, []
        flow = layout.flow.codes
        for ask in asks:
            with torch.no_grad():
                answer = self.call(ask)
                values = torch.zeros(layout.num_patches, device=answer.logits.device)
                ours = answer.logits[answer.decoded, 0, flow.start : flow.stop]
                values[answer.decoded] = measure(ours)
            maps.append(values.view(layout.rows, layout.columns).cpu())
        return torch.stack(maps)
