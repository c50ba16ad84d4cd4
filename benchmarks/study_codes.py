"""How much of a motion do flow codes lose?

`python -m benchmarks.study_codes --data DIR --held-out DIR`

Displacements chosen from some scenes, judged on others, as a Markdown table; with `--quantizer`, a
learned codec beside them. Entry point: `chosen_numbers`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import torch
from benchmarks.study_score import BATCH, CODEC_BATCHES, Examined, codec_numbers, flow_errors
from torch import Tensor

from spelke.data.world_records import Record
from spelke.tokens.flow_codes import cell_displacements, nearest_codes, spread_cells
from spelke.training.recipes import find_recipe
from spelke.training.samples import SampleConfig, SceneSamples
from spelke.training.shards import load_shards
from spelke.training.tasks import sample_batches
from spelke.training.vocabulary import choose_displacements
from spelke.training.world import WorldBatch
from spelke.weights.load import load

VOCABULARIES = (64, 256, 512, 1024, 2048)


def chosen_numbers(
    num_codes: int, seen: Sequence[WorldBatch], judged: Sequence[WorldBatch]
) -> dict[str, float]:
    """Errors of `num_codes` displacements, chosen from some samples and judged on others."""
    displacements = choose_displacements(seen, num_codes)
    used: set[int] = set()

    def answer(flow: Tensor) -> Tensor:
        codes = nearest_codes(displacements, cell_displacements(flow))
        used.update(codes.unique().tolist())
        return spread_cells(displacements[codes])

    numbers = flow_errors({"code": answer}, [batch.flow.float().flatten(0, 1) for batch in judged])
    return {**numbers, "codes_used": len(used)}


def batches_of(records: Sequence[Record], count: int, seed: int) -> list[WorldBatch]:
    """Batches of samples, as our recipes have them."""
    return list(islice(sample_batches(SceneSamples(records, SampleConfig(), seed), BATCH), count))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.study_codes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="shards to choose codes from")
    parser.add_argument("--held-out", type=Path, required=True, help="shards to judge them on")
    parser.add_argument("--batches", type=int, default=40, help="of --data (%(default)s)")
    parser.add_argument("--quantizer", help="checkpoint of a learned flow codec")
    options = parser.parse_args(arguments)
    held_out = load_shards(options.held_out).records
    seen = batches_of(load_shards(options.data).records, options.batches, 0)
    judged = batches_of(held_out, CODEC_BATCHES, 1)
    print("| codes | how | used | error, px: all / moving | motion, px |\n|---|---|---|---|---|")
    for count in VOCABULARIES:
        _tell(f"{count:,} | chosen", chosen_numbers(count, seen, judged), "code")
    if options.quantizer:
        checkpoint = load(options.quantizer)
        examined = Examined.of(find_recipe("flow-quantizer"), checkpoint, held_out)
        with torch.no_grad():
            numbers = codec_numbers(examined)
        _tell(f"{checkpoint.config.vocab_size:,} | learned", numbers, "mean_of_code")


def _tell(words: str, numbers: dict[str, float], name: str) -> None:
    print(
        f"| {words} | {numbers['codes_used']:.0f} | {numbers[f'{name}_epe']:.2f} / "
        f"{numbers[f'{name}_epe_moving']:.2f} | {numbers['motion_px']:.1f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
