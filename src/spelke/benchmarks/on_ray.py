"""Models that answer on a Ray cluster. Answers come back here and are kept here.

Entry point: `RayWorkers`, an `Engine`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from spelke.benchmarks.asking import ModelSpec
from spelke.benchmarks.workers import PooledModels, make_asker
from spelke.runtime.ray_pool import RayOptions, RayPool


class RayWorkers(PooledModels):
    """A model on each of several workers of a cluster; a context manager.

    Args:
        spec: the model; on GPUs it gets the one that Ray gives its worker.
        options: where.
        notice: told what a user should know.
    """

    def __init__(
        self, spec: ModelSpec, options: RayOptions, notice: Callable[[str], None] = lambda _: None
    ):
        if options.gpus > 0:
            spec = replace(spec, device="cuda:0")
        super().__init__(RayPool(partial(make_asker, spec), options, notice))
