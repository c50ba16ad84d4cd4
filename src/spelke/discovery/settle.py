"""When the pokes so far suffice: how much would the segment still change?

Of N planned pokes n are asked. How far the evidence of all N will lie from that of the n varies as
the evidence of half of the n does around that of the n, only less: by the factor
sqrt(1 - n / N) (balanced half-samples; McCarthy 1969, with the correction for a finite plan). So
each half, drawn that much closer, gives a segment that lies about as far from the present one as
the final segment will, and the mean overlap with them is the overlap to expect.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from spelke.discovery.settings import Stage

LEAST_HALF = 3
"""Directions of a half round: fewer lie on a line, and what follows along a line only is not
told from what follows."""
SPLITS = 4
"""Ways of dividing the pokes in two halves."""


def rounds_of(stage: Stage) -> list[list[int]]:
    """Numbers of the queries of a stage in rounds of evenly spaced directions.

    Each repetition is a round. A single one is divided in two, where both halves are even.
    """
    count = stage.num_directions
    if stage.num_seeds == 1 and count % 2 == 0 and count // 2 >= LEAST_HALF:
        return [list(range(0, count, 2)), list(range(1, count, 2))]
    starts = range(0, stage.num_queries, count)
    return [list(range(first, first + count)) for first in starts]


def half_samples(count: int) -> list[list[int]]:
    """Halves of `count` pokes, complements beside each other; one sample of all for one poke.

    The divisions are Walsh functions, orthogonal where `count` is a power of two.
    """
    halves = []
    for pattern in range(1, SPLITS + 1):
        signs = [(place & pattern).bit_count() % 2 for place in range(count)]
        pair = [[place for place in range(count) if signs[place] == sign] for sign in (0, 1)]
        halves += pair if all(pair) else []
    return halves or [list(range(count))]


def outlook(
    evidence: Float[np.ndarray, "size size"],
    samples: Float[np.ndarray, "sample size size"],
    share: float,
) -> Float[np.ndarray, "sample size size"]:
    """What the evidence of all planned pokes may look like.

    Args:
        evidence: of the pokes so far.
        samples: of halves of them.
        share: of the planned pokes that were asked.
    """
    return evidence + math.sqrt(1 - share) * (samples - evidence)


def mean_overlap(
    region: Bool[np.ndarray, "size size"], others: Sequence[Bool[np.ndarray, "size size"]]
) -> float:
    """Intersection over union with each of the others, mean; 1 where both are empty."""
    overlaps = []
    for other in others:
        union = int((region | other).sum())
        overlaps.append(int((region & other).sum()) / union if union else 1.0)
    return float(np.mean(overlaps))
