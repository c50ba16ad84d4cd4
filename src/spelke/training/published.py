"""The published layout in training: one causal sequence of picture, camera and flow.

A sequence holds a random part of the picture's patches, the camera's motion, the revealed flow
patches and the patches asked about, each group in random order, five tokens for a patch. The loss
is next-token cross-entropy over the whole vocabulary, but only on the codes of patches asked about:
the picture and the pokes are given, and which patch a pointer names is random.
Source: Venkatesh et al. 2025, section 3.1. What the published code does in training is not known;
the questions (see `questions.py`) and the share of the picture are ours.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from spelke.models.local_quantizer import LocalQuantizer
from spelke.models.lras import LRAS
from spelke.rollout.published import PublishedWorldModel
from spelke.tokens.flow_table import build_flow_table
from spelke.tokens.layout import CODE_SIZE, CODES_PER_PATCH
from spelke.tokens.patches import to_patches
from spelke.tokens.sequence import TokenSequence, pack_patches
from spelke.training.pictures import Sheet, draw_answers
from spelke.training.published_samples import PublishedBatch, PublishedConfig, PublishedSamples
from spelke.training.questions import QUESTION_KINDS
from spelke.training.samples import SceneSamples
from spelke.training.tasks import Scenes, SceneTask
from spelke.training.world import poke_metrics

SPAN = 1 + CODES_PER_PATCH
"""Tokens of a patch."""


class PublishedObjective(nn.Module):
    """A network of the published layout with its frozen quantizers.

    Args:
        network: what is trained.
        rgb_quantizer: turns pictures into codes; frozen.
        flow_quantizer: turns flow into codes; frozen.
        config: the layout.
    """

    flow_table: Tensor

    def __init__(
        self,
        network: LRAS,
        rgb_quantizer: LocalQuantizer,
        flow_quantizer: LocalQuantizer,
        config: PublishedConfig,
    ) -> None:
        super().__init__()
        self.network, self.config, self.layout = network, config, config.layout()
        self.rgb_quantizer = rgb_quantizer.eval().requires_grad_(False)
        self.flow_quantizer = flow_quantizer.eval().requires_grad_(False)
        table = build_flow_table(
            lambda codes: flow_quantizer.denormalise(flow_quantizer.decode(codes)),
            flow_quantizer.config.vocab_size,
        )
        # Mean flow of each code in pixels; follows from the quantizer, so it is not saved.
        self.register_buffer("flow_table", table.flow.mean((2, 3)), persistent=False)

    def train(self, mode: bool = True) -> PublishedObjective:
        """Switch the network; the quantizers are never in training."""
        super().train(mode)
        self.rgb_quantizer.eval()
        self.flow_quantizer.eval()
        return self

    def settings(self) -> dict[str, Any]:
        """What a checkpoint must say so that the network is asked as it was trained."""
        return {
            "layout": self.config.layout_settings(),
            # The published settings draw hundreds of tokens for a poke, one after another.
            "discovery": {"preset": "embedded"},
        }

    def forward(self, batch: PublishedBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean cross-entropy in nats over the codes asked about, and metrics.

        Out of training also what pokes do (see `poke_metrics`), asked for as in use: every patch
        knows the pokes and no other patch's answer.
        """
        codes = self._flow_codes(batch)
        sequence, targets = self.pack(batch, codes)
        features = self.network.features(sequence.tokens, sequence.positions)
        wanted = targets >= 0
        logits = self.network.logits(features[wanted]).float()
        loss = nn.functional.cross_entropy(logits, targets[wanted])
        hit = (logits.detach().argmax(1) == targets[wanted]).float().mean()
        metrics = {"loss": loss.detach(), "accuracy": hit}
        if not self.training:
            metrics |= self._poke_metrics(batch, sequence, codes)
        return loss, metrics

    def pack(
        self, batch: PublishedBatch, flow_codes: Int[Tensor, "row patch code"]
    ) -> tuple[TokenSequence, Int[Tensor, "row length"]]:
        """Sequences without their last token, and for each place the token that follows.

        Targets are -1 where nothing is to be learned: in the picture, at the camera, at every
        pointer, and in revealed patches.
        """
        picture = self._pack_picture(batch)
        patches = batch.flow.flatten(0, 1)
        flow = pack_patches(_pick(flow_codes, patches), patches, self.layout.flow)
        place = torch.arange(flow.length, device=patches.device)
        is_asked = place // SPAN >= batch.num_revealed.flatten()[:, None]
        flow_targets = flow.tokens.where(is_asked & (place % SPAN > 0), -1)
        targets = torch.cat([torch.full_like(picture.tokens, -1), flow_targets], 1)
        return (picture + flow).cut(stop=-1), targets[:, 1:]

    def _pack_picture(self, batch: PublishedBatch) -> TokenSequence:
        """Part of the picture, then the camera."""
        image = batch.world.image.float() / 255
        with torch.no_grad(), torch.autocast(image.device.type, enabled=False):
            grid = self.rgb_quantizer.encode(self.rgb_quantizer.normalise(image))
        patches = batch.picture.flatten(0, 1)
        codes = to_patches(grid).repeat_interleave(batch.picture.shape[1], 0)
        camera = batch.camera.flatten(0, 1)
        places = self.layout.camera_position + torch.arange(camera.shape[1], device=camera.device)
        picture = pack_patches(_pick(codes, patches), patches, self.layout.frames[0])
        return picture + TokenSequence(camera, places.expand_as(camera))

    @torch.no_grad()
    def _flow_codes(self, batch: PublishedBatch) -> Int[Tensor, "row patch code"]:
        """True codes, or those of uniform motion where a virtual poke is revealed."""
        world = batch.world
        is_virtual = (world.displacement.isfinite().all(3) & world.valid).flatten(0, 1)
        row, place = is_virtual.nonzero(as_tuple=True)
        patch = world.revealed.flatten(0, 1)[row, place]
        pushed = world.displacement.flatten(0, 1)[row, place]
        cells = pushed[..., None, None].expand(-1, -1, CODE_SIZE, CODE_SIZE)
        codes = to_patches(self._encoded(world.flow.flatten(0, 1)))
        codes[row, patch] = self._encoded(cells).flatten(1)
        return codes

    def _encoded(self, flow: Float[Tensor, "field 2 height width"]) -> Tensor:
        with torch.autocast(flow.device.type, enabled=False):
            return self.flow_quantizer.encode(self.flow_quantizer.normalise(flow.float()))

    @torch.no_grad()
    def _poke_metrics(
        self, batch: PublishedBatch, sequence: TokenSequence, codes: Tensor
    ) -> dict[str, Tensor]:
        """Ask each patch for its first code, knowing no other patch's answer."""
        is_poke = (batch.world.kind == QUESTION_KINDS.index("poke")).flatten()
        counts = batch.num_revealed.flatten()
        before = batch.picture.shape[2] * SPAN + batch.camera.shape[2]
        columns = slice(self.layout.flow.codes.start, self.layout.flow.codes.stop)
        found: dict[str, list[Tensor]] = {}
        for count in counts[is_poke].unique().tolist():
            rows = is_poke & (counts == count)
            start = before + SPAN * count
            pointers = TokenSequence(
                sequence.tokens[rows, start::SPAN], sequence.positions[rows, start::SPAN]
            )
            known = TokenSequence(sequence.tokens[rows, :start], sequence.positions[rows, :start])
            asked = known + pointers
            features = self.network.features(asked.tokens, asked.positions)[:, start:]
            logits = self.network.logits(features, columns).float()
            patches = batch.flow.flatten(0, 1)[rows, count:]
            true = self.flow_table[_pick(codes[rows], patches)[..., 0]]
            for name, value in poke_metrics(logits.softmax(2) @ self.flow_table, true).items():
                found.setdefault(name, []).append(value)
        return {name: torch.stack(values).mean() for name, values in found.items()}


