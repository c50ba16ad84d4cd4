"""Randomness that is passed, not ambient: generators, and seeds for parts of a job.

A job that is cut in pieces gives each piece `spawn(seed, *keys)`, where the keys name the piece
(a scene number, a stage). The result depends on nothing else: not on the order, the process, the
machine or Python's hash seed.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from spelke.errors import InvalidInput


def spawn(seed: int, *keys: int | str) -> int:
    """A seed in [0, 2**63) for the part of a job that `keys` names.

    Raises:
        InvalidInput: a key is neither an integer nor a string.
    """
    for key in keys:
        if isinstance(key, bool) or not isinstance(key, int | str | np.integer):
            raise InvalidInput(
                f"a key of a seed must be an integer or a string, got {type(key).__name__} {key!r}"
            )
    # The kind is part of the text so that 1 and "1" differ; repr quotes strings, so no two lists
    # of keys share a text.
    text = ",".join(repr(str(key)) if isinstance(key, str) else str(int(key)) for key in keys)
    digest = hashlib.blake2b(f"{int(seed)}:{text}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def generator(
    seed: int, device: torch.device | str = "cpu", *, keys: tuple[int | str, ...] = ()
) -> torch.Generator:
    """A torch generator on `device`, seeded with `seed`, or with `spawn(seed, *keys)`."""
    made = torch.Generator(device)
    return made.manual_seed(spawn(seed, *keys) if keys else int(seed))


def numpy_generator(seed: int, *keys: int | str) -> np.random.Generator:
    """A numpy generator seeded with `seed`, or with `spawn(seed, *keys)`."""
    return np.random.default_rng(spawn(seed, *keys) if keys else int(seed))
