"""`spelke bench run`: ask a model about a SpelkeBench file, on this machine or on a cluster.

Exit status: 0; 1 if a picture has no answer or is unusable; 2 for bad input.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spelke.cli.bench_parts import answering, say
from spelke.cli.cluster import Cluster, ClusterOptions, part_of
from spelke.errors import InvalidInput

if TYPE_CHECKING:
    from tyro.conf import Positional

    from spelke.benchmarks.asking import ModelSpec
    from spelke.benchmarks.engine import Engine
    from spelke.benchmarks.prediction_run import RunOutcome
    from spelke.runtime.process_pool import Place
else:
    from tyro.conf import Positional


@dataclass(frozen=True, kw_only=True)
class Run:
    """Ask a model about every picture of a SpelkeBench file and keep what it answers.

    Each picture gets a file of its own as soon as it is answered. A run that was interrupted goes
    on where it stopped; a finished one only verifies its files. Scores: `spelke bench score`.
    """

    model: Positional[str]
    """A name of `spelke bench models`, a checkpoint, or your class as package.module:Class."""
    dataset: Positional[Path]
    """The SpelkeBench file (HDF5)."""
    out: Path
    """Folder for the predictions."""
    images: tuple[str, ...] = ()
    """Only these pictures; all unless given."""
    shard: str = ""
    """I/N: only part I, counted from 0, of N parts, as for one of N machines."""
    workers: int = 1
    """Processes, each with the model; with 0 it runs in this one and may take it down."""
    gpus: tuple[int, ...] = ()
    """One process on each of these GPUs instead of --workers."""
    device: str | None = None
    """cpu, cuda, cuda:1 or mps; the best that is here unless given."""
    timeout: float | None = None
    """Seconds for one picture, after which its process is replaced; none unless given."""
    option: tuple[str, ...] = ()
    """NAME=VALUE for the model's constructor, also image_range=float."""
    seed: int = 0
    """Of models that draw at random; each picture has its own."""
    json: bool = False
    """Print what became of the pictures as JSON."""
    cluster: Cluster = field(default_factory=ClusterOptions)

    def run(self) -> int:
        """Ask what is missing."""
        from spelke.benchmarks.asking import ModelSpec

        spec = ModelSpec(self.model, self.device, parse_options(self.option), self.seed)
        engine = self._on_ray(spec) if self.cluster.engine == "ray" else self._here(spec)
        outcome, notes = measure(
            spec, self.dataset, self.out, engine, self.images or None, self.shard
        )
        if self.json:
            print(json.dumps(plain_outcome(outcome)))
        return 0 if outcome.is_whole and not notes else 1

    def _here(self, spec: ModelSpec) -> AbstractContextManager[Engine]:
        from spelke.runtime.process_pool import gpu_places, local_places

        if self.workers < 0 or (self.timeout is not None and self.timeout <= 0):
            raise InvalidInput("--workers must be 0 or more and --timeout above 0")
        if self.timeout is not None and not (self.workers or self.gpus):
            raise InvalidInput("--timeout needs a process of its own: --workers 1 or more")
        places = gpu_places(self.gpus) if self.gpus else local_places(self.workers, self.device)
        return local_engine(spec, places, self.timeout)

    def _on_ray(self, spec: ModelSpec) -> AbstractContextManager[Engine]:
        from spelke.benchmarks.on_ray import RayWorkers

        if self.gpus or self.timeout is not None:
            raise InvalidInput(
                "--gpus and --timeout are for local workers; with --engine ray say --workers and "
                "--gpus-per-worker"
            )
        return RayWorkers(spec, self.cluster.ray_options(self.workers), say)


def measure(
    spec: ModelSpec,
    dataset: Path,
    out: Path,
    engine: AbstractContextManager[Engine],
    images: Sequence[str] | None,
    shard: str,
) -> tuple[RunOutcome, list[str]]:
    """Run a model with a progress bar and say how it ended.

    Returns:
        What became of the pictures, and what was wrong with the names in `images`.
    """
    from spelke.benchmarks.prediction_folder import PredictionFolder
    from spelke.benchmarks.prediction_run import choose_keys, run_model
    from spelke.data.spelkebench import SpelkeBenchFile

    with ExitStack() as stack:
        file = stack.enter_context(SpelkeBenchFile(dataset))
        keys, notes = choose_keys(file, images)
        for note in notes:
            say(note)
        keys = part_of(keys, shard)
        running = stack.enter_context(engine)
        notice, advance = stack.enter_context(answering())
        outcome = run_model(
            running,
            spec,
            file,
            keys,
            PredictionFolder(out),
            notice=notice,
            advance=lambda so_far: advance(spec.name, so_far.num_done, len(keys)),
        )
    say(
        f"{spec.name}: {len(outcome.answered)} answered, {len(outcome.kept)} kept from before, "
        f"{len(outcome.failed)} failed, {len(outcome.unusable)} unusable; predictions are in {out}"
    )
    if outcome.failed:
        say(f"tracebacks are in {out / 'failed'}; running again asks these pictures again")
    return outcome, notes


@contextmanager
def local_engine(
    spec: ModelSpec, places: Sequence[Place], timeout: float | None = None
) -> Iterator[Engine]:
    """Workers in those places, or this process where there are none."""
    from spelke.benchmarks.engine import InProcess
    from spelke.benchmarks.workers import Workers
    from spelke.runtime.process_pool import name_of_exit

    if not places:
        yield InProcess(spec)
        return
    workers = Workers(spec, places, timeout)
    try:
        with workers:
            yield workers
    finally:
        if len(places) > 1:
            for title, codes in workers.exit_codes.items():
                say(f"{title}: {', '.join(map(name_of_exit, codes)) or 'not started'}")


def parse_options(texts: Sequence[str]) -> dict[str, Any]:
    """Read `NAME=VALUE`; a value that is a Python number, True, False or None is one.

    Raises:
        InvalidInput: it is something else, or a name is there twice.
    """
    options: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier() or name in options:
            raise InvalidInput(f"--option takes NAME=VALUE, each name once, got {text!r}")
        try:
            options[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            options[name] = value
    return options


def plain_outcome(outcome: RunOutcome) -> dict[str, Any]:
    """What became of the pictures, as plain values."""
    return {
        "answered": sorted(outcome.answered),
        "kept": sorted(outcome.kept),
        "failed": outcome.failed,
        "unusable": outcome.unusable,
    }
