"""The objective of the flow world model: name the flow codes of the patches that are asked about.

The loss touches content only (never positions or order). Beside it, the numbers that tell whether
the model uses a poke at all: how far it moves what moves, and how much it leaks outside.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from spelke.models.local_quantizer import LocalQuantizer
from spelke.models.prefix import Conditions, PrefixWorld
from spelke.rollout.prefix import uniform_codes
from spelke.training.questions import QUESTION_KINDS

_MOVING_PX = 0.75
"""A cell whose true code moves less does not count as moving."""


class WorldBatch(NamedTuple):
    """Pictures with questions about them.

    Attributes:
        image: (batch, 3, side, side) uint8.
        flow: (batch, question, 2, side, side) true flow in pixels.
        camera: (batch, question, 6) motion of the camera.
        kind: (batch, question) index into `QUESTION_KINDS`.
        revealed, displacement, valid, asked: as in `Question`, stacked.
    """

    image: Tensor
    flow: Tensor
    camera: Tensor
    kind: Tensor
    revealed: Tensor
    displacement: Tensor
    valid: Tensor
    asked: Tensor


class WorldObjective(nn.Module):
    """A world model with its frozen quantizer; calling it with a batch gives loss and metrics.

    Args:
        network: what is trained.
        quantizer: turns flow into codes; frozen.
    """

    def __init__(self, network: PrefixWorld, quantizer: LocalQuantizer) -> None:
        super().__init__()
        self.network = network
        self.quantizer = quantizer.eval().requires_grad_(False)

    def forward(self, batch: WorldBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean cross-entropy in nats over all cells asked about, and metrics."""
        codes = self._codes(batch.flow)
        conditions = self._conditions(batch, codes)
        image = batch.image.float() / 255
        logits = self.network.ask(self.network.look(image), conditions, batch.asked).float()
        target = torch.gather(codes, 2, batch.asked[..., None].expand(-1, -1, -1, codes.shape[3]))
        loss = nn.functional.cross_entropy(logits.flatten(0, 3), target.flatten())
        with torch.no_grad():
            metrics = self._metrics(logits, target, batch)
        return loss, {"loss": loss.detach(), **metrics}

    @torch.no_grad()
    def _codes(
        self, flow: Float[Tensor, "batch question 2 height width"]
    ) -> Int[Tensor, "batch question patch slot"]:
        batch = flow.shape[0]
        side, slots = self.network.config.patches_per_side, self.network.config.slots_per_side
        with torch.autocast(flow.device.type, enabled=False):
            grid = self.quantizer.encode(self.quantizer.normalise(flow.flatten(0, 1).float()))
        return rearrange(
            grid, "(b q) (r i) (c j) -> b q (r c) (i j)", b=batch, r=side, i=slots, j=slots
        )

    def _conditions(self, batch: WorldBatch, codes: Tensor) -> Conditions:
        """True codes of revealed patches, or the code of uniform motion where a poke is virtual."""
        slots = codes.shape[3]
        true = torch.gather(codes, 2, batch.revealed[..., None].expand(-1, -1, -1, slots))
        uniform = uniform_codes(self.quantizer, batch.displacement.nan_to_num())
        virtual = batch.displacement.isfinite().all(3)[..., None]
        revealed = torch.where(virtual, uniform[..., None].expand_as(true), true)
        return Conditions(batch.camera, batch.revealed, revealed, batch.valid)

    def train(self, mode: bool = True) -> WorldObjective:
        """Switch the network; the quantizer is never in training."""
        super().train(mode)
        self.quantizer.eval()
        return self

    def _metrics(self, logits: Tensor, target: Tensor, batch: WorldBatch) -> dict[str, Tensor]:
        poked = batch.kind == QUESTION_KINDS.index("poke")
        if not poked.any():
            return {}
        mean = self.network.flow_table.mean((2, 3))
        predicted = logits[poked].softmax(3) @ mean  # (question, pointer, slot, 2)
        return poke_metrics(predicted.flatten(1, 2), mean[target[poked]].flatten(1, 2))


def poke_metrics(
    predicted: Float[Tensor, "question cell 2"], true: Float[Tensor, "question cell 2"]
) -> dict[str, Tensor]:
    """What a poke does to the prediction, from displacements in pixels.

    follow: predicted motion along the true motion over its length, where something moves (1 is
    right, 0 means that the poke is ignored). leak: predicted motion over the typical true motion,
    where nothing moves (0 is right). iou: of moving cells. A metric that nothing speaks of is left
    out.
    """
    length, reach = true.norm(dim=2), predicted.norm(dim=2)
    moving = length >= _MOVING_PX
    typical = (length * moving).sum(1) / moving.sum(1).clamp(min=1)
    along = (predicted * true).sum(2) / length.clamp(min=0.1) ** 2
    guess = reach >= 0.5 * typical[:, None]
    overlap = (guess & moving).sum(1) / (guess | moving).sum(1).clamp(min=1)
    metrics = {"iou": overlap.mean()}
    if moving.any():
        metrics["follow"] = along[moving].mean()
    if not moving.all():
        metrics["leak"] = (reach / typical.clamp(min=0.5)[:, None])[~moving].mean()
    return metrics
