from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.weights.published_format import CLASS, TINY, as_compiled, described, tiny_published

from spelke.errors import BadFile, InvalidInput
from spelke.models.lras import LRAS, spelkenet_1b_config, spelkenet_7b_config
from spelke.weights.published import read_flow_table, read_predictor, read_quantizer


@pytest.fixture
def published():
    return tiny_published()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.pt"


def same(state, network):
    expected = network.state_dict()
    assert state.keys() == expected.keys()
    return all(torch.equal(state[key], value) for key, value in expected.items())


@pytest.mark.parametrize("where", ["model", "weights"])
@pytest.mark.parametrize("prefixed", [True, False])
def test_a_predictor_is_known_wherever_its_weights_are(path, published, where, prefixed):
    state = published.predictor.state_dict()
    torch.save({where: as_compiled(state) if prefixed else state, "cfg": published.cfg}, path)
    found = read_predictor(path)
    assert found.config == TINY
    assert same(found.state, published.predictor)
    assert found.class_name == "LRAS1B_Campose_FlowQuantized_Patch8_RGBConfig"


@pytest.mark.parametrize("cfg", [None, {}, [], {"config_class": "my.Own"}, {"config_class": 3}])
def test_an_unknown_class_needs_the_number_of_heads(path, published, cfg):
    torch.save({"model": published.predictor.state_dict(), "cfg": cfg}, path)
    with pytest.raises(InvalidInput, match=r"does not say how many attention heads.*--num-heads"):
        read_predictor(path)
    assert read_predictor(path, num_heads=2).config == TINY


@pytest.mark.parametrize("make", [spelkenet_1b_config, spelkenet_7b_config])
@pytest.mark.parametrize(
    "name", ["", "theirs.Model", "ccwm.x.CCWM{}_Campose_FlowQuantized_Patch8_RGBConfig"]
)
def test_the_published_networks_are_known_by_their_shapes(monkeypatch, make, name):
    with torch.device("meta"):
        state = LRAS(make()).state_dict()
    size = "1B" if make is spelkenet_1b_config else "7B"
    saved = {"model": state, "cfg": {"config_class": name.format(size)}}
    monkeypatch.setattr("spelke.weights.published.read_pickle", lambda _: saved)
    # Tensors without storage claim more than they hold.
    monkeypatch.setattr("spelke.weights.published._whole", lambda tensor, *_: tensor)
    assert read_predictor(Path("any.pt")).config == make()


def test_a_published_class_with_other_sizes_needs_the_number_of_heads(path, published):
    torch.save({"model": published.predictor.state_dict(), "cfg": {"config_class": CLASS}}, path)
    with pytest.raises(InvalidInput, match="embed_dim=8 of class LRAS1B"):
        read_predictor(path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda state, cfg: state.pop("lm_head.weight"), "lm_head.weight missing"),
        (lambda state, cfg: state.update(extra=torch.zeros(1)), "extra unexpected"),
        (
            lambda state, cfg: state.update({"lm_head.weight": torch.zeros(3, 8)}),
            r"lm_head.weight is \(3, 8\) instead of \(10240, 8\) of another shape",
        ),
        (
            lambda state, cfg: state.update({"lm_head.weight": torch.zeros(10240, 8).long()}),
            "of another kind",
        ),
        (
            lambda state, cfg: state.pop("transformer.token_embedding.weight"),
            "not a flow predictor: transformer.token_embedding.weight is missing",
        ),
        (lambda state, cfg: cfg.update(n_layer=3), r"says n_layer=3, its tensors 2; tensors are"),
        (lambda state, cfg: cfg.update(block_size=9), "says block_size=9"),
        (lambda state, cfg: cfg.update(n_head=3), "no possible network.*num_heads=3"),
        (lambda state, cfg: cfg.update(n_head="2"), "n_head='2', which is no number"),
        (
            lambda state, cfg: [state.pop(key) for key in list(state) if ".h." in key],
            "says n_layer=2, its tensors 0",
        ),
        (lambda state, cfg: state.update(note="hello"), "'note', which is no tensor but a str"),
        (
            lambda state, cfg: state.update({"_orig_mod.lm_head.weight": state["lm_head.weight"]}),
            "holds 'lm_head.weight' twice",
        ),
        (
            lambda state, cfg: state.update({"lm_head.weight": torch.zeros(1).expand(10240, 8)}),
            "lm_head.weight is larger than what the file holds",
        ),
        (
            lambda state, cfg: state.update({"lm_head.weight": torch.zeros(10240, 8).to_sparse()}),
            "sparse",
        ),
        (lambda state, cfg: state.clear(), "no state dict under 'model' or 'weights'"),
    ],
)
def test_a_predictor_that_is_not_whole_is_refused(path, published, change, says):
    state, cfg = dict(published.predictor.state_dict()), published.cfg
    change(state, cfg)
    torch.save({"model": state, "cfg": cfg}, path)
    with pytest.raises(BadFile, match=says):
        read_predictor(path)


