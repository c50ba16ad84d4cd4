from __future__ import annotations

import argparse
import builtins
import os
import pickle
import subprocess
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from spelke.errors import BadFile, MissingData
from spelke.weights.inert import Ignored, InertArray
from spelke.weights.pickles import read_pickle


class Calls:
    """An object whose unpickling calls a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def attacks(trace):
    return {
        "shell": Calls(os.system, f"touch {trace}"),
        "process": Calls(subprocess.Popen, ["touch", str(trace)]),
        "eval": Calls(eval, f"open({str(trace)!r}, 'w')"),
        "exec": Calls(exec, f"open({str(trace)!r}, 'w')"),
        "open": Calls(open, str(trace), "w"),
        "attribute": Calls(getattr, "text", "upper"),
        "numpy": Calls(np.load, str(trace), None, True),
        "torch": Calls(torch.load, str(trace)),
        "hub": Calls(torch.hub.load, "a/b", "c"),
    }


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize("place", ["alone", "beside tensors", "in the table"])
@pytest.mark.parametrize("name", list(attacks("")))
def test_code_in_a_file_is_refused_and_not_run(tmp_path, name, place, zipped):
    trace, path = tmp_path / "trace", tmp_path / "bad.pt"
    attack = attacks(trace)[name]
    content = {
        "alone": attack,
        "beside tensors": {"model": {"a": torch.zeros(2)}, "args": attack},
        "in the table": {1: np.zeros((4, 4, 2)), 2: attack},
    }[place]
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(BadFile, match=r"was refused.*Nothing of it was run") as caught:
        read_pickle(path)
    assert any(word in str(caught.value) for word in attack.call[0].__name__.split())
    assert not trace.exists()


@pytest.mark.parametrize("protocol", range(6))
def test_a_bare_pickle_is_refused_and_not_run(tmp_path, protocol):
    trace, path = tmp_path / "trace", tmp_path / "bad.pt"
    path.write_bytes(pickle.dumps(Calls(os.system, f"touch {trace}"), protocol=protocol))
    with pytest.raises(BadFile):
        read_pickle(path)
    assert not trace.exists()


def test_a_class_of_the_publishers_package_is_named(tmp_path):
    class Config:
        pass

    Config.__module__, Config.__qualname__ = "builtins", "Config"
    builtins.Config = Config  # type: ignore[attr-defined]
    try:
        torch.save({"cfg": Config()}, tmp_path / "a.pt")
    finally:
        del builtins.Config  # type: ignore[attr-defined]
    with pytest.raises(BadFile, match="Config"):
        read_pickle(tmp_path / "a.pt")


@pytest.mark.parametrize("zipped", [True, False])
def test_what_weights_consist_of_is_read(tmp_path, zipped):
    content = {
        "model": OrderedDict(
            a=torch.arange(6.0).reshape(2, 3), b=torch.nn.Parameter(torch.ones(2))
        ),
        "cfg": {"betas": (0.9, 0.95), "blocks": [(1, 2)], "name": "x", "none": None, "yes": True},
        "args": argparse.Namespace(out=tmp_path, nested=argparse.Namespace(a=1)),
        "best": np.float32(0.5),
        3: np.arange(4),
    }
    path = tmp_path / "a.pt"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    found = read_pickle(path)
    assert torch.equal(found["model"]["a"], content["model"]["a"])
    assert found["cfg"] == content["cfg"]
    assert found["best"] == 0.5
    assert isinstance(found["args"], Ignored)
    assert isinstance(found[3], InertArray)
    assert found[3].to_numpy().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("keep", [0, 1, 100, -1, -30, -5000])
def test_a_truncated_file_says_so(tmp_path, keep):
    path = tmp_path / "a.pt"
    torch.save({"model": {"a": torch.zeros(5000)}}, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadFile, match=r"is empty|truncated|unknown format") as caught:
        read_pickle(path)
    assert "fetch it again" in str(caught.value)


@pytest.mark.parametrize("keep", [20, 200, -3000])
def test_a_truncated_file_of_the_old_format_says_so(tmp_path, keep):
    path = tmp_path / "a.pt"
    torch.save({"model": {"a": torch.zeros(5000)}}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadFile, match="truncated, corrupt"):
        read_pickle(path)


def test_files_of_other_kinds_are_named(tmp_path):
    path = tmp_path / "a.pt"
    path.write_text("<!DOCTYPE html><html><body>403 Forbidden</body></html>")
    with pytest.raises(BadFile, match=r"web page of 54 bytes.*403 Forbidden"):
        read_pickle(path)
    path.write_text("<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>")
    with pytest.raises(BadFile, match=r"web page.*NoSuchKey"):
        read_pickle(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("photos/one.jpg", b"x")
    with pytest.raises(BadFile, match=r"a zip archive that holds photos/one\.jpg"):
        read_pickle(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"x")
        archive.writestr("archive/constants.pkl", b"x")
    with pytest.raises(BadFile, match="a TorchScript program"):
        read_pickle(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(BadFile, match="safetensors format"):
        read_pickle(path)
    path.write_bytes(b"MZ\x90\x00 and so on")
    with pytest.raises(BadFile, match="unknown format, beginning with b'MZ"):
        read_pickle(path)
    with pytest.raises(BadFile, match="is a folder"):
        read_pickle(tmp_path)
    with pytest.raises(MissingData, match="there is no file"):
        read_pickle(tmp_path / "absent.pt")
