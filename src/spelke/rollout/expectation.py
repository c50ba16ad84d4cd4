"""Logits of flow codes to what discovery asks: does it move, how sure, and where to.

All take the logits of the *first* code of each patch over the flow range. Softmax and expectation
are float32 whatever the network's precision; the published code takes the expectation in bfloat16
and is off by up to 0.4 pixels.
Source: Venkatesh et al. 2025, section 3.2.
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor


def still_probability(
    logits: Float[Tensor, "*batch code"], zero_codes: Int[Tensor, " zero"]
) -> Float[Tensor, "*batch"]:
    """Probability that nothing moves: the joint probability of the zero-flow codes."""
    return logits.float().softmax(-1)[..., zero_codes].sum(-1)


def code_entropy(logits: Float[Tensor, "*batch code"]) -> Float[Tensor, "*batch"]:
    """Entropy of the flow code in nats."""
    log_probability = logits.float().log_softmax(-1)
    return -(log_probability.exp() * log_probability).nan_to_num(0.0).sum(-1)


def mean_patch_flow(
    logits: Float[Tensor, "*batch entry"],
    table: Float[Tensor, "entry 2 4 4"],
    *,
    in_bfloat16: bool = False,
) -> Float[Tensor, "*batch 2 4 4"]:
    """Expected flow of a patch, in the units of `table`, float32.

    Args:
        logits: those of the table's codes.
        table: flow of each code.
        in_bfloat16: round at every step as the published code does, the logarithms of the
            probabilities included.
    """
    if in_bfloat16:
        logits, table = logits.bfloat16(), table.bfloat16()
        probability = (logits - logits.logsumexp(-1, keepdim=True)).exp()
    else:
        table, probability = table.float(), logits.float().softmax(-1)
    return torch.einsum("...e,ecyx->...cyx", probability, table).float()


def nearest_decoded(
    decoded: Bool[Tensor, " patch"], columns: int, *, one_step: bool = False
) -> Int[Tensor, " patch"]:
    """For each patch itself if it was decoded, else the nearest patch that was.

    Args:
        decoded: which patches have logits of their own.
        columns: width of the grid of patches.
        one_step: take the nearest *other* patch, decoded or not (above, else left, else right), as
            the published code does; it takes a patch without logits for one without opinion.

    Ties go to the first patch in reading order.
    """
    count = decoded.numel()
    index = torch.arange(count, device=decoded.device)
    if not bool(decoded.any()):
        return index
    holes = index[~decoded]
    rows, offsets = index // columns, index % columns
    distance = (rows[holes, None] - rows) ** 2 + (offsets[holes, None] - offsets) ** 2
    barred = (holes[:, None] == index) if one_step else ~decoded.expand_as(distance)
    nearest = index.clone()
    nearest[holes] = distance.masked_fill(barred, 2 * count**2).argmin(1)
    return nearest


def fill_holes(
    patch_flow: Float[Tensor, "batch patch 2 4 4"],
    decoded: Int[Tensor, "batch decoded"],
    columns: int,
    *,
    one_step: bool = False,
) -> Float[Tensor, "batch patch 2 4 4"]:
    """Give patches that are not among `decoded` the flow that `nearest_decoded` finds for them."""
    filled = []
    for field, patches in zip(patch_flow, decoded, strict=True):
        has_own = torch.zeros(len(field), dtype=torch.bool, device=field.device)
        has_own[patches] = True
        filled.append(field[nearest_decoded(has_own, columns, one_step=one_step)])
    return torch.stack(filled)


def tile_patches(
    patch_flow: Float[Tensor, "batch patch 2 4 4"], columns: int
) -> Float[Tensor, "batch 2 height width"]:
    """Side by side on the grid of patches: a field of 4x4 samples for each patch."""
    return rearrange(patch_flow, "b (row column) c y x -> b c (row y) (column x)", column=columns)
