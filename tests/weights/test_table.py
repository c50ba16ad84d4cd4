from __future__ import annotations

import re

import pytest

from spelke.errors import UnknownName
from spelke.weights import table
from spelke.weights.architectures import ARCHITECTURES
from spelke.weights.table import DEFAULT_MODEL, MODELS, find_model, named_folder, shipped_names


def test_every_record_is_complete():
    for name, record in MODELS.items():
        assert name == record.name == find_model(name).name
        assert record.architecture in ARCHITECTURES
        assert record.licence
        assert record.summary.endswith(".")
        assert re.search(r"\b(19|20)\d\d\b", record.paper)
        assert len(record.sha256) in (0, len(record.files))


def test_the_default_ships():
    assert DEFAULT_MODEL in shipped_names()


def test_published_models_are_at_a_public_address_and_nowhere_here():
    for name in ("spelkenet-1b", "spelkenet-7b"):
        assert MODELS[name].where.startswith("https://")
        assert not MODELS[name].folder.is_relative_to(table.CHECKPOINTS)


def test_names_are_exact():
    with pytest.raises(UnknownName, match="did you mean 'spelke-small'"):
        find_model("Spelke-Small")
    with pytest.raises(UnknownName, match="no model is called 'sam2'; `spelke weights list`"):
        find_model("sam2")


def test_a_shipped_model_that_is_not_there_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(table, "CHECKPOINTS", tmp_path)
    with pytest.raises(table.Unavailable, match="install Spelke again"):
        named_folder("spelke-tiny")
