"""From published files to a model that is asked by its name, through the command line."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.recipes import golden, published_model
from tests.weights.published_format import Published, described, tiny_published
from tests.weights.server import serve

import spelke
from spelke.cli.main import BAD_INPUT, OK, main
from spelke.rollout.base import Ask, Query
from spelke.weights import load
from spelke.weights.home import downloads, home
from spelke.weights.table import MODELS


@pytest.fixture
def tiny(tmp_path):
    """A folder of tiny published files."""
    tiny_published().write(tmp_path / "pt")
    return tmp_path / "pt"


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache, and a table in which spelkenet-1b has as few parameters as the tiny one."""
    monkeypatch.setenv("SPELKE_HOME", str(tmp_path / "home"))
    count = sum(value.numel() for value in tiny_published().predictor.state_dict().values())
    record = replace(MODELS["spelkenet-1b"], num_parameters=count, size_mb=1.0)
    monkeypatch.setitem(MODELS, "spelkenet-1b", record)
    return tmp_path / "home"


def test_the_recorded_predictor_comes_through_unchanged(tmp_path, capsys):
    """Published files of the predictor of the goldens give its weights, table and numbers."""
    model, arrays = published_model(), golden("predictor_real_layout_recipe")
    entries = zip(arrays["token_ids"].tolist(), arrays["token_flow"], strict=True)
    published = Published(
        model.network,
        model.rgb_quantizer,
        model.flow_quantizer,
        dict(entries),
        described(model.network.config),
    )
    published.write(tmp_path / "pt")
    out = tmp_path / "recorded"
    arguments = ["weights", "convert", str(tmp_path / "pt"), "--out", str(out)]
    assert main([*arguments, "--shard-size", "0.03"]) == OK
    assert capsys.readouterr().out.strip() == str(out)

    checkpoint = load(out)
    assert len(list(out.glob("model-*.safetensors"))) == 4
    assert checkpoint.settings == {}
    for name in ("network", "rgb_quantizer", "flow_quantizer"):
        original = getattr(model, name).state_dict()
        for key, value in checkpoint.networks[name].state_dict().items():
            assert torch.equal(value, original[key]), key
    assert torch.equal(checkpoint.flow_table.codes, model.flow_table.codes)
    assert torch.equal(checkpoint.flow_table.flow, model.flow_table.flow)

    converted = spelke.load(out, device="cpu", parity="reference").world_model
    image = torch.from_numpy(arrays["image_u8"]).permute(2, 0, 1)[None] / 255
    [glance] = converted.look(image)
    [affordance] = converted.motion_affordance([Ask(glance, Query(()))])
    recorded = 1 - arrays["fp32/affordance/prob_no_motion"]
    np.testing.assert_allclose(affordance.numpy(), recorded, atol=1e-5)


def test_a_fetched_model_is_ready_by_its_name(tiny, cache, monkeypatch, capsys):
    main(["weights", "list", "--json"])
    before = {record["name"]: record for record in map(json.loads, _lines(capsys))}
    assert before["spelkenet-1b"]["status"] == "published"
    with serve() as shelf:
        shelf.files |= {path.name: path.read_bytes() for path in tiny.iterdir()}
        record = replace(MODELS["spelkenet-1b"], where=shelf.address)
        monkeypatch.setitem(MODELS, record.name, record)
        assert main(["weights", "fetch", "spelkenet-1b"]) == OK
    said = capsys.readouterr()
    assert said.out.strip() == str(home() / "models" / "spelkenet-1b")
    assert "unverified" in said.err
    kept = {path.name for path in downloads().iterdir()}
    assert kept == set(record.files) - {"SpelkeNet1B.pt"}
    assert load("spelkenet-1b").flow_table is not None

    main(["weights", "show", "spelkenet-1b"])
    shown = capsys.readouterr().out
    assert "status        ready" in shown
    assert "converted from the files" in shown
    assert main(["weights", "fetch", "spelkenet-1b"]) == OK  # nothing is asked of the server
    assert "is ready in" in capsys.readouterr().err
    (home() / "models" / "spelkenet-1b" / "config.json").write_text("{")
    main(["weights", "list", "--json"])
    after = {record["name"]: record for record in map(json.loads, _lines(capsys))}
    assert after["spelkenet-1b"]["status"] == "damaged"


def _lines(capsys):
    return capsys.readouterr().out.splitlines()


