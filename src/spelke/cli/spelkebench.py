"""`spelkebench-infer`, `spelkebench-launch`, `spelkebench-evaluate`: the published commands.

Their flags are those that SpelkeBench publishes; `spelke bench run|score|report` do the same and
more. Exit status: 0; 1 if a picture has no answer; 2 for bad input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spelke.cli.bench_parts import progress, say
from spelke.cli.main import run_guarded
from spelke.cli.parse import parse
from spelke.errors import InvalidInput


@dataclass(frozen=True, kw_only=True)
class Infer:
    """Ask a model about the pictures of a SpelkeBench file."""

    model_name: str
    """Python path to your model class, or a name of `spelke bench models`."""
    dataset_path: Path
    """Path to spelke_bench.h5."""
    output_dir: Path
    """Directory for saving predictions."""
    device: str | None = None
    """Device, e.g. cuda:0; the best that is here unless given."""
    img_names: tuple[str, ...] = ()
    """Specific image keys to process; all unless given."""

    def run(self) -> int:
        """Ask in one process of its own."""
        from spelke.runtime.process_pool import local_places

        places = local_places(1, self.device)
        return _ask(self, places, self.device, self.img_names or None, "")


@dataclass(frozen=True, kw_only=True)
class Launch:
    """Ask a model about one node's part of the pictures, with one process for each GPU."""

    model_name: str
    """Python path to your model class, or a name of `spelke bench models`."""
    dataset_path: Path
    """Path to spelke_bench.h5."""
    output_dir: Path
    """Directory for saving predictions."""
    gpus: tuple[int, ...]
    """GPU IDs for parallel processing."""
    num_splits: int = 1
    """Total splits for multi-node."""
    split_num: int = 0
    """Current split index, from 0."""

    def run(self) -> int:
        """Ask in one process for each GPU and report how each ended."""
        from spelke.runtime.process_pool import gpu_places

        if not self.gpus:
            raise InvalidInput("--gpus needs at least one number, such as --gpus 0")
        if self.num_splits < 1 or not 0 <= self.split_num < self.num_splits:
            raise InvalidInput(
                f"--split_num counts from 0 to --num_splits - 1, got {self.split_num} of "
                f"{self.num_splits}"
            )
        shard = f"{self.split_num}/{self.num_splits}"
        return _ask(self, gpu_places(self.gpus), None, None, shard)


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Score the predictions of a folder as published: AP, AR and mIoU over its images."""

    input_dir: Path
    """Folder with the predictions."""
    output_dir: Path
    """Folder for metrics.json and pictures."""
    dataset_path: Path | None = None
    """Path to spelke_bench.h5: with it, its truth counts and missing images score zero."""
    pictures: bool = False
    """Draw <image>_viz.png for each image: picture, truth, prediction. Takes most of the time."""

    def run(self) -> int:
        """Score, print four decimals, write."""
        from spelke.benchmarks.scoring import score_run
        from spelke.cli.bench_scores import tell_problems
        from spelke.data.spelkebench import SpelkeBenchFile
        from spelke.runtime.files import write_json

        images = SpelkeBenchFile(self.dataset_path) if self.dataset_path else None
        with progress() as track:
            run = score_run(self.input_dir, images, track=track)
        tell_problems(run.name, run.problems)
        rows = [
            {
                "image": result.key,
                "AP": result.score.average_precision,
                "AR": result.score.average_recall,
                "mIoU": result.score.mean_iou,
                "error": result.error,
            }
            for result in run.results
        ]
        means = {name: float(np.mean([row[name] for row in rows])) for name in ("AP", "AR", "mIoU")}
        for name, value in means.items():
            print(f"{name}: {value:.4f}")
        print(f"images: {len(rows)}")
        if run.num_failed:
            print(f"without a usable prediction, scored zero: {run.num_failed}")
        write_json(self.output_dir / "metrics.json", {**means, "images": rows})
        if self.pictures:
            _draw(self.input_dir, self.output_dir)
        say(f"wrote {self.output_dir}")
        return 1 if run.num_failed else 0


def infer(argv: Sequence[str] | None = None) -> int:
    """The command `spelkebench-infer`."""
    return _command("spelkebench-infer", Infer, argv)


def launch(argv: Sequence[str] | None = None) -> int:
    """The command `spelkebench-launch`."""
    return _command("spelkebench-launch", Launch, argv)


def evaluate(argv: Sequence[str] | None = None) -> int:
    """The command `spelkebench-evaluate`."""
    return _command("spelkebench-evaluate", Evaluate, argv)


def _command(program: str, options: type[Any], argv: Sequence[str] | None) -> int:
    def run(arguments: list[str]) -> int:
        return parse(options, program, arguments, is_published=True).run()

    guarded: Callable[[list[str]], int] = run
    return run_guarded(guarded, argv)


def _ask(
    command: Infer | Launch,
    places: Sequence[Any],
    device: str | None,
    images: Sequence[str] | None,
    shard: str,
) -> int:
    from spelke.benchmarks.asking import ModelSpec
    from spelke.cli.bench_runs import local_engine, measure

    spec = ModelSpec(command.model_name, device)
    outcome, notes = measure(
        spec, command.dataset_path, command.output_dir, local_engine(spec, places), images, shard
    )
    return 0 if outcome.is_whole and not notes else 1


def _draw(predictions: Path, out: Path) -> None:
    """One picture for each prediction."""
    from spelke.benchmarks.inspection import draw_masks
    from spelke.benchmarks.prediction_folder import PredictionFolder
    from spelke.benchmarks.predictions import read_prediction, safe_name
    from spelke.benchmarks.quick import write_picture
    from spelke.viz.sheet import Panel, arrange

    with progress() as track:
        for path in track(PredictionFolder(predictions).files(), "drawing"):
            one = read_prediction(path)
            if one.image is None or one.masks is None:
                continue
            pictures = [
                Panel(one.image, "Image"),
                Panel(draw_masks(one.image, one.truths, one.points), "Truth"),
                Panel(draw_masks(one.image, one.masks, one.points), "Prediction"),
            ]
            page = arrange(pictures, columns=3, cell_height=320, title=one.key)
            write_picture(out / f"{safe_name(one.key)}_viz.png", page)
