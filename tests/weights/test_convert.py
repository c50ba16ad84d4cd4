from __future__ import annotations

import json
import shutil
from collections import namedtuple
from dataclasses import replace

import pytest
import torch
from tests.weights.published_format import TINY_LAYOUT, tiny_published

from spelke.errors import BadCheckpoint, BadFile, InvalidInput, MissingData, Unavailable
from spelke.tokens.flow_table import build_flow_table
from spelke.tokens.layout import flow_layout
from spelke.weights import load
from spelke.weights.checkpoint_files import checksum
from spelke.weights.convert import ConvertOptions, convert
from spelke.weights.folders import leftovers
from spelke.weights.published_files import find_files, known_folder
from spelke.weights.table import MODELS


@pytest.fixture(scope="module")
def published():
    return tiny_published()


@pytest.fixture
def files(published, tmp_path):
    return published.write(tmp_path / "pt")


def only(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_was_published_is_loaded_bit_for_bit(published, files, tmp_path):
    checkpoint = load(convert(files, tmp_path / "mine"))
    originals = {
        "network": published.predictor,
        "rgb_quantizer": published.rgb,
        "flow_quantizer": published.flow,
    }
    for name, network in originals.items():
        assert checkpoint.configs[name] == network.config
        for key, value in network.state_dict().items():
            found = checkpoint.networks[name].state_dict()[key]
            assert found.dtype == value.dtype
            assert torch.equal(found, value), key
    table = checkpoint.flow_table
    assert table is not None
    assert table.codes.tolist() == list(published.table)
    for entry, original in zip(table.flow, published.table.values(), strict=True):
        assert torch.equal(entry, torch.from_numpy(original).permute(2, 0, 1))


def test_a_layout_that_is_not_the_published_one_is_described(files, tmp_path):
    checkpoint = load(convert(files, tmp_path / "mine"))
    assert flow_layout(**checkpoint.settings["layout"]) == TINY_LAYOUT


@pytest.mark.gpu
def test_tensors_go_straight_onto_a_gpu(published, files, tmp_path):
    folder = convert(files, tmp_path / "mine", ConvertOptions(shard_bytes=300_000))
    checkpoint = load(folder, "cuda", torch.bfloat16)
    for key, value in checkpoint.network.state_dict().items():
        assert value.is_cuda
        assert torch.equal(value.cpu(), published.predictor.state_dict()[key].bfloat16())
    assert checkpoint.flow_table.flow.is_cuda


def test_where_it_came_from_is_written_down(files, tmp_path):
    folder = convert(files, tmp_path / "mine")
    source = load(folder).training["source"]
    card = (folder / "card.md").read_text()
    for path in files.all():
        assert source[path.name] == {"bytes": path.stat().st_size, "sha256": checksum(path)}
        assert checksum(path) in card
    assert load(folder).training["flow_table"] == "published"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_for_the_predictor_alone(published, files, tmp_path, dtype):
    folder = convert(files, tmp_path / "mine", ConvertOptions(dtype=dtype))
    checkpoint = load(folder, dtype=dtype)
    for key, value in published.predictor.state_dict().items():
        assert torch.equal(checkpoint.network.state_dict()[key], value.to(dtype))
    for name, network in (("rgb_quantizer", published.rgb), ("flow_quantizer", published.flow)):
        for key, value in network.state_dict().items():
            assert torch.equal(checkpoint.networks[name].state_dict()[key], value)
    assert checkpoint.flow_table.flow.dtype == torch.float32
    assert checkpoint.training["dtype"] == str(dtype).removeprefix("torch.")


@pytest.mark.parametrize("limit", [1, 100_000, 400_000])
def test_any_number_of_files_loads_the_same(published, files, tmp_path, limit):
    folder = convert(files, tmp_path / "mine", ConvertOptions(shard_bytes=limit))
    assert "model.safetensors" not in only(folder)
    assert "model.safetensors.index.json" in only(folder)
    checkpoint = load(folder)
    for key, value in published.predictor.state_dict().items():
        assert torch.equal(checkpoint.network.state_dict()[key], value)
    assert len(checkpoint.flow_table.codes) == len(published.table)
    convert(files, folder)  # another number of files takes the place
    assert only(folder) == ["card.md", "config.json", "model.safetensors"]


def test_each_of_several_files_is_checked(files, tmp_path):
    folder = convert(files, tmp_path / "mine", ConvertOptions(shard_bytes=300_000))
    last = sorted(folder.glob("model-*"))[-1]
    data = bytearray(last.read_bytes())
    data[-1] ^= 1
    last.write_bytes(data)
    with pytest.raises(BadCheckpoint, match=rf"{last.name} is not the file that config\.json"):
        load(folder)
    last.unlink()
    with pytest.raises(MissingData, match=f"lacks {last.name}"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sha256": {}}, "sha256 must be a text or an object"),
        ({"sha256": {"../../other.safetensors": "0"}}, "sha256 must be a text or an object"),
        ({"sha256": {"model-00001-of-00001.safetensors": 3}}, "sha256 must be a text or an object"),
        ({"flow_table": {"entries": 11}}, r"flow_table.codes is \(12,\) instead of \(11,\)"),
        ({"flow_table": {"entries": 0}}, "flow_table must be"),
        ({"flow_table": {"entries": True}}, "flow_table must be"),
        ({"flow_table": [12]}, "flow_table must be"),
        ({"flow_table": {"entries": 12, "more": 1}}, "flow_table must be"),
    ],
)
def test_a_config_that_says_something_else_is_refused(files, tmp_path, change, says):
    folder = convert(files, tmp_path / "mine")
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BadCheckpoint, match=says):
        load(folder)