def test_only_downloading_keeps_all(tiny, cache, monkeypatch, capsys, tmp_path):
    with serve() as shelf:
        shelf.files |= {path.name: path.read_bytes() for path in tiny.iterdir()}
        record = replace(MODELS["spelkenet-1b"], where=shelf.address)
        monkeypatch.setitem(MODELS, record.name, record)
        out = str(tmp_path / "mine")
        assert main(["weights", "fetch", "spelkenet-1b", "--no-convert", "--out", out]) == OK
    assert capsys.readouterr().out.strip() == out
    assert {path.name for path in (tmp_path / "mine").iterdir()} == set(record.files)
    assert not cache.exists()
    # By hand, the published name of the file is enough to find the place.
    assert main(["weights", "convert", out, "--dtype", "bfloat16"]) == OK
    assert load("spelkenet-1b").training["dtype"] == "bfloat16"
    assert (tmp_path / "mine" / "SpelkeNet1B.pt").exists()


def test_without_a_connection_it_says_what_to_do(cache, monkeypatch, capsys):
    with serve() as shelf:
        address = shelf.address
    monkeypatch.setattr("spelke.weights.download.time.sleep", lambda _: None)
    record = replace(MODELS["spelkenet-1b"], where=address)
    monkeypatch.setitem(MODELS, record.name, record)
    assert main(["weights", "fetch", "spelkenet-1b"]) == BAD_INPUT
    said = capsys.readouterr().err
    assert "could not fetch" in said
    assert "Connection refused, 5 times in a row" in said
    assert "spelke weights convert DIR" in said


def test_files_may_be_named_one_by_one(tiny, tmp_path, capsys):
    (tiny / "SpelkeNet1B.pt").rename(tiny / "mine.pt")
    named = ["--predictor", "mine.pt", "--rgb-quantizer", "rgb_quantizer.pt",
             "--flow-quantizer", "flow_quantizer.pt"]  # fmt: skip
    named = [str(tiny / word) if word.endswith(".pt") else word for word in named]
    out = str(tmp_path / "out")
    layout = ["--layout", '{"rows": 4, "columns": 4, "rgb_codes": 16, "flow_codes": 16}']
    assert main(["weights", "convert", *named, "--out", out, *layout]) == OK
    assert "it is built from the flow quantizer (about 46 TFLOP" in capsys.readouterr().err
    assert len(load(out).flow_table.codes) == 16


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "no folder was named, so these are needed: SpelkeNet1B.pt or SpelkeNet7B.pt"),
        (["{pt}"], "none of the published predictors"),
        (["{pt}/absent", "--out", "x"], "there is no folder"),
        (["{pt}", "--out", "x", "--layout", "4x4"], "--layout must be a JSON object"),
        (["{pt}", "--out", "x", "--shard-size", "0"], "shard_bytes must be positive"),
        (["{pt}", "--out", "x", "--num-heads", "3"], "num_heads=3 was given"),
        (["{pt}", "--out", "{pt}"], "which would be lost"),
        (["{pt}", "--out", "x", "--table", "absent.pt"], "there is no file absent.pt"),
    ],
)
def test_what_cannot_be_converted_says_why(tiny, capsys, monkeypatch, arguments, says):
    monkeypatch.chdir(tiny.parent)
    assert main(["weights", "convert", *(word.format(pt=tiny) for word in arguments)]) == BAD_INPUT
    assert says in capsys.readouterr().err
    assert [path.name for path in tiny.parent.iterdir()] == ["pt"]


def test_a_malicious_file_is_refused(tiny, tmp_path, capsys):
    class Evil:
        def __reduce__(self):
            return eval, (f"open({str(tmp_path / 'trace')!r}, 'w')",)

    path = tiny / "SpelkeNet1B.pt"
    torch.save({"model": {}, "args": Evil()}, path)
    assert main(["weights", "convert", str(tiny), "--out", str(tmp_path / "out")]) == BAD_INPUT
    said = capsys.readouterr().err
    assert "was refused: it wants to call or build 'eval'" in said
    assert not (tmp_path / "trace").exists()
    assert not (tmp_path / "out").exists()


def test_ctrl_c_leaves_nothing_under_the_name(tiny, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("spelke.weights.convert.write_words", stop)
    assert main(["weights", "convert", str(tiny), "--out", str(tmp_path / "out")]) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["pt"]


def test_what_a_killed_run_left_is_pointed_out(tiny, tmp_path, capsys):
    (tmp_path / ".out.01234567.part").mkdir()
    assert main(["weights", "convert", str(tiny), "--out", str(tmp_path / "out")]) == OK
    assert ".out.01234567.part is left of an interrupted run" in capsys.readouterr().err
