"""A network of transformers from the command line to a file of predictions."""

import json

import h5py
import numpy as np
import pytest
from tests.benchmarks.conftest import draw_item

from spelke.benchmarks.load_segmenter import load_segmenter
from spelke.cli.main import main
from spelke.data.spelkebench import write_spelkebench

pytest.importorskip("transformers", reason="needs spelke[baselines]")


def test_weights_and_options_are_named_in_the_command(folder_of, tmp_path, capsys):
    item = draw_item("one", "singles", 0)
    write_spelkebench(tmp_path / "set.h5", [item])
    name = f"dinov2={folder_of('dinov2')}"
    where = ("--out", tmp_path / "out", "--workers", 0, "--device", "cpu", "--json")
    command = ["bench", "run", name, tmp_path / "set.h5", *where, "--option", "longer_side=56"]
    assert main([str(part) for part in command]) == 0
    assert json.loads(capsys.readouterr().out)
    model = load_segmenter(name, "cpu", longer_side=56)
    with h5py.File(tmp_path / "out" / "one.h5") as file:
        answered = file["segment_pred"][:].astype(bool)
    assert np.array_equal(answered, model.segment_points(item.image, item.points))
