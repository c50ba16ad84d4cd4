from __future__ import annotations

import json

import pytest

from spelke.cli.main import BAD_INPUT, OK, main
from spelke.models.local_quantizer import LocalQuantizer, flow_quantizer_config
from spelke.weights import save, table
from spelke.weights.table import MODELS


@pytest.fixture
def folder(tmp_path):
    network = LocalQuantizer(flow_quantizer_config(embed_dim=8, num_bits=4))
    return save(
        tmp_path / "mine", "local_quantizer", {"network": network},
        card="# A card\n\nTrained on nothing.", training={"steps": 7},
    )  # fmt: skip


def test_list_names_every_model(capsys):
    assert main(["weights", "list"]) == OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(MODELS)


def test_list_as_json(capsys):
    main(["weights", "list", "--json"])
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["name"] for record in records] == list(MODELS)
    assert all(record["licence"] for record in records)


def test_show_prints_the_card(folder, capsys):
    assert main(["weights", "show", str(folder)]) == OK
    out = capsys.readouterr().out
    assert "architecture  local_quantizer" in out
    assert "Trained on nothing." in out


def test_show_as_json_counts_the_parameters(folder, capsys):
    main(["weights", "show", str(folder), "--json"])
    record = json.loads(capsys.readouterr().out)
    network = LocalQuantizer(flow_quantizer_config(embed_dim=8, num_bits=4))
    assert record["num_parameters"] == sum(value.numel() for value in network.state_dict().values())
    assert record["training"] == {"steps": 7}


def test_a_published_model_says_where_it_is(capsys):
    main(["weights", "show", "spelkenet-1b"])
    out = capsys.readouterr().out
    assert "https://" in out
    assert "SpelkeNet1B.pt" in out
    assert "1.02 G" in out


def test_a_mistyped_name_gets_the_nearest(capsys):
    assert main(["weights", "show", "spelke-tny"]) == BAD_INPUT
    assert "did you mean 'spelke-tiny'" in capsys.readouterr().err


def test_a_model_that_is_missing_is_listed_as_such(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(table, "CHECKPOINTS", tmp_path)
    main(["weights", "list"])
    assert "not installed" in capsys.readouterr().out


def test_no_subcommand_is_bad_input(capsys):
    assert main(["weights"]) == BAD_INPUT
    assert "list, show, fetch, convert" in capsys.readouterr().err
