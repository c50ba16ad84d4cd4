"""In which order patches are read and decoded.

Order is random in training, so any order is allowed; the published code draws two permutations per
call from numpy's legacy generator, which never changes.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor


def random_order(num_patches: int, generator: torch.Generator) -> Int[Tensor, " patch"]:
    """All patches, shuffled."""
    return torch.randperm(num_patches, generator=generator, device=generator.device)


def published_orders(
    seed: int, num_patches: int
) -> tuple[Int[Tensor, " patch"], Int[Tensor, " patch"]]:
    """Order of the picture's patches, then of the flow's, that the published code has at `seed`."""
    random = np.random.RandomState(seed)
    picture, flow = (torch.from_numpy(random.permutation(num_patches)) for _ in range(2))
    return picture, flow