def test_a_table_that_is_absent_is_built(published, files, tmp_path):
    seen = []
    without = replace(files, flow_table=None)
    folder = convert(without, tmp_path / "mine", report=lambda *step: seen.append(step))
    flow = published.flow
    expected = build_flow_table(lambda codes: flow.denormalise(flow.decode(codes)), 16)
    table = load(folder).flow_table
    assert torch.equal(table.codes, expected.codes)
    assert torch.equal(table.flow, expected.flow)
    assert ("table", 16, 16) in seen
    assert load(folder).training["flow_table"] == "built from the flow quantizer"
    assert "not published with these files" in (folder / "card.md").read_text()


@pytest.mark.gpu
def test_a_table_is_the_same_when_built_on_a_gpu(files, tmp_path):
    without = replace(files, flow_table=None)
    here = load(convert(without, tmp_path / "cpu")).flow_table
    there = load(convert(without, tmp_path / "gpu", ConvertOptions(device="cuda"))).flow_table
    assert torch.equal(here.codes, there.codes)
    assert torch.allclose(here.flow, there.flow, atol=1e-4)


def test_progress_ends_at_its_total(files, tmp_path):
    steps = {}
    convert(files, tmp_path / "mine", report=lambda stage, *counts: steps.update({stage: counts}))
    assert set(steps) == {"checking", "writing"}
    assert all(done == total > 0 for done, total in steps.values())


def test_quantizers_in_half_precision_become_float32(published, files, tmp_path):
    state = {key: value.half() if value.is_floating_point() else value.int()
             for key, value in published.rgb.state_dict().items()}  # fmt: skip
    torch.save({"weights": state}, files.rgb_quantizer)
    quantizer = load(convert(files, tmp_path / "mine")).networks["rgb_quantizer"]
    for key, value in published.rgb.state_dict().items():
        assert quantizer.state_dict()[key].dtype == value.dtype


@pytest.mark.parametrize("layout", [None, {"rows": 4, "columns": 4}, {"rows": 2, "columns": 8}])
def test_quantizers_of_another_vocabulary_are_refused(published, files, tmp_path, layout):
    other = replace(files, flow_quantizer=tmp_path / "other.pt")
    from spelke.models.local_quantizer import LocalQuantizer, flow_quantizer_config

    quantizer = LocalQuantizer(flow_quantizer_config(8, 9))
    torch.save({"model": quantizer.state_dict()}, other.flow_quantizer)
    with pytest.raises(InvalidInput, match=r"no flow predictor of a known layout|the layout has"):
        convert(other, tmp_path / "mine", ConvertOptions(layout=layout))
    assert only(tmp_path) == ["other.pt", "pt"]


def test_a_layout_may_be_given(files, tmp_path):
    given = {"rows": 2, "columns": 8, "rgb_codes": 16, "flow_codes": 16}
    folder = convert(files, tmp_path / "mine", ConvertOptions(layout=given))
    assert load(folder).settings["layout"].items() >= given.items()


