"""How undecided binary codes are, and how evenly they are used: exact at any vocabulary size.

Source: Yu et al. 2023, eq. 5.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


def code_entropies(
    unit: Float[Tensor, "sample num_bits"], inverse_temperature: float
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Mean entropy of each sample's soft code, and entropy of the mean soft code, in nats.

    A soft code is a softmax over minus the squared distances to all 2**num_bits code vectors. It
    is a product of independent bits, so the first entropy is a sum over bits, and the mean
    distribution is one matrix product of the two halves of the bits: both are exact.
    """
    samples, num_bits = unit.shape
    logits = 4 * inverse_temperature * num_bits**-0.5 * unit.float()
    log_one, log_zero = nn.functional.logsigmoid(logits), nn.functional.logsigmoid(-logits)
    per_sample = -(log_one.exp() * log_one + log_zero.exp() * log_zero).sum(1).mean()
    half = num_bits // 2
    high = _pattern_probabilities(log_one[:, :half], log_zero[:, :half])
    low = _pattern_probabilities(log_one[:, half:], log_zero[:, half:])
    mean = high.T @ low / samples
    return per_sample, -(mean * (mean + 1e-12).log()).sum()


def _pattern_probabilities(log_one: Tensor, log_zero: Tensor) -> Tensor:
    """Probability of each pattern of the given bits, (sample, 2**bits)."""
    bits = log_one.shape[1]
    patterns = torch.arange(2**bits, device=log_one.device)[:, None] >> torch.arange(
        bits - 1, -1, -1, device=log_one.device
    )
    ones = (patterns & 1).to(log_one)
    return (log_one @ ones.T + log_zero @ (1 - ones).T).exp()
