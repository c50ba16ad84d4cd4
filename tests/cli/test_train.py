from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from unittest import mock

import pytest
import torch
from tests.training.scenes import hand_made_scene

from spelke.cli.main import BAD_INPUT, OK, main
from spelke.data.worlds import write_shard
from spelke.training import run
from spelke.training.codec import QuantizerObjective
from spelke.training.recipes import RECIPES, find_recipe


@pytest.fixture
def calls(monkeypatch):
    """What reaches the training, which then logs one line and ends."""
    made = []

    def train(recipe, data, out, *, report, **options):
        made.append((recipe, data, out, options))
        report({"step": 2, "loss": 1.25})
        return out / recipe.name

    monkeypatch.setattr(run, "train", train)
    return made


def test_the_recipe_and_its_places_reach_the_training(calls, tmp_path, capsys):
    out = tmp_path / "run"
    arguments = ["train", "spelke-tiny", "--data", str(tmp_path), "--out", str(out), "--resume"]
    assert main([*arguments, "--max-minutes", "3", "--quantizer", "spelke-tiny"]) == OK
    [(recipe, data, folder, options)] = calls
    assert recipe == find_recipe("spelke-tiny")
    assert (data, folder) == (tmp_path, out)
    expected = {"quantizer": "spelke-tiny", "max_minutes": 3.0, "resume": True, "held_out": None}
    assert expected.items() <= options.items()
    captured = capsys.readouterr()
    assert captured.out == f"{out / 'spelke-tiny'}\n"
    assert captured.err == f"step 2/{recipe.fit.num_steps}  loss 1.25\n"


def test_schedule_and_colours_can_be_changed_and_nothing_else(calls, tmp_path):
    changes = ["--num-steps", "7", "--seed", "5", "--batch-size", "2", "--num-workers", "0"]
    changes += ["--learning-rate", "0.001", "--cycles", "2", "--start", "mine"]
    changes += ["--swapped-colours", "0.25"]
    main(["train", "spelke-tiny", "--data", str(tmp_path), *changes])
    recipe, _, out, options = calls[0]
    assert options["start"] == "mine"
    before = find_recipe("spelke-tiny")
    changed = {"num_steps": 7, "cycles": 2, "seed": 5, "batch_size": 2, "learning_rate": 0.001}
    fit = dataclasses.replace(before.fit, **changed)
    samples = dataclasses.replace(before.samples, swapped_colours=0.25)
    assert recipe == dataclasses.replace(before, fit=fit, samples=samples, num_workers=0)
    assert str(out) == "runs/spelke-tiny"


def test_all_parts_reach_the_training(calls, tmp_path):
    arguments = ["train", "lras-tiny", "--data", str(tmp_path), "--held-out", "held"]
    codecs = ["--quantizer", "flow", "--rgb-quantizer", "rgb"]
    assert main([*arguments, *codecs, "--skip-bad-shards", "--accelerator", "cpu"]) == OK
    assert calls[0][3] == {
        "held_out": Path("held"), "quantizer": "flow", "rgb_quantizer": "rgb", "start": None,
        "max_minutes": None, "resume": False, "skip_bad_shards": True, "accelerator": "cpu",
    }  # fmt: skip


@pytest.mark.parametrize("option", ["--batch-size", "--num-workers"])
def test_sizes_that_cannot_be_are_bad_input(calls, tmp_path, capsys, option):
    assert main(["train", "spelke-tiny", "--data", str(tmp_path), option, "-1"]) == BAD_INPUT
    assert option.strip("-").replace("-", "_") in capsys.readouterr().err.replace("-", "_")
    assert not calls


@pytest.mark.slow
def test_a_quantizer_from_shards_on_the_command_line(tmp_path, capsys):
    """Stop, go on, evaluate with a picture: what a user types, at toy size."""
    write_shard(
        tmp_path / "shards" / "a.tar", [("a", hand_made_scene(0)), ("b", hand_made_scene(1))]
    )
    arguments = [
        "train", "flow-quantizer", "--data", tmp_path / "shards", "--out", tmp_path / "run",
        "--held-out", tmp_path / "shards", "--num-steps", "2", "--batch-size", "1",
        "--num-workers", "0", "--accelerator", "cpu",
    ]  # fmt: skip
    arguments = [str(argument) for argument in arguments]
    assert main([*arguments, "--max-minutes", "0"]) == OK
    assert "step 1/2" in capsys.readouterr().err
    assert main([*arguments, "--resume"]) == OK
    captured = capsys.readouterr()
    assert "step 2/2" in captured.err
    assert "held_out/end_point_error" in captured.err
    assert captured.out == f"{tmp_path / 'run' / 'flow-quantizer'}\n"
    assert (tmp_path / "run" / "pictures" / "step-000002.png").exists()
    assert main(arguments) == BAD_INPUT


