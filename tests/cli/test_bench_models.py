"""`spelke bench models`."""

import json

import pytest

from spelke.benchmarks.load_segmenter import _find_class, load_segmenter
from spelke.benchmarks.segmenters.table import BUILT_IN
from spelke.cli.main import main
from spelke.errors import InvalidInput


def test_people_see_every_model_and_what_it_needs(capsys):
    assert main(["bench", "models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(BUILT_IN)
    sam = next(line for line in lines if line.startswith("sam "))
    assert "'spelke[baselines]'" in sam
    assert "sam=facebook/sam-vit-huge" in sam


def test_programs_get_an_object_for_each(capsys):
    assert main(["bench", "models", "--json"]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["name"] for one in listed] == list(BUILT_IN)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_listed_class_is_there(name):
    assert _find_class(BUILT_IN[name].place).run_inference


@pytest.mark.parametrize("name", [name for name, one in BUILT_IN.items() if not one.weights])
def test_what_needs_no_weights_is_ready_under_its_name(name):
    assert load_segmenter(name).name == name


@pytest.mark.parametrize("name", [name for name, one in BUILT_IN.items() if one.weights])
def test_what_needs_weights_says_how_to_name_them(name):
    with pytest.raises(InvalidInput, match=f"write {name}="):
        load_segmenter(name)
