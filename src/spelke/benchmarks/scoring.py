"""What the predictions of a run are worth, image by image and truth by truth.

A run is a folder of prediction files. What is wrong with one of them is named and counted, and the
rest goes on: an image without a usable prediction scores zero, it is not left out.
Entry points: `score_run`, `score_masks`.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spelke.benchmarks.boundary import boundary_f
from spelke.benchmarks.prediction_folder import MANIFEST, Manifest, PredictionFolder, pictures_of
from spelke.benchmarks.predictions import read_prediction
from spelke.benchmarks.segment_metrics import ImageScore, score_image
from spelke.data.spelkebench import SpelkeBenchFile
from spelke.errors import BadFile, InvalidInput, MissingData, SpelkeError

Track = Callable[[Sequence[Path], str], Iterable[Path]]
"""Wraps the files that are worked through, for a progress bar with a title."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageResult:
    """What the predictions for one image are worth.

    Attributes:
        key: name of the image.
        family: kind of scene or source, or "".
        score: overlaps with every true segment.
        boundary: (truth,) boundary F with the assigned prediction, 0 where none was.
        areas: (truth,) pixels of each true segment.
        num_pixels: of the image; 0 if it is not known.
        seconds: the model's time for it; NaN if it is not known.
        error: why there is no usable prediction, or "".
        clip: that it is a picture of, or "".
    """

    key: str
    family: str
    score: ImageScore
    boundary: np.ndarray
    areas: np.ndarray
    num_pixels: int
    seconds: float = math.nan
    error: str = ""
    clip: str = ""

    def of(self, chosen: np.ndarray) -> ImageResult:
        """Return what concerns some of the true segments (a bool for each)."""
        return replace(
            self,
            score=self.score.of(chosen),
            boundary=self.boundary[chosen],
            areas=self.areas[chosen],
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with one image of a run.

    Attributes:
        key: the image.
        kind: one of those of docs/scoring.md, such as "missing" or "failed".
        text: what it is.
    """

    key: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.key}: {self.text}"


@dataclass(frozen=True, slots=True, eq=False)
class RunScores:
    """All results of one run, by key in alphabetical order.

    Attributes:
        name: of the run.
        results: one for each image.
        problems: what was wrong.
        files: the prediction of each image that has one, by key.
        dataset: whose truth counted, if any; it also has the images.
        is_oracle: the model was told the truth, so it is no competitor.
    """

    name: str
    results: tuple[ImageResult, ...]
    problems: tuple[Problem, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)
    dataset: SpelkeBenchFile | None = None
    is_oracle: bool = False

    @property
    def num_failed(self) -> int:
        """Images without a usable prediction; they score zero."""
        return sum(bool(result.error) for result in self.results)

    def count_problems(self) -> str:
        """Return such as "2 missing, 1 unknown", or ""."""
        counts = Counter(problem.kind for problem in self.problems)
        return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))


def score_masks(
    key: str,
    truths: np.ndarray,
    masks: np.ndarray,
    ignore: np.ndarray | None = None,
    *,
    family: str = "",
    clip: str = "",
    seconds: float = math.nan,
) -> ImageResult:
    """Score the predictions of one image.

    Args:
        key: name of the image.
        truths: (truth, height, width) bool, the true segments.
        masks: (prediction, height, width) bool.
        ignore: as `truths`, pixels that count for nothing; boundaries are compared with them
            cleared from both masks.
        family: kind of scene or source.
        clip: that it is a picture of.
        seconds: the model's time.

    Raises:
        InvalidInput: sizes that do not agree, or values other than 0 and 1.
    """
    score = score_image(truths, masks, ignore)
    boundary = np.zeros(len(truths))
    for row in np.flatnonzero(score.answered_by >= 0):
        truth, mask = truths[row].astype(bool), masks[score.answered_by[row]].astype(bool)
        if ignore is not None and ignore[row].any():
            truth, mask = truth & ~ignore[row], mask & ~ignore[row]
        boundary[row] = boundary_f(truth, mask)
    return ImageResult(
        key=key,
        family=family,
        score=score,
        boundary=boundary,
        areas=np.array([np.count_nonzero(truth) for truth in truths], np.int64),
        num_pixels=truths.shape[1] * truths.shape[2],
        seconds=seconds,
        clip=clip,
    )


def unanswered(
    key: str, error: str, truths: np.ndarray | None = None, family: str = "", clip: str = ""
) -> ImageResult:
    """Return the result of an image without a usable prediction: zero for each true segment."""
    count = 0 if truths is None else len(truths)
    nothing = np.zeros(count)
    return ImageResult(
        key=key,
        family=family,
        score=ImageScore(nothing, nothing, nothing, np.full(count, -1), 0),
        boundary=nothing,
        areas=np.zeros(0, np.int64) if truths is None else truths.sum((1, 2), dtype=np.int64),
        num_pixels=0 if truths is None else truths.shape[1] * truths.shape[2],
        error=error,
        clip=clip,
    )


def score_run(
    folder: str | os.PathLike[str],
    dataset: SpelkeBenchFile | None = None,
    name: str = "",
    track: Track | None = None,
) -> RunScores:
    """Score all predictions of a folder.

    Args:
        folder: holds `<key>.h5` files, failed ones in `failed/`; see `predictions`.
        dataset: with it, its truth counts and not the copy beside each prediction, images
            without a prediction score zero, and predictions for other images are left out. None
            takes the file that the folder's manifest names, where it names one.
        name: of the run; the folder's unless given.
        track: progress; None shows nothing.

    Raises:
        MissingData: there is no such folder, no prediction in it, or the file that its manifest
            names is gone.
    """
    path = Path(folder)
    name = name or path.resolve().name
    files = prediction_files(path)
    manifest, problems = _manifest_of(path)
    if dataset is None and manifest and manifest.pictures:
        dataset = pictures_of(path, manifest)
    found: dict[str, ImageResult] = {}
    kept: dict[str, Path] = {}
    for file in track(files, name) if track else files:
        result, problem = _score_file(file, dataset, found)
        if result:
            found[result.key] = result
            kept[result.key] = file
        problems += [problem] if problem else []
    for key in dataset.keys if dataset else ():
        if key in found:
            continue
        truth = _truth_of(key, dataset)
        if truth.truths is None:
            why = "the dataset's own picture or truth is unusable; it is left out"
            problems.append(Problem(key, "unusable", why))
            continue
        why = "there is no prediction; it scores zero"
        problems.append(Problem(key, "missing", why))
        found[key] = unanswered(key, why, truth.truths, truth.family, truth.clip)
    results = tuple(found[key] for key in sorted(found))
    is_oracle = manifest is not None and manifest.is_oracle
    return RunScores(name, results, tuple(problems), kept, dataset, is_oracle)


def _manifest_of(folder: Path) -> tuple[Manifest | None, list[Problem]]:
    """What a run says of itself, if it does; another program may have written that file."""
    try:
        return PredictionFolder(folder).manifest(), []
    except BadFile as error:
        return None, [Problem(MANIFEST, "unreadable", str(error))]


def prediction_files(folder: Path) -> list[Path]:
    """List the prediction files of a run, answers before failures.

    Raises:
        MissingData: there is no such folder, or no prediction in it.
    """
    files = [
        file
        for place in (folder, folder / "failed")
        for file in sorted(place.glob("*.h5"))
        if not file.name.startswith(".")  # being written, or left by a crash
    ]
    if not files:
        what = "no predictions in" if folder.is_dir() else "there is no folder"
        raise MissingData(f"{what} {folder}: name a folder that holds <image>.h5 files")
    return files


def _score_file(
    file: Path, dataset: SpelkeBenchFile | None, found: Mapping[str, ImageResult]
) -> tuple[ImageResult | None, Problem | None]:
    """Score one file; no result if it does not count, which the problem explains."""
    try:
        given = read_prediction(file, with_image=False)
    except SpelkeError as error:
        key, given, text = file.stem, None, str(error)
    else:
        key, text = given.key, given.error
    if key in found:
        # A failure that was answered later may have stayed behind.
        stale = given is not None and given.masks is None
        why = f"{file} answers it again; the first file counts"
        return None, None if stale else Problem(key, "duplicate", why)
    if dataset and key not in dataset.keys:
        why = "the dataset has no image of this name; it is left out"
        return None, Problem(key, "unknown", why)
    truths, ignore, family, clip = _truth_of(key, dataset)
    if truths is None and given is not None:
        truths, ignore, family, clip = given.truths, given.ignore, given.family, given.clip
    if given is None or given.masks is None or truths is None:
        kind = "unreadable" if given is None else "failed"
        return unanswered(key, text, truths, family, clip), Problem(key, kind, text)
    problem = None
    if not np.array_equal(truths, given.truths):
        why = "the truth beside the prediction is not the dataset's, which counts"
        problem = Problem(key, "other truth", why)
    try:
        about: dict[str, Any] = {"family": family, "clip": clip, "seconds": given.seconds}
        return score_masks(key, truths, given.masks, ignore, **about), problem
    except InvalidInput as error:
        text = str(error)
        return unanswered(key, text, truths, family, clip), Problem(key, "failed", text)


class _Truth(NamedTuple):
    """What a dataset knows of an image."""

    truths: np.ndarray | None = None
    ignore: np.ndarray | None = None
    family: str = ""
    clip: str = ""


def _truth_of(key: str, dataset: SpelkeBenchFile | None) -> _Truth:
    item = dataset.read(key).item if dataset else None
    return _Truth(item.segments, item.ignore, item.family, item.clip) if item else _Truth()
