"""How long does scoring take? `python benchmarks/scoring.py [--images N] [--json]`.

Scores N images of 256 to 1024 pixels with four true segments and four answers each, from arrays in
memory, by the library and by a naive loop (a pixel-by-pixel AND and OR for every pair, and DAVIS's
boundary measure with a dilation of the whole picture), in the same run; both must give the same
numbers. The naive loop is timed on every tenth image and scaled. Then the same predictions are
written and scored as files, by the library alone. Prints seconds and ratios.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from skimage.morphology import disk

from spelke.benchmarks.boundary import TOLERANCE, boundary_of
from spelke.benchmarks.matching import match
from spelke.benchmarks.predictions import Prediction, write_prediction
from spelke.benchmarks.scoring import score_masks, score_run

SIZES = (256, 384, 512, 768, 1024)
NUM_MASKS = 4


def draw(generator: np.random.Generator, side: int) -> tuple[np.ndarray, np.ndarray]:
    """True segments and answers: ellipses, and the same ones somewhat moved and resized."""
    masks = np.zeros((2, NUM_MASKS, side, side), np.uint8)
    for row in range(NUM_MASKS):
        x, y, width, height = (generator.uniform(0.05, 0.95, 4) * side).round()
        for mask, change in zip(masks[:, row], (1.0, generator.uniform(0.8, 1.2)), strict=True):
            axes = (int(0.25 * change * width) + 3, int(0.25 * change * height) + 3)
            cv2.ellipse(mask, (int(x * change), int(y)), axes, 30, 0, 360, 1, -1)
    return masks[0].astype(bool), masks[1].astype(bool)


def naive(truths: np.ndarray, masks: np.ndarray) -> tuple[float, float]:
    """The sums of assigned overlaps and of their boundary measures, by loops."""
    overlaps = np.array(
        [
            [np.logical_and(truth, mask).sum() / np.logical_or(truth, mask).sum() for mask in masks]
            for truth in truths
        ]
    )
    rows, columns = match(overlaps)
    reach = math.ceil(TOLERANCE * math.hypot(*truths.shape[1:]))
    kernel = np.asarray(disk(reach), np.uint8)
    total = 0.0
    for row, column in zip(rows, columns, strict=True):
        true, found = boundary_of(truths[row]), boundary_of(masks[column])
        near_true = cv2.dilate(true.astype(np.uint8), kernel).astype(bool)
        near_found = cv2.dilate(found.astype(np.uint8), kernel).astype(bool)
        precision = (found & near_true).sum() / max(found.sum(), 1)
        recall = (true & near_found).sum() / max(true.sum(), 1)
        total += 2 * precision * recall / max(precision + recall, 1e-12)
    return float(overlaps[rows, columns].sum()), float(total)


def quick(truths: np.ndarray, masks: np.ndarray) -> tuple[float, float]:
    """The same by the library."""
    result = score_masks("image", truths, masks)
    return float(result.score.matched.sum()), float(result.boundary.sum())


def timed(
    score: Callable[[np.ndarray, np.ndarray], tuple[float, float]],
    pictures: list[tuple[np.ndarray, np.ndarray]],
) -> tuple[float, np.ndarray]:
    """CPU seconds for all pictures, and what was found."""
    start = time.process_time()
    found = [score(truths, masks) for truths, masks in pictures]
    return time.process_time() - start, np.array(found)


def measure(count: int) -> dict[str, float]:
    """Measure; see the module.

    Raises:
        RuntimeError: the two disagree, so that their times cannot be compared.
    """
    generator = np.random.default_rng(0)
    seconds = {"library": 0.0, "naive": 0.0, "files": 0.0, "sampled_library": 0.0}
    with tempfile.TemporaryDirectory() as name:
        for start in range(0, count, len(SIZES)):
            sides = SIZES[: min(len(SIZES), count - start)]
            pictures = [draw(generator, side) for side in sides]
            mine, found = timed(quick, pictures)
            seconds["library"] += mine
            if start % (10 * len(SIZES)) == 0:
                theirs, expected = timed(naive, pictures)
                if not np.allclose(found, expected, rtol=0, atol=1e-12):
                    raise RuntimeError(f"the two disagree: {found} and {expected}")
                seconds["naive"] += theirs
                seconds["sampled_library"] += mine
            for number, (truths, masks) in enumerate(pictures, start):
                image = np.zeros((*truths.shape[1:], 3), np.uint8)
                points = np.zeros((NUM_MASKS, 2), np.int64)
                given = Prediction(f"{number:05}", "", image, points, truths, masks)
                write_prediction(Path(name), given)
        begin = time.process_time()
        score_run(name)
        seconds["files"] = time.process_time() - begin
    ratio = seconds["naive"] / seconds["sampled_library"]
    return {
        "images": count,
        "seconds_arrays": round(seconds["library"], 2),
        "seconds_naive": round(ratio * seconds["library"], 2),
        "naive_over_library": round(ratio, 1),
        "seconds_files": round(seconds["files"], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = measure(arguments.images)
    if arguments.json:
        print(json.dumps(found))
        return
    print(
        f"{found['images']} images of {SIZES[0]} to {SIZES[-1]} pixels, {NUM_MASKS} segments each"
    )
    print(f"from arrays: {found['seconds_arrays']} s, naive {found['seconds_naive']} s")
    print(f"ratio: {found['naive_over_library']}")
    print(f"from files: {found['seconds_files']} s")


if __name__ == "__main__":
    main()
