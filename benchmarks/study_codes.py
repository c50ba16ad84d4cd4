"""How good could flow codes be? `python -m benchmarks.study_codes --data DIR --held-out DIR`.

Codes chosen by k-means instead of learned by a quantizer, as a Markdown table.

A code here stands for one displacement of a whole 4x4 cell: nothing, or one of the centres of the
cells that move. It is no codec for a model to be trained with, but a bound that is easy to reach:
a learned codec that is worse wastes its codes. Entry point: `kmeans_numbers`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import torch
from benchmarks.study_score import BATCH, CODEC_BATCHES, MOVING_PX, CodeAnswers, flow_errors
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from spelke.models.local_quantizer import CODE_SIZE
from spelke.training.recipes import flow_quantizer
from spelke.training.samples import SceneSamples
from spelke.training.shards import load_shards
from spelke.training.tasks import sample_batches

VOCABULARIES = (64, 256, 1024)

SEEN = 60_000
"""Moving cells from which the centres are chosen."""


def kmeans_numbers(
    num_codes: int, seen: Sequence[Tensor], judged: Sequence[Tensor]
) -> dict[str, float]:
    """Errors of `num_codes` displacements, chosen on some flow fields and judged on others.

    Args:
        num_codes: size of the vocabulary, "still" included.
        seen: flow fields (picture, 2, side, side) in pixels, to choose from.
        judged: likewise, to measure on.
    """
    cells = torch.cat([avg_pool2d(flow, CODE_SIZE).permute(0, 2, 3, 1) for flow in seen], 0)
    cells = cells.flatten(0, 2)
    moving = cells[cells.norm(dim=1) >= MOVING_PX / 2]
    moving = moving[torch.arange(min(SEEN, len(moving))) * len(moving) // min(SEEN, len(moving))]
    means = MiniBatchKMeans(num_codes - 1, random_state=0, batch_size=4096)
    means.fit(moving.numpy())
    centres = torch.cat([torch.zeros(1, 2), torch.from_numpy(means.cluster_centers_).float()])
    used: set[int] = set()

    def answer(flow: Tensor) -> Tensor:
        wanted = avg_pool2d(flow, CODE_SIZE).permute(0, 2, 3, 1).contiguous()
        codes = torch.cdist(wanted.flatten(0, 2), centres).argmin(1).view(wanted.shape[:3])
        used.update(codes.unique().tolist())
        coarse = centres[codes].permute(0, 3, 1, 2)
        return interpolate(coarse, scale_factor=CODE_SIZE, mode="nearest")

    answers: CodeAnswers = {"mean_of_code": answer}
    numbers = flow_errors(answers, judged)
    return {**numbers, "codes_used": len(used)}


def flows_of(folder: Path, num_batches: int, seed: int) -> list[Tensor]:
    """Flow fields of batches of samples, as the quantizer's recipe has them."""
    samples = SceneSamples(load_shards(folder).records, flow_quantizer().samples, seed)
    batches = islice(sample_batches(samples, BATCH), num_batches)
    return [batch.flow.float().flatten(0, 1) for batch in batches]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.study_codes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="shards to choose codes from")
    parser.add_argument("--held-out", type=Path, required=True, help="shards to judge them on")
    parser.add_argument("--batches", type=int, default=12, help="of --data (%(default)s)")
    options = parser.parse_args(arguments)
    seen = flows_of(options.data, options.batches, 0)
    judged = flows_of(options.held_out, CODEC_BATCHES, 1)
    print("| displacements | used | error, px: all / moving | motion, px |\n|---|---|---|---|")
    for count in VOCABULARIES:
        numbers = kmeans_numbers(count, seen, judged)
        print(
            f"| {count:,} | {numbers['codes_used']:.0f} | {numbers['mean_of_code_epe']:.2f} / "
            f"{numbers['mean_of_code_epe_moving']:.2f} | {numbers['motion_px']:.1f} |"
        )


if __name__ == "__main__":
    main()