def _pick(
    codes: Int[Tensor, "row patch code"], patches: Int[Tensor, "row chosen"]
) -> Int[Tensor, "row chosen code"]:
    return codes.gather(1, patches[..., None].expand(-1, -1, codes.shape[2]))


class PublishedTask(SceneTask):
    """Learn the published layout.

    Args:
        config: layout and network.
        rgb_quantizer: trained.
        flow_quantizer: trained.
        scenes: to learn from.
    """

    def __init__(
        self,
        config: PublishedConfig,
        rgb_quantizer: LocalQuantizer,
        flow_quantizer: LocalQuantizer,
        scenes: Scenes,
    ) -> None:
        self.config = config
        self.rgb_quantizer, self.flow_quantizer = rgb_quantizer, flow_quantizer
        super().__init__(scenes)

    def prepare(self, samples: SceneSamples) -> PublishedSamples:
        """Samples with token orders."""
        return PublishedSamples(samples, self.config)

    def objective(self, fresh: bool = True) -> PublishedObjective:
        """A fresh network."""
        network = LRAS(self.config.network())
        return PublishedObjective(network, self.rgb_quantizer, self.flow_quantizer, self.config)

    def draw(self, objective: PublishedObjective, batch: PublishedBatch) -> Sheet | None:
        """Pictures with a poke, what really follows, and what the network expects."""
        model = PublishedWorldModel(
            objective.network,
            objective.rgb_quantizer,
            objective.flow_quantizer,
            objective.layout,
        )
        return draw_answers(model, batch.world)