@pytest.fixture
def toy(tmp_path):
    """The command of a training that takes two steps, from two shards."""
    for name, number in (("a", 0), ("b", 1)):
        write_shard(tmp_path / "shards" / f"{name}.tar", [(name, hand_made_scene(number))])
    arguments = [
        "train", "flow-quantizer", "--data", tmp_path / "shards", "--out", tmp_path / "run",
        "--num-steps", "2", "--batch-size", "1", "--num-workers", "0", "--accelerator", "cpu",
    ]  # fmt: skip
    return [str(argument) for argument in arguments]


def damaged(folder, how):
    path = folder / "b.tar"
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:2000])
    elif how == "of another schema":
        with mock.patch("spelke.data.world_records.SCHEMA", 99):
            write_shard(path, [("b", hand_made_scene(1))])
    else:  # a file that is still being written has another name
        path.rename(folder / ".b.tar.1234.part")


@pytest.mark.parametrize("how", ["truncated", "of another schema"])
def test_an_unusable_shard_stops_or_is_left_out_by_name(toy, tmp_path, capsys, how):
    damaged(tmp_path / "shards", how)
    assert main(toy) == BAD_INPUT
    said = capsys.readouterr().err
    assert "b.tar" in said
    assert "--skip-bad-shards" in said
    assert not (tmp_path / "run").exists()
    assert main([*toy, "--skip-bad-shards", "--max-minutes", "0"]) == OK
    facts = json.loads((tmp_path / "run" / "config.json").read_text())
    assert facts["skipped_shards"] == ["b.tar"]
    assert main([*toy, "--resume", "--skip-bad-shards"]) == OK


def test_a_shard_that_is_being_written_is_no_shard(toy, tmp_path):
    damaged(tmp_path / "shards", "half-written")
    assert main([*toy, "--max-minutes", "0"]) == OK
    assert json.loads((tmp_path / "run" / "config.json").read_text())["num_scenes"] == 1


def test_what_does_not_fit_is_said_before_it_starts(toy, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("spelke.training.memory.free_bytes", lambda device: 5_000_000)
    assert main(toy) == BAD_INPUT
    said = capsys.readouterr().err
    assert "estimated" in said
    assert "GB free" in said
    assert not (tmp_path / "run" / "checkpoint.pt").exists()
    monkeypatch.undo()
    assert main(toy) == OK


@pytest.mark.slow
def test_no_memory_in_a_step_can_be_resumed_with_smaller_batches(toy, tmp_path, capsys):
    forward, calls = QuantizerObjective.forward, []

    def full(self, batch):
        calls.append(len(batch.image))
        if calls.count(4) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return forward(self, batch)

    with mock.patch.object(QuantizerObjective, "forward", full):
        assert main([*toy, "--batch-size", "4"]) == BAD_INPUT
    said = capsys.readouterr().err
    assert "ran out of memory in step 1 with 4 samples" in said
    assert "--batch-size" in said
    assert main([*toy, "--resume", "--batch-size", "2", "--accumulate", "2"]) == OK
    assert "step 2/2" in capsys.readouterr().err


@pytest.mark.slow
def test_a_loss_that_is_no_number_stops_and_the_last_state_goes_on(toy, tmp_path, capsys):
    forward = QuantizerObjective.forward

    def broken(self, batch):
        loss, metrics = forward(self, batch)
        return loss * float("nan"), metrics

    with mock.patch.object(QuantizerObjective, "forward", broken):
        assert main(toy) == BAD_INPUT
        assert "nothing was saved yet" in capsys.readouterr().err
    assert main([*toy, "--max-minutes", "0"]) == OK
    with mock.patch.object(QuantizerObjective, "forward", broken):
        assert main([*toy, "--resume"]) == BAD_INPUT
        assert "the loss became nan at step 1; the last checkpoint is kept" in (
            capsys.readouterr().err
        )
    assert main([*toy, "--resume"]) == OK


def test_json_is_the_log_alone(calls, tmp_path, capsys):
    main(["train", "spelke-tiny", "--data", str(tmp_path), "--json"])
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"step": 2, "loss": 1.25}
    assert "spelke-tiny" in captured.err


def test_without_a_recipe_all_are_listed(capsys):
    assert main(["train"]) == OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(RECIPES)
    assert all(len(line.split()) > 3 for line in lines)


def test_an_unknown_recipe_is_bad_input(calls, capsys):
    assert main(["train", "spelke-huge", "--data", "x"]) == BAD_INPUT
    assert "spelke-huge" in capsys.readouterr().err
    assert not calls


def test_no_data_is_bad_input(calls, capsys):
    assert main(["train", "spelke-tiny"]) == BAD_INPUT
    assert "spelke worlds make" in capsys.readouterr().err


def test_a_schedule_that_cannot_be_is_bad_input(calls, capsys):
    assert main(["train", "spelke-tiny", "--data", "x", "--num-steps", "0"]) == BAD_INPUT
    assert "num_steps" in capsys.readouterr().err


def test_a_missing_library_has_an_install_line(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "spelke.training.run")
    monkeypatch.setitem(sys.modules, "spelke.training.fit", None)
    assert main(["train", "spelke-tiny", "--data", "x"]) == BAD_INPUT
    assert "pip install 'spelke[train]'" in capsys.readouterr().err
