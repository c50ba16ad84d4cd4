"""The objective of the flow world model: name the flow codes of the patches that are asked about.

The loss touches content only (never positions or order). Beside it, the numbers that tell whether
the model uses a poke at all: how far it moves what moves, and how much it leaks outside.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from spelke.models.prefix import Conditions, PrefixWorld
from spelke.tokens.flow_codes import cell_displacements
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
    """A world model in training; calling it with a batch gives loss and metrics.

    Args:
        network: what is trained; it knows what its codes mean.
    """

    def __init__(self, network: PrefixWorld) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: WorldBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean cross-entropy in nats over all cells asked about, and metrics."""
        moved = self._cells(batch.flow)
        view = self.network.look(batch.image.float() / 255)
        logits = self.network.ask(view, self._conditions(batch, moved), batch.asked).float()
        target = self.network.codes_of(_of_patches(moved, batch.asked))
        loss = nn.functional.cross_entropy(logits.flatten(0, 3), target.flatten())
        with torch.no_grad():
            metrics = self._metrics(logits, target, batch)
        return loss, {"loss": loss.detach(), **metrics}

    def _cells(
        self, flow: Float[Tensor, "batch question 2 height width"]
    ) -> Float[Tensor, "batch question patch slot 2"]:
        """True displacements in pixels, patch by patch."""
        side, slots = self.network.config.patches_per_side, self.network.config.slots_per_side
        return rearrange(
            cell_displacements(flow.flatten(0, 1)),
            "(b q) (r i) (c j) d -> b q (r c) (i j) d",
            b=flow.shape[0], r=side, i=slots, j=slots,
        )  # fmt: skip

    def _conditions(self, batch: WorldBatch, moved: Tensor) -> Conditions:
        """True motion of revealed patches, or uniform motion where a poke is virtual."""
        virtual = batch.displacement[..., None, :]
        shown = torch.where(virtual.isfinite(), virtual, _of_patches(moved, batch.revealed))
        codes = self.network.codes_of(shown)
        return Conditions(batch.camera, batch.revealed, codes, batch.valid)

    def _metrics(self, logits: Tensor, target: Tensor, batch: WorldBatch) -> dict[str, Tensor]:
        poked = batch.kind == QUESTION_KINDS.index("poke")
        if not poked.any():
            return {}
        moved = self.network.displacements
        predicted = logits[poked].softmax(3) @ moved  # (question, pointer, slot, 2)
        return poke_metrics(predicted.flatten(1, 2), moved[target[poked]].flatten(1, 2))


def _of_patches(
    moved: Float[Tensor, "batch question patch slot 2"], patches: Tensor
) -> Float[Tensor, "batch question chosen slot 2"]:
    """The cells of some patches, (batch, question, chosen) indices."""
    return moved.gather(2, patches[..., None, None].expand(-1, -1, -1, *moved.shape[3:]))


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
