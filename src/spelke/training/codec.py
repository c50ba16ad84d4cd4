"""The objective of the quantizers, and the table of what each flow code means.

A flow field is mostly still, so the quantizer is shown windows that hold motion, and a few that do
not: otherwise its codes would all be spent on nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from spelke.models.local_quantizer import CODE_SIZE, LocalQuantizer
from spelke.tokens.flow_table import build_flow_table
from spelke.training.world import WorldBatch

WINDOW = 32
"""Side in pixels of the windows that a quantizer is trained on."""


class QuantizerObjective(nn.Module):
    """A quantizer in training; called with a batch of pictures and flow it gives loss and metrics.

    Args:
        quantizer: of flow (2 channels) or RGB (3 channels).
        num_windows: windows of one step.
    """

    def __init__(self, quantizer: LocalQuantizer, num_windows: int = 48) -> None:
        super().__init__()
        self.quantizer = quantizer
        self.num_windows = num_windows

    def forward(self, batch: WorldBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Reconstruction and code losses; metrics in raw units (pixels of flow, or [0, 1])."""
        if self.quantizer.config.in_channels == 2:
            windows = moving_windows(batch.flow.float().flatten(0, 1), self.num_windows)
        else:
            windows = spread(cut_windows(batch.image.float() / 255), self.num_windows)
        with torch.autocast(windows.device.type, enabled=False):
            out = self.quantizer(self.quantizer.normalise(windows))
        error = self.quantizer.denormalise(out.reconstruction.detach()) - windows
        metrics = {
            "loss": out.loss,
            "reconstruction": out.reconstruction_loss,
            "sample_entropy": out.sample_entropy,
            "batch_entropy": out.batch_entropy,
            "codes_used": out.codes.unique().numel() * torch.ones(()),
        }
        if self.quantizer.config.in_channels == 2:
            moving = windows.norm(dim=1) > 0.5
            if moving.any():
                metrics["end_point_error"] = error.norm(dim=1)[moving].mean()
        else:
            metrics["psnr"] = -10 * error.square().mean().log10()
        return out.loss, {name: value.detach() for name, value in metrics.items()}


def cut_windows(
    x: Float[Tensor, "batch channel height width"],
) -> Float[Tensor, "window channel side side"]:
    """All windows of a batch, without overlap, in an order that mixes the pictures."""
    return rearrange(x, "b c (r i) (k j) -> (r k b) c i j", i=WINDOW, j=WINDOW)


def moving_windows(
    flow: Float[Tensor, "batch 2 height width"], count: int
) -> Float[Tensor, "window 2 side side"]:
    """Up to `count` windows, one in twelve of them still and the rest with motion."""
    windows = cut_windows(flow)
    moves = windows.abs().amax((1, 2, 3)) > 0.5
    still = spread(windows[~moves], max(1, count // 12))
    return torch.cat([spread(windows[moves], count - len(still)), still])


def spread(windows: Float[Tensor, "window ..."], count: int) -> Float[Tensor, "chosen ..."]:
    """Up to `count` windows at even distances, so that all parts of the pictures are seen."""
    if len(windows) <= count:
        return windows
    return windows[torch.arange(count, device=windows.device) * len(windows) // count]


@torch.no_grad()
def measure_flow_table(
    quantizer: LocalQuantizer, batches: Iterable[WorldBatch]
) -> Float[Tensor, "code 2 4 4"]:
    """Mean true flow, in pixels, of the 4x4 cells that get each code.

    Taken from data and not from the decoder, so that an expectation over codes is an expectation
    over flow. A code that never occurs gets what the decoder makes of it.
    """
    count = quantizer.config.vocab_size
    total, seen = torch.zeros(count, 2, CODE_SIZE, CODE_SIZE), torch.zeros(count)
    for batch in batches:
        flow = batch.flow.float().flatten(0, 1).cpu()
        codes = quantizer.encode(quantizer.normalise(flow)).flatten()
        cells = rearrange(flow, "b c (r i) (k j) -> (b r k) c i j", i=CODE_SIZE, j=CODE_SIZE)
        total.index_add_(0, codes, cells)
        seen.index_add_(0, codes, torch.ones(len(codes)))
    decoded = build_flow_table(lambda c: quantizer.denormalise(quantizer.decode(c)), count).flow
    known = (seen > 0)[:, None, None, None]
    return torch.where(known, total / seen.clamp(min=1)[:, None, None, None], decoded)
