import dataclasses
import json
import signal

import pytest
import torch
from tests.training.toy import CONFIG, ToyObjective, ToyTask

from spelke.errors import BadFile, Diverged, InvalidInput, Unavailable
from spelke.training import fit as module
from spelke.training.fit import fit
from spelke.training.schedule import learning_rate_factor

CPU = {"accelerator": "cpu"}


def weights(objective):
    return torch.cat([parameter.flatten() for parameter in objective.parameters()])


def state(folder):
    return torch.load(folder / "checkpoint.pt", weights_only=True)


def lines(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The folder and result of a run that never stopped."""
    folder = tmp_path_factory.mktemp("straight")
    return folder, fit(ToyTask(), CONFIG, folder, **CPU)


def assert_same_run(folder, result, straight):
    """Bit for bit: weights, averages, moments; and one line of the log for each that is due."""
    assert torch.equal(weights(result), weights(straight[1]))
    first, second = state(folder), state(straight[0])
    for part in ("objective", "averaged"):
        for name, value in first[part].items():
            assert torch.equal(value, second[part][name]), name
    for number, moments in first["optimizers"][0]["state"].items():
        for name, value in moments.items():
            assert torch.equal(value, second["optimizers"][0]["state"][number][name]), name
    assert first["progress"]["step"] == CONFIG.num_steps


def stopped(folder, step, monkeypatch):
    """A run that stops after `step` steps because its time is over."""
    now = iter([0.0, *(value for _ in range(step) for value in (0.0, 0.0, 0.0))])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(now, 3600.0))
    fit(ToyTask(), CONFIG, folder, max_minutes=1, **CPU)
    monkeypatch.undo()
    return state(folder)["progress"]["step"]


@pytest.mark.parametrize("step", [1, 5, 7])
def test_a_resumed_run_is_the_run_that_never_stopped(straight, tmp_path, monkeypatch, step):
    reached = stopped(tmp_path, step, monkeypatch)
    assert step <= reached <= step + 1
    task = ToyTask()
    result = fit(task, CONFIG, tmp_path, resume=True, **CPU)
    assert task.asked[0] == reached
    assert task.fresh == [False]
    assert_same_run(tmp_path, result, straight)


def test_a_finished_run_resumes_to_itself(straight, tmp_path):
    fit(ToyTask(), CONFIG, tmp_path, **CPU)
    task = ToyTask()
    assert_same_run(tmp_path, fit(task, CONFIG, tmp_path, resume=True, **CPU), straight)
    assert not task.asked


def test_no_time_still_makes_one_step(tmp_path):
    fit(ToyTask(), CONFIG, tmp_path, max_minutes=0, **CPU)
    assert state(tmp_path)["progress"]["step"] == 1
    assert lines(tmp_path)[-1]["step"] == 1


def test_ctrl_c_ends_the_step_saves_and_is_passed_on(straight, tmp_path):
    events = {6: lambda: signal.raise_signal(signal.SIGINT) or 1.0}
    with pytest.raises(KeyboardInterrupt):
        fit(ToyTask(events=events), CONFIG, tmp_path, **CPU)
    assert state(tmp_path)["progress"]["step"] == 7
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert_same_run(tmp_path, fit(ToyTask(), CONFIG, tmp_path, resume=True, **CPU), straight)


def test_a_second_ctrl_c_stops_at_once_and_keeps_the_last_checkpoint(tmp_path):
    def twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(ToyTask(events={7: twice}), CONFIG, tmp_path, **CPU)
    assert state(tmp_path)["progress"]["step"] == 5


def test_an_error_in_the_data_loses_nothing(straight, tmp_path):
    def broken():
        raise BadFile("a shard was replaced")

    with pytest.raises(BadFile, match="replaced"):
        fit(ToyTask(events={8: broken}), CONFIG, tmp_path, **CPU)
    assert state(tmp_path)["progress"]["step"] == 8
    assert_same_run(tmp_path, fit(ToyTask(), CONFIG, tmp_path, resume=True, **CPU), straight)


@pytest.mark.parametrize("scale", [float("nan"), 1e30], ids=["not a number", "infinite"])
def test_a_loss_that_is_no_number_is_divergence_and_the_checkpoint_stays(straight, tmp_path, scale):
    with pytest.raises(Diverged, match="step 7"):
        fit(ToyTask(events={7: lambda: scale}), CONFIG, tmp_path, **CPU)
    assert state(tmp_path)["progress"]["step"] == 5
    assert_same_run(tmp_path, fit(ToyTask(), CONFIG, tmp_path, resume=True, **CPU), straight)


def test_a_finite_loss_with_an_infinite_gradient_is_divergence(tmp_path):
    class Steep(ToyTask):
        def objective(self, fresh=True):
            made = ToyObjective()
            made.line.weight.register_hook(lambda gradient: gradient / 0)
            return made

    with pytest.raises(Diverged, match="gradient"):
        fit(Steep(), CONFIG, tmp_path, **CPU)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_run_is_not_written_over(straight, tmp_path):
    with pytest.raises(InvalidInput, match="resume that run"):
        fit(ToyTask(), CONFIG, straight[0], **CPU)
    with pytest.raises(InvalidInput, match="nothing to resume"):
        fit(ToyTask(), CONFIG, tmp_path / "new", resume=True, **CPU)
    assert not (tmp_path / "new").exists()


def test_a_corrupt_checkpoint_is_a_bad_file(straight, tmp_path):
    whole = (straight[0] / "checkpoint.pt").read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"not a checkpoint"):
        (tmp_path / "checkpoint.pt").write_bytes(content)
        with pytest.raises(BadFile, match="cannot read the checkpoint"):
            fit(ToyTask(), CONFIG, tmp_path, resume=True, **CPU)


def test_another_network_is_refused(tmp_path):
    fit(ToyTask(), CONFIG, tmp_path, max_minutes=0, **CPU)
    with pytest.raises(InvalidInput, match="another network"):
        fit(ToyTask(width=5), CONFIG, tmp_path, resume=True, **CPU)


def test_another_frozen_part_is_refused(tmp_path):
    class Other(ToyTask):
        def objective(self, fresh=True):
            made = ToyObjective()
            torch.nn.init.constant_(made.frozen.weight, 3.0)
            return made

    fit(ToyTask(), CONFIG, tmp_path, max_minutes=0, **CPU)
    with pytest.raises(InvalidInput, match="another frozen"):
        fit(Other(), CONFIG, tmp_path, resume=True, **CPU)


def test_the_schedule_may_change_when_resumed(tmp_path):
    fit(ToyTask(), CONFIG, tmp_path, max_minutes=0, **CPU)
    longer = dataclasses.replace(CONFIG, num_steps=15, learning_rate=0.01, weight_decay=0.5)
    fit(ToyTask(), longer, tmp_path, resume=True, **CPU)
    assert state(tmp_path)["progress"]["step"] == 15
    group = state(tmp_path)["optimizers"][0]["param_groups"][0]
    assert group["weight_decay"] == 0.5
    assert group["lr"] == pytest.approx(0.01 * learning_rate_factor(14, longer))


def test_accumulation_is_a_larger_batch(tmp_path):
    def run(name, batch_size, accumulate):
        task = ToyTask(batch_size, dropout=0.0)
        config = dataclasses.replace(CONFIG, batch_size=batch_size, accumulate=accumulate)
        return weights(fit(task, config, tmp_path / name, **CPU))

    torch.testing.assert_close(run("large", 8, 1), run("small", 2, 4), atol=1e-6, rtol=1e-4)
    assert not torch.allclose(run("other", 2, 1), run("large again", 8, 1), atol=1e-3)


def test_what_is_returned_is_the_average(straight):
    saved = state(straight[0])
    average = {k.removeprefix("module."): v for k, v in saved["averaged"].items()}
    for name, value in straight[1].state_dict().items():
        assert torch.equal(value, average[name])
    assert not torch.equal(average["line.weight"], saved["objective"]["line.weight"])


def test_the_average_by_hand(tmp_path, monkeypatch):
    """The first update copies; later ones remember more and more, up to the decay."""
    seen = []
    original = module._Run.step

    def step(run, batches):
        original(run, batches)
        seen.append(run.objective.line.weight.detach().clone())

    monkeypatch.setattr(module._Run, "step", step)
    config = dataclasses.replace(CONFIG, ema_decay=0.5)
    result = fit(ToyTask(), config, tmp_path, **CPU)
    expected = seen[0]
    for count, value in enumerate(seen[1:], 1):
        share = min(0.5, (1 + count) / (10 + count))
        expected = share * expected + (1 - share) * value
    torch.testing.assert_close(result.line.weight, expected)


def test_it_learns(tmp_path):
    config = dataclasses.replace(CONFIG, num_steps=150)
    fit(ToyTask(dropout=0.0), config, tmp_path, **CPU)
    losses = [line["loss"] for line in lines(tmp_path) if "loss" in line]
    assert losses[-1] < 0.02 * losses[0]


def test_the_log_is_json_lines(straight):
    found = lines(straight[0])
    assert [line["step"] for line in found if "loss" in line] == [4, 8, 12]
    assert [line["step"] for line in found if "held_out/weight" in line] == [6, 12]
    assert all("never" not in line for line in found)
    rates = [line["learning_rate"] for line in found if "loss" in line]
    assert max(rates) <= CONFIG.learning_rate
    assert all(line["seconds"] > 0 for line in found if "seconds" in line)


def test_a_resumed_log_has_every_line_once(straight, tmp_path):
    events = {11: lambda: float("nan")}
    with pytest.raises(Diverged):
        fit(ToyTask(events=events), CONFIG, tmp_path, **CPU)
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 9, "lo')  # the machine went down in the middle of a line
    fit(ToyTask(), CONFIG, tmp_path, resume=True, **CPU)
    kept = [(line["step"], line.get("held_out/weight")) for line in lines(tmp_path)]
    assert kept == [(line["step"], line.get("held_out/weight")) for line in lines(straight[0])]


def test_every_line_is_reported(tmp_path):
    told = []
    fit(ToyTask(), CONFIG, tmp_path, report=told.append, **CPU)
    assert told == lines(tmp_path)


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    from spelke.training import state as state_module

    original = torch.save
    calls = []

    class FullFile:
        def write(self, data):
            raise OSError(28, "No space left on device")

        def flush(self):
            pass

    def save(value, file):
        calls.append(1)
        original(value, file if len(calls) < 2 else FullFile())

    monkeypatch.setattr(state_module.torch, "save", save)
    with pytest.raises(Unavailable, match="no space left"):
        fit(ToyTask(), CONFIG, tmp_path, **CPU)
    assert state(tmp_path)["progress"]["step"] == 5
    assert {path.name for path in tmp_path.iterdir()} == {
        "checkpoint.pt",
        "log.jsonl",
        "tensorboard",
    }


def test_too_little_memory_is_said_before_the_start(tmp_path, monkeypatch):
    from spelke.training import memory

    monkeypatch.setattr(memory, "free_bytes", lambda device: 10)
    with pytest.raises(Unavailable, match="free"):
        fit(ToyTask(), CONFIG, tmp_path, **CPU)


def test_too_large_a_batch_is_said_before_the_start(tmp_path, monkeypatch):
    from spelke.training import memory

    config, task = dataclasses.replace(CONFIG, batch_size=10**6), ToyTask(width=1000)
    monkeypatch.setattr(memory, "free_bytes", lambda device: 10**8)
    with pytest.raises(Unavailable, match=r"step of 1000000 samples.*--batch-size \d+ or less"):
        fit(task, config, tmp_path, **CPU)
    assert not task.asked
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "error",
    [
        lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to"),
    ],
)
def test_no_memory_in_a_step_keeps_the_state_and_names_the_remedy(straight, tmp_path, error):
    def full():
        raise error()

    with pytest.raises(Unavailable, match=r"step 7.*state is saved.*--batch-size.*--accumulate"):
        fit(ToyTask(events={7: full}), CONFIG, tmp_path, **CPU)
    assert state(tmp_path)["progress"]["step"] == 7
    assert_same_run(tmp_path, fit(ToyTask(), CONFIG, tmp_path, resume=True, **CPU), straight)


def test_no_memory_for_an_evaluation_keeps_the_state(straight, tmp_path):
    class Full(ToyTask):
        def evaluate(self, objective, step, folder):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    config = dataclasses.replace(CONFIG, evaluate_every=4)
    with pytest.raises(Unavailable, match=r"evaluating after step 4.*state is saved"):
        fit(Full(), config, tmp_path, **CPU)
    assert state(tmp_path)["progress"]["step"] == 4
    assert_same_run(tmp_path, fit(ToyTask(), CONFIG, tmp_path, resume=True, **CPU), straight)


def test_no_memory_to_begin_is_said_and_changes_nothing(tmp_path):
    class Full(ToyTask):
        def few(self, count):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to")

    with pytest.raises(Unavailable, match=r"not enough memory to begin.*nothing was changed"):
        fit(Full(), CONFIG, tmp_path, **CPU)
    assert not list(tmp_path.iterdir())


def test_half_the_batch_and_twice_the_passes_go_on_with_the_same_samples(tmp_path):
    fit(ToyTask(), dataclasses.replace(CONFIG, num_steps=3), tmp_path, **CPU)
    task = ToyTask(batch_size=2)
    config = dataclasses.replace(CONFIG, batch_size=2, accumulate=2)
    fit(task, config, tmp_path, resume=True, **CPU)
    assert task.asked == list(range(6, 24))


def test_a_gpu_that_is_not_there_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(Unavailable, match="cuda"):
        fit(ToyTask(), CONFIG, tmp_path, accelerator="cuda")
