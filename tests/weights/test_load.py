from __future__ import annotations

import importlib
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from spelke.errors import BadCheckpoint, MissingData, Unavailable, UnknownName
from spelke.weights import load
from spelke.weights.checkpoint_files import checksum
from spelke.weights.fit import empty_network


def change_config(folder, change):
    path = folder / "config.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def change_tensors(folder, change):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    change_config(folder, lambda values: values.update(sha256=checksum(path)))


def test_what_was_saved_is_loaded(folder, networks):
    checkpoint = load(folder)
    assert (checkpoint.name, checkpoint.architecture) == ("mine", "lras")
    assert list(checkpoint.networks) == ["network", "flow_quantizer", "rgb_quantizer"]
    for name, network in networks.items():
        assert checkpoint.configs[name] == network.config
        for key, value in network.state_dict().items():
            assert torch.equal(checkpoint.networks[name].state_dict()[key], value), key
    assert checkpoint.config is checkpoint.configs["network"]
    assert checkpoint.settings == {"image_size": 32}
    assert checkpoint.training == {"steps": 3}


def test_a_loaded_network_is_for_use_not_for_training(folder):
    network = load(folder).network
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_loading_leaves_the_random_state_alone(folder):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    load(folder)
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_are_cast_when_asked_and_quantizers_are_not(folder):
    checkpoint = load(folder, dtype=torch.bfloat16)
    kinds = {
        name: {value.dtype for value in network.state_dict().values()}
        for name, network in checkpoint.networks.items()
    }
    assert kinds["network"] == {torch.bfloat16}
    assert kinds["rgb_quantizer"] == kinds["flow_quantizer"] == {torch.float32, torch.int64}


def test_a_buffer_that_is_not_saved_is_computed_again():
    class Counting(torch.nn.Module):
        def __init__(self, config):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(config))
            self.register_buffer("order", torch.arange(config), persistent=False)

    assert empty_network(Counting, 3).order.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda tensors: tensors.pop("network.lm_head.weight"), "network.lm_head.weight missing"),
        (lambda tensors: tensors.update(extra=torch.zeros(1)), "extra unexpected"),
        (
            lambda tensors: tensors.update({"network.lm_head.weight": torch.zeros(3, 8)}),
            r"lm_head.weight is \(3, 8\) instead of \(20, 8\) of another shape",
        ),
        (
            lambda tensors: tensors.update({"network.lm_head.weight": torch.zeros(20, 8).long()}),
            "is torch.int64 instead of torch.float32 of another kind",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named(folder, change, says):
    change_tensors(folder, change)
    with pytest.raises(BadCheckpoint, match=says):
        load(folder)


def test_a_long_list_of_faults_is_cut(folder):
    change_tensors(folder, lambda tensors: [tensors.pop(key) for key in list(tensors)[:9]])
    with pytest.raises(BadCheckpoint, match="and 4 more missing"):
        load(folder)


def test_a_flipped_bit_is_noticed(folder):
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadCheckpoint, match="corrupt or was replaced"):
        load(folder)


@pytest.mark.parametrize("size", [0, 5, 200, -10])
def test_a_truncated_file_is_refused_even_with_a_matching_checksum(folder, size):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    change_config(folder, lambda values: values.update(sha256=checksum(path)))
    with pytest.raises(BadCheckpoint, match="corrupt, truncated"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda values: values.pop("schema"), "belongs to another program"),
        (lambda values: values.update(schema=99), "is of format 99"),
        (lambda values: values.update(architecture="lars"), "did you mean 'lras'"),
        (lambda values: values.update(architecture="diffusion"), "knows lras, prefix"),
        (lambda values: values.update(architecture=None), "of architecture None"),
        (lambda values: values.update(setings={}), "did you mean 'settings'"),
        (lambda values: values.update(settings=[]), "settings must be an object"),
        (lambda values: values.pop("flow_quantizer"), "lacks the section 'flow_quantizer'"),
        (lambda values: values["network"].update(dept=3), "did you mean 'depth'"),
        (lambda values: values["network"].pop("depth"), "lacks 'depth'"),
        (lambda values: values["network"].update(depth="3"), "network.depth must be int, got str"),
        (lambda values: values["network"].update(depth=True), "depth must be int, got bool"),
        (
            lambda values: values["network"].update(num_heads=3),
            "no possible network: .*num_heads=3",
        ),
        (lambda values: values.update(network=[]), "network must be an object, got list"),
        (lambda values: values["network"].update(depth=3), "h.2.ln_1.weight"),
        (lambda values: values.pop("sha256"), "expected none"),
    ],
)
def test_a_config_that_says_something_else_is_refused(folder, change, says):
    change_config(folder, change)
    with pytest.raises(BadCheckpoint, match=says):
        load(folder)


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "not readable JSON"), ("\xff", "not readable"), ("[]", "one JSON object")],
)
def test_a_config_that_is_no_json_object_is_refused(folder, text, says):
    (folder / "config.json").write_text(text, encoding="latin-1")
    with pytest.raises(BadCheckpoint, match=says):
        load(folder)


def test_an_architecture_whose_networks_differ_is_refused(folder):
    def as_quantizer(values):
        values["architecture"] = "local_quantizer"
        values["network"] = values.pop("flow_quantizer")
        values.pop("rgb_quantizer")

    change_config(folder, as_quantizer)
    with pytest.raises(BadCheckpoint, match=r"network\.encoder.* missing; .* unexpected"):
        load(folder)


def test_an_incomplete_folder_is_refused(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(MissingData, match=r"lacks model\.safetensors"):
        load(folder)


def test_an_absent_folder_is_refused(tmp_path):
    with pytest.raises(MissingData, match="no checkpoint folder"):
        load(tmp_path / "nothing")


def test_a_mistyped_name_gets_the_nearest():
    with pytest.raises(UnknownName, match=r"did you mean 'spelke-tiny'.*weights list"):
        load("spelke-tyny")


def test_a_published_model_says_what_it_needs():
    ways = r"weights fetch spelkenet-1b.*SpelkeNet1B\.pt.*weights convert"
    with pytest.raises(Unavailable, match=ways):
        load("spelkenet-1b")


def test_a_folder_may_be_given_as_text(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert load("mine").name == load("./mine").name == load(str(folder)).name == "mine"


def test_weights_that_do_not_fit_into_memory_are_not_begun(folder, monkeypatch):
    module = importlib.import_module("spelke.weights.load")
    size = sum(value.nbytes for value in load_file(folder / "model.safetensors").values())
    monkeypatch.setattr(module, "free_bytes", lambda device: size)
    load(folder)
    monkeypatch.setattr(module, "free_bytes", lambda device: size - 1)
    with pytest.raises(Unavailable, match=r"take 0\.0 GB and cpu has 0\.0 GB free; use a smaller"):
        load(folder)
    load(folder, dtype=torch.bfloat16)
