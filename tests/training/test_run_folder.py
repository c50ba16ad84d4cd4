import dataclasses
import json

import pytest

from spelke.errors import BadFile, InvalidInput
from spelke.training import run_folder
from spelke.training.recipes import find_recipe
from spelke.training.run_folder import (
    check_same_network,
    git_state,
    read_run_config,
    versions,
    write_run_config,
)

RECIPE = find_recipe("spelke-tiny")


def test_the_file_says_what_runs(tmp_path):
    write_run_config(tmp_path / "run", RECIPE, {"num_scenes": 5})
    values = json.loads((tmp_path / "run" / "config.json").read_text())
    assert values["recipe"]["network"]["embed_dim"] == RECIPE.network.embed_dim
    assert values["seed"] == RECIPE.fit.seed
    assert values["num_scenes"] == 5
    assert {"python", "torch", "spelke"} <= set(values["versions"])
    assert values["earlier"] == []
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config.json"]


def test_earlier_calls_are_kept(tmp_path):
    for seed in range(3):
        fit = dataclasses.replace(RECIPE.fit, seed=seed)
        write_run_config(tmp_path, dataclasses.replace(RECIPE, fit=fit), {})
    values = read_run_config(tmp_path)
    assert values["seed"] == 2
    assert [call["seed"] for call in values["earlier"]] == [0, 1]
    assert all("earlier" not in call for call in values["earlier"])


def test_schedules_may_change_and_networks_may_not(tmp_path):
    check_same_network(tmp_path, RECIPE)  # an older run, which has no such file
    write_run_config(tmp_path, RECIPE, {})
    longer = dataclasses.replace(RECIPE.fit, num_steps=9, learning_rate=1e-5, batch_size=3)
    check_same_network(tmp_path, dataclasses.replace(RECIPE, fit=longer))
    deeper = dataclasses.replace(RECIPE.network, depth=RECIPE.network.depth + 1)
    with pytest.raises(InvalidInput, match=r"depth was \d+ and is \d+"):
        check_same_network(tmp_path, dataclasses.replace(RECIPE, network=deeper))
    with pytest.raises(InvalidInput, match=r"'spelke-tiny'.*'flow-quantizer'.* and \d+ more"):
        check_same_network(tmp_path, find_recipe("flow-quantizer"))


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 1}', '{"schema": 7, "recipe": {}}'])
def test_files_of_another_kind_are_refused(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(BadFile, match=r"config\.json"):
        read_run_config(tmp_path)


def test_versions_leave_out_what_is_absent(monkeypatch):
    monkeypatch.setattr(run_folder, "_PACKAGES", ("torch", "no-such-package"))
    assert set(versions()) == {"python", "torch"}


def test_git_state_is_that_of_a_checkout_or_nothing(monkeypatch):
    answers = {"ls-files": "", "status": " M file.py", "rev-parse": "abc"}
    monkeypatch.setattr(run_folder, "_git", lambda folder, verb, *rest: answers[verb])
    assert git_state() == {"commit": "abc", "has_changes": True}
    monkeypatch.setattr(run_folder, "_git", lambda *arguments: None)
    assert git_state() is None


def test_without_git_there_is_no_state(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state() is None
