"""Which displacements a world model's flow codes stand for: k-means over the flow it will see.

Chosen, they lose far less of a motion than codes of a learned codec of that size do, and take
seconds (docs/study.md).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor

from spelke.errors import InvalidInput
from spelke.tokens.flow_codes import cell_displacements
from spelke.training.codec import spread
from spelke.training.world import WorldBatch

_MOVING_PX = 0.5
"""Cells that move less are left to code 0, which is still."""
_SEEN = 60_000
"""Moving cells that are looked at, at most."""


def choose_displacements(batches: Iterable[WorldBatch], num_codes: int) -> Float[Tensor, "code 2"]:
    """Displacements in pixels, so that moving cells lie near one of them; the first is zero.

    Args:
        batches: of samples as the model will see them; some dozens.
        num_codes: size of the vocabulary.

    Raises:
        InvalidInput: fewer than `num_codes` different displacements were seen.
    """
    cells = torch.cat(
        [cell_displacements(batch.flow.flatten(0, 1)).flatten(0, 2).cpu() for batch in batches]
    )
    moving = cells[cells.norm(dim=1) >= _MOVING_PX]
    moving = spread(moving, _SEEN)
    different = len(moving.unique(dim=0))
    if different < num_codes - 1:
        raise InvalidInput(
            f"the scenes show {different} different displacements of moving cells, too few to "
            f"choose {num_codes} codes from; make more scenes, or set num_codes lower"
        )
    # Its type stubs know n_init as a word only.
    means = MiniBatchKMeans(num_codes - 1, random_state=0, batch_size=4096, n_init=3)  # type: ignore[arg-type]
    centres = torch.from_numpy(means.fit(moving.double().numpy()).cluster_centers_).float()
    # In the order of their length, so that a table of them can be read.
    return torch.cat([torch.zeros(1, 2), centres[centres.norm(dim=1).argsort(stable=True)]])
