"""Where work runs and which part of it, as the command line says it: the same for every verb."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from spelke.errors import InvalidInput

if TYPE_CHECKING:
    from spelke.runtime.ray_pool import RayOptions


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Where workers run: for every verb that has them."""

    engine: Literal["local", "ray"] = "local"
    """Where workers run: on this machine, or on a Ray cluster that exists."""
    address: str = "auto"
    """Of the Ray cluster; auto finds the one that this machine belongs to, local starts one on this
    machine alone."""
    cpus_per_worker: float = 1.0
    """That Ray reserves for each worker."""
    gpus_per_worker: float = 0.0
    """Likewise; parts of one are possible."""
    retries: int = 2
    """How often Ray gives work to another worker when one died with it."""
    working_dir: Path | None = None
    """Folder that Ray sends to its nodes, with your model's code or a checkpoint; not needed on a
    shared disk."""

    def ray_options(self, workers: int) -> RayOptions:
        """What was said, for a pool of so many workers.

        Raises:
            InvalidInput: a number is out of range.
        """
        from spelke.runtime.ray_pool import RayOptions

        return RayOptions(
            address=self.address,
            workers=workers,
            cpus=self.cpus_per_worker,
            gpus=self.gpus_per_worker,
            retries=self.retries,
            working_dir=None if self.working_dir is None else str(self.working_dir),
        )


Cluster = Annotated[ClusterOptions, tyro.conf.OmitArgPrefixes]
"""As a part of a verb's options."""


def parse_shard(text: str) -> tuple[int, int]:
    """Read `I/N`.

    Raises:
        InvalidInput: it is something else.
    """
    index, _, count = text.partition("/")
    if not (index.isdigit() and count.isdigit()):
        raise InvalidInput(f"--shard must be I/N, such as 0/4 to 3/4, got {text!r}")
    return int(index), int(count)


def part_of(names: list[str], shard: str) -> list[str]:
    """Return the part of some names that `I/N` means, by the published split; all where it is "".

    Raises:
        InvalidInput: it is no part.
    """
    from spelke.benchmarks.prediction_run import shard_of

    return shard_of(names, *parse_shard(shard)) if shard else names