@pytest.mark.parametrize("layout", [{"rows": 4}, {"rows": 4, "columns": 4, "x": 1}, {"rows": "a"}])
def test_a_layout_that_is_none_is_refused(files, tmp_path, layout):
    with pytest.raises(InvalidInput, match="a layout has rows, columns"):
        convert(files, tmp_path / "mine", ConvertOptions(layout=layout))


@pytest.mark.parametrize("options", [{"shard_bytes": 0}, {"dtype": torch.int8}])
def test_options_are_checked(options):
    with pytest.raises(InvalidInput, match="must be"):
        ConvertOptions(**options)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_conversion_leaves_nothing_and_runs_again(files, tmp_path, error):
    def stop(stage, done, total):
        if stage == "writing":
            raise error("stop")

    with pytest.raises(error):
        convert(files, tmp_path / "mine", ConvertOptions(shard_bytes=100_000), stop)
    assert only(tmp_path) == ["pt"]
    before = only(convert(files, tmp_path / "mine"))
    with pytest.raises(error):
        convert(files, tmp_path / "mine", ConvertOptions(shard_bytes=100_000), stop)
    assert only(tmp_path) == ["mine", "pt"]
    assert only(tmp_path / "mine") == before
    assert load(tmp_path / "mine").flow_table is not None


def test_leftovers_of_a_killed_run_are_found(tmp_path):
    (tmp_path / ".mine.0a1b2c3d.part").mkdir()
    (tmp_path / ".other.0a1b2c3d.part").mkdir()
    assert leftovers(tmp_path / "mine") == [tmp_path / ".mine.0a1b2c3d.part"]


@pytest.mark.parametrize("name", ["thesis.tex", "config.json", "model.safetensors"])
def test_a_folder_of_something_else_is_left_alone(files, tmp_path, name):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text('{"model_type": "llama"}')
    with pytest.raises(InvalidInput, match="which would be lost"):
        convert(files, tmp_path / "mine")
    assert only(tmp_path / "mine") == [name]


def test_a_disk_that_is_too_small_is_noticed_before_writing(files, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(10**9, 10**9, 10**5)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(Unavailable, match=r"needs 0\.00 GB and 0\.00 GB are free"):
        convert(files, tmp_path / "mine")
    assert only(tmp_path) == ["pt"]


def test_a_file_that_is_no_weights_leaves_nothing(files, tmp_path):
    files.flow_table.write_text("<html>404</html>")
    with pytest.raises(BadFile, match="web page"):
        convert(files, tmp_path / "mine")
    assert only(tmp_path) == ["pt"]


def test_files_are_found_by_their_published_names(files, tmp_path):
    folder = tmp_path / "pt"
    assert find_files(folder) == files
    other = tmp_path / "else.pt"
    assert find_files(folder, rgb_quantizer=other) == replace(files, rgb_quantizer=other)
    files.flow_table.unlink()
    assert find_files(folder).flow_table is None
    (folder / "SpelkeNet7B.pt").touch()
    with pytest.raises(InvalidInput, match=r"SpelkeNet1B\.pt and SpelkeNet7B\.pt; name one"):
        find_files(folder)
    assert find_files(folder, predictor=files.predictor).predictor == files.predictor
    with pytest.raises(MissingData, match="no folder"):
        find_files(tmp_path / "absent")
    with pytest.raises(MissingData, match=r"lacks SpelkeNet1B.pt or SpelkeNet7B.pt \(--predictor"):
        find_files(tmp_path)
    with pytest.raises(MissingData, match=r"no folder was named.*rgb_quantizer.pt \(--rgb-quant"):
        find_files(predictor=files.predictor)


def test_only_a_published_predictor_has_a_place_of_its_own(files, monkeypatch, published):
    with pytest.raises(InvalidInput, match="none of the published predictors"):
        known_folder(files.predictor)
    count = sum(value.numel() for value in published.predictor.state_dict().values())
    record = replace(MODELS["spelkenet-1b"], num_parameters=count)
    monkeypatch.setitem(MODELS, "spelkenet-1b", record)
    assert known_folder(files.predictor) == record.folder
