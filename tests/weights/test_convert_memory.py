"""How much memory a conversion takes, measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.weights.published_format import TINY_LAYOUT, as_compiled, described, tiny_published

from spelke.models.lras import LRAS, LRASConfig
from spelke.weights import load

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's own figures"),
]

LARGE = LRASConfig(
    vocab_size=TINY_LAYOUT.vocab_size,
    num_positions=TINY_LAYOUT.num_positions,
    depth=4,
    num_heads=8,
    embed_dim=1024,
)
SLACK = 30 * 2**20

MEASURE = """
import gc, sys
from pathlib import Path
import torch
from spelke.weights import load
from spelke.weights.convert import ConvertOptions, convert
from spelke.weights.published_files import find_files

def now(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))

source, target, warm, dtype, what = sys.argv[1:]
kind = None if dtype == "None" else getattr(torch, dtype)
convert(find_files(Path(warm)), target + "-warm")  # imports and caches are no part of the figure
load(target + "-warm")
gc.collect()
before = now("VmRSS")
if what == "convert":
    convert(find_files(Path(source)), target, ConvertOptions(dtype=kind, shard_bytes=10**8))
else:
    kept = load(target)
print(now("VmHWM") - before)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A predictor of 0.29 GB, and a small one to warm up with."""
    place = tmp_path_factory.mktemp("memory")
    tiny_published().write(place / "warm")
    tiny_published().write(place / "large")
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in LRAS(LARGE).state_dict().items()}
    state = {key: torch.full(shape, 0.5) for key, shape in shapes.items()}
    torch.save(
        {"model": as_compiled(state), "cfg": described(LARGE)}, place / "large" / "SpelkeNet1B.pt"
    )
    return place


def measure(folder, dtype, what):
    arguments = [folder / "large", folder / f"out-{dtype}", folder / "warm", dtype, what]
    ended = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return int(ended.stdout)


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
def test_converting_takes_one_tensor_above_the_file(folder, dtype):
    size = (folder / "large" / "SpelkeNet1B.pt").stat().st_size
    largest = 4 * LARGE.vocab_size * LARGE.embed_dim
    assert size > 0.28e9
    # Pages of the mapped file count, although the system can take them back at any time.
    peak = measure(folder, dtype, "convert")
    assert peak < size + largest + SLACK, f"{peak / 1e6:.0f} MB for a file of {size / 1e6:.0f} MB"

    out = folder / f"out-{dtype}"
    assert len(list(out.glob("model-*.safetensors"))) > 1
    assert (load(out).network.state_dict()["lm_head.weight"] == 0.5).all()

    # The weights in float32, and the file that is being read.
    peak = measure(folder, dtype, "load")
    assert peak < size + max(file.stat().st_size for file in out.glob("model-*")) + SLACK