def test_heads_that_contradict_the_file_are_refused(path, published):
    torch.save({"model": published.predictor.state_dict(), "cfg": published.cfg}, path)
    with pytest.raises(InvalidInput, match=r"num_heads=4 was given, and .* says 2"):
        read_predictor(path, num_heads=4)


@pytest.mark.parametrize("saved", [[1], torch.zeros(2), {"state": {}}, {"model": 3}, {}])
def test_a_file_without_weights_says_what_it_holds(path, saved):
    torch.save(saved, path)
    with pytest.raises(BadFile, match=r"should be a dictionary, got a|no state dict under"):
        read_predictor(path)


def test_quantizers_are_known_by_their_shapes(path, published):
    for medium, quantizer in (("rgb", published.rgb), ("flow", published.flow)):
        torch.save({"weights": as_compiled(quantizer.state_dict())}, path)
        found = read_quantizer(path, medium)
        assert found.config == quantizer.config
        assert same(found.state, quantizer)


def test_interchanged_files_are_refused(path, published):
    torch.save({"weights": published.rgb.state_dict()}, path)
    with pytest.raises(BadFile, match="quantizes 3 channels, and flow has 2"):
        read_quantizer(path, "flow")
    with pytest.raises(BadFile, match=r"not a flow predictor.*encoder\.0\.weight"):
        read_predictor(path)
    torch.save({"model": published.predictor.state_dict(), "cfg": described(TINY)}, path)
    with pytest.raises(BadFile, match=r"not a quantizer: encoder\.0\.weight is missing"):
        read_quantizer(path, "rgb")


def test_codes_in_another_order_of_bits_are_refused(path, published):
    state = published.rgb.state_dict()
    state["quantizer.mask"] = state["quantizer.mask"].flip(0)
    torch.save({"weights": state}, path)
    with pytest.raises(BadFile, match="orders the bits"):
        read_quantizer(path, "rgb")


ENTRY = np.arange(32, dtype=np.float32).reshape(4, 4, 2)


@pytest.mark.parametrize(
    "entry",
    [
        ENTRY,
        ENTRY.astype(np.float64),
        ENTRY.astype(">f4"),
        np.asfortranarray(ENTRY),
        torch.from_numpy(ENTRY),
        torch.from_numpy(ENTRY).bfloat16(),
        ENTRY.tolist(),
        ENTRY.astype(int).tolist(),
    ],
)
@pytest.mark.parametrize("key", [int, np.int64, np.int32])
def test_every_container_of_a_table_is_read(path, entry, key):
    torch.save({key(9): entry, key(2): entry}, path)
    table = read_flow_table(path, 16)
    assert table.codes.tolist() == [9, 2]
    assert table.flow.dtype == torch.float32
    assert torch.equal(table.flow[0], torch.from_numpy(ENTRY).permute(2, 0, 1))


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({}, "should be a dictionary of codes"),
        ([ENTRY], "got a list"),
        ({16: ENTRY}, r"'16' is no flow code; they are 0\.\.15"),
        ({-1: ENTRY}, "'-1' is no flow code"),
        ({"model": {}}, "'model' is no flow code"),
        ({True: ENTRY}, "'True' is no flow code"),
        ({1: ENTRY[:3]}, r"code 1 must be \(4, 4, 2\) finite numbers, got shape \(3, 4, 2\)"),
        ({1: ENTRY * np.nan}, "finite"),
        ({1: ENTRY.astype(np.float64) * 1e300}, "finite"),
        ({1: "text"}, "no array of numbers"),
        ({1: [[1, 2], [3]]}, "no array of numbers"),
        ({1: {}}, "no array of numbers"),
        ({1: np.array([{}], object)}, "no array of numbers"),
        ({1: torch.zeros(4, 4, 2).to_sparse()}, "no array of numbers"),
    ],
)
def test_what_is_no_table_is_refused(path, table, says):
    torch.save(table, path)
    with pytest.raises(BadFile, match=says):
        read_flow_table(path, 16)
