from __future__ import annotations

import errno
import json
from importlib import import_module

import pytest
import torch
from safetensors.torch import load_file

from spelke.errors import BadCheckpoint, InvalidInput, Unavailable
from spelke.weights import load, save


def only(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_checkpoint_is_three_files(folder):
    assert only(folder) == ["card.md", "config.json", "model.safetensors"]
    assert only(folder.parent) == ["mine"]
    assert (folder / "card.md").read_text() == "# mine\n"


def test_keys_carry_the_name_of_their_part(folder):
    prefixes = {key.split(".")[0] for key in load_file(folder / "model.safetensors")}
    assert prefixes == {"network", "flow_quantizer", "rgb_quantizer"}


def test_saving_again_replaces(folder, networks):
    save(folder, "lras", networks, card="second", training={"steps": 4})
    assert load(folder).training == {"steps": 4}
    assert only(folder.parent) == ["mine"]


def test_half_precision_halves_the_network_and_spares_the_quantizers(networks, tmp_path):
    small = save(tmp_path / "half", "lras", networks, card="", dtype=torch.bfloat16)
    for key, value in load_file(small / "model.safetensors").items():
        if value.is_floating_point():
            assert (value.dtype == torch.bfloat16) == key.startswith("network."), key
    loaded = load(small).network.state_dict()["lm_head.weight"]
    assert loaded.dtype == torch.float32
    assert torch.equal(loaded, networks["network"].lm_head.weight.bfloat16().float())


def test_one_network_alone_is_a_checkpoint_too(networks, tmp_path):
    one = {"network": networks["flow_quantizer"]}
    folder = save(tmp_path / "quantizer", "local_quantizer", one, card="")
    assert load(folder).config == networks["flow_quantizer"].config


def test_a_missing_part_is_refused(networks, tmp_path):
    del networks["rgb_quantizer"]
    with pytest.raises(InvalidInput, match=r"needs network, flow_quantizer, rgb_quantizer"):
        save(tmp_path / "x", "lras", networks, card="")
    assert only(tmp_path) == []


def test_a_network_of_another_architecture_is_refused(networks, tmp_path):
    networks["network"] = networks["flow_quantizer"]
    with pytest.raises(InvalidInput, match="is a LRAS, got a LocalQuantizer"):
        save(tmp_path / "x", "lras", networks, card="")


def test_an_unknown_architecture_is_refused(networks, tmp_path):
    with pytest.raises(BadCheckpoint, match="knows lras"):
        save(tmp_path / "x", "resnet", networks, card="")


def test_a_folder_with_other_things_is_left_alone(networks, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InvalidInput, match=r"thesis\.tex, which would be lost"):
        save(tmp_path, "lras", networks, card="")


def test_a_file_is_left_alone(networks, tmp_path):
    (tmp_path / "model").write_text("x")
    with pytest.raises(InvalidInput, match="there is a file"):
        save(tmp_path / "model", "lras", networks, card="")


def test_a_full_disk_leaves_the_old_checkpoint(folder, networks, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    # The function hides the module of the same name.
    monkeypatch.setattr(import_module("spelke.weights.save"), "write_tensors", full)
    before = json.loads((folder / "config.json").read_text())
    with pytest.raises(Unavailable, match="no space left"):
        save(folder, "lras", networks, card="")
    assert only(folder.parent) == ["mine"]
    assert json.loads((folder / "config.json").read_text()) == before
    assert load(folder).name == "mine"
