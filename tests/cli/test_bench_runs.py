"""`spelke bench run|inspect` and the three published commands, as a newcomer would use them."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from spelke.benchmarks.inspection import Inspection
from spelke.benchmarks.prediction_folder import PredictionFolder
from spelke.benchmarks.segment_metrics import score_image
from spelke.cli import spelkebench
from spelke.cli.bench_runs import parse_options
from spelke.cli.cluster import parse_shard
from spelke.cli.main import main
from spelke.data.spelkebench import SpelkeBenchFile, write_spelkebench
from spelke.data.test_item import TestItem
from spelke.errors import InvalidInput

MODEL = """
import numpy as np
import os
import time

class YourSegmentationModel:
    def __init__(self, radius=6, pause=0.0):
        self.radius, self.pause = radius, pause

    def run_inference(self, input_image, poke_point):
        print("a model may print")
        if os.environ.get("SLOW"):
            time.sleep(0.2)
        if input_image[0, 0, 0] == 1:
            raise RuntimeError("no luck")
        rows, columns = np.mgrid[: input_image.shape[0], : input_image.shape[1]]
        x, y = poke_point
        return ((columns - x) ** 2 + (rows - y) ** 2 < self.radius**2).astype(int)
"""


@pytest.fixture
def user(tmp_path, monkeypatch):
    """A user's folder with a model and a data set of six pictures."""
    (tmp_path / "your_model.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    write_spelkebench(tmp_path / "set.h5", [draw(f"entityseg_{i}", i) for i in range(6)])
    yield tmp_path
    sys.modules.pop("your_model", None)
    sys.path[:] = [place for place in sys.path if place != str(tmp_path)]


def draw(key, seed):
    generator = np.random.default_rng(seed)
    image = generator.integers(90, 110, (40, 48, 3), np.uint8)
    masks = np.zeros((2, 40, 48), bool)
    points = []
    for index, mask in enumerate(masks):
        top, left = np.add(generator.integers(2, 10, 2), (0, 24 * index))
        mask[top : top + 12, left : left + 10] = True
        image[mask] = generator.integers(0, 256, 3)
        points.append((left + 5, top + 6))
    return TestItem(key, "entityseg", image, np.array(points), masks, np.zeros_like(masks), masks)


def run(*arguments):
    return main(["bench", "run", *map(str, arguments)])


HERE = ("--workers", 0, "--device", "cpu")


def test_a_model_of_a_user_is_asked_and_scored_with_the_published_commands(user, capfd):
    model = ("--model_name", "your_model.YourSegmentationModel")
    names = ("--img_names", "entityseg_1", "entityseg_4")
    paths = ("--dataset_path", "set.h5", "--output_dir", "results")
    assert spelkebench.infer([*model, *paths, "--device", "cpu", *names]) == 0
    captured = capfd.readouterr()
    assert captured.out == ""  # what the model prints is not a result
    assert "a model may print" in captured.err
    assert PredictionFolder("results").keys() == ["entityseg_1", "entityseg_4"]
    arguments = ["--input_dir", "results", "--output_dir", "metrics"]
    assert spelkebench.evaluate([*arguments, "--pictures"]) == 0
    scores = [
        score_image(one.truths, one.masks) for one in PredictionFolder("results").predictions()
    ]
    recall = np.mean([score.average_recall for score in scores])
    overlap = np.mean([score.mean_iou for score in scores])
    assert capfd.readouterr().out.splitlines() == [
        f"AP: {recall:.4f}",
        f"AR: {recall:.4f}",
        f"mIoU: {overlap:.4f}",
        "images: 2",
    ]
    assert {path.name for path in (user / "metrics").iterdir()} == {
        "metrics.json",
        "entityseg_1_viz.png",
        "entityseg_4_viz.png",
    }
    # With the data set, what was not asked counts.
    assert spelkebench.evaluate([*arguments, "--dataset_path", "set.h5"]) == 1
    assert f"mIoU: {overlap * 2 / 6:.4f}" in capfd.readouterr().out
    assert json.loads((user / "metrics" / "metrics.json").read_text())["AR"] == recall / 3


def test_the_published_numbers_come_out_for_the_published_files(tmp_path, capsys, monkeypatch):
    """The golden arrays in files as the published program writes them."""
    monkeypatch.chdir(tmp_path)
    golden = np.load(os.path.join(os.path.dirname(__file__), *GOLDEN))
    (tmp_path / "results").mkdir()
    for index in range(6):
        with h5py.File(tmp_path / "results" / f"k{index}.h5", "w") as file:
            for name in ("segments", "segment_gt"):
                file[name] = golden[f"gt{index}"]
            file["segment_pred"] = golden[f"pred{index}"]
    assert spelkebench.evaluate(["--input_dir", "results", "--output_dir", "m"]) == 0
    rows = json.loads((tmp_path / "m" / "metrics.json").read_text())["images"]
    for index, row in enumerate(rows):
        for name in ("AP", "AR", "mIoU"):
            assert row[name] == pytest.approx(float(golden[f"{name}{index}"]), abs=1e-12)
    means = [np.mean([golden[f"{name}{i}"] for i in range(6)]) for name in ("AP", "AR", "mIoU")]
    printed = [line.split(": ")[1] for line in capsys.readouterr().out.splitlines()[:3]]
    assert printed == [f"{mean:.4f}" for mean in means]


GOLDEN = ("..", "golden", "spelkenet", "metrics_ap_ar.npz")


def test_a_run_says_what_became_of_every_picture_and_its_exit_status(user, capsys):
    bad = draw("entityseg_9", 9)
    bad.image[0, 0] = 1
    write_spelkebench("bad.h5", [draw("entityseg_1", 1), bad])
    arguments = ("your_model:YourSegmentationModel", "bad.h5", "--out", "o", *HERE)
    assert run(*arguments, "--json") == 1
    captured = capsys.readouterr()
    outcome = json.loads(captured.out.splitlines()[-1])
    assert outcome["answered"] == ["entityseg_1"]
    assert outcome["failed"] == {"entityseg_9": "RuntimeError: no luck"}
    assert "1 answered, 0 kept from before, 1 failed, 0 unusable" in captured.err
    assert "no luck" in (user / "o" / "failed" / "entityseg_9.txt").read_text()


def test_unknown_and_repeated_names_are_said_and_the_rest_is_done(user, capsys):
    model = ("disc", "set.h5", "--out", "o", *HERE)
    assert run(*model, "--images", "entityseg_1", "nobody", "entityseg_1") == 1
    errors = capsys.readouterr().err
    assert "set.h5 holds no picture 'nobody'" in errors
    assert "named more than once, asked once: entityseg_1" in errors
    assert "1 answered" in errors
    assert run(*model, "--images", "nobody") == 2


def test_shards_make_the_whole_and_options_reach_the_constructor(user, capsys):
    model = ("your_model:YourSegmentationModel", "set.h5")
    for index in range(3):
        shard = ("--shard", f"{index}/3", "--out", "parts", "--option", "radius=5")
        assert run(*model, *shard, *HERE) == 0
    assert len(PredictionFolder("parts").keys()) == 6
    one = next(PredictionFolder("parts").predictions())
    assert one.masks is not None
    assert 60 < one.masks[0].sum() < 80  # a disc of radius 5
    capsys.readouterr()
    assert run(*model, "--out", "parts", *HERE) == 0  # another radius is another model
    assert "all is asked again" in capsys.readouterr().err


def test_wrong_arguments_give_exit_2_and_say_what_is_accepted(user, capsys):
    def refused(*arguments):
        assert run(*arguments) == 2
        return capsys.readouterr().err

    start = ("disc", "set.h5", "--out", "o")
    assert "0/4 to 3/4" in refused(*start, "--shard", "1-4")
    assert "no part 4 of 4" in refused(*start, "--shard", "4/4")
    assert "needs a process" in refused(*start, "--workers", 0, "--timeout", 5)
    assert "NAME=VALUE" in refused(*start, "--option", "radius")
    assert "no SpelkeBench file" in refused("disc", "none.h5", "--out", "o")
    assert "no module" in refused("nowhere.Model", "set.h5", "--out", "o", *HERE)
    assert "has no Other" in refused("your_model:Other", "set.h5", "--out", "o", *HERE)
    (user / "file").write_text("")
    assert "is a file" in refused("disc", "set.h5", "--out", "file")
    paths = ("--model_name", "disc", "--dataset_path", "set.h5", "--output_dir", "o")
    split = ("--num_splits", "2", "--split_num", "2")
    assert spelkebench.launch(["--gpus", "0", *paths, *split]) == 2
    assert "counts from 0" in capsys.readouterr().err


def launch_nodes(user, capfd):
    """Two nodes with two GPUs each, the later node first."""
    paths = ("--dataset_path", "set.h5", "--output_dir", "o")
    model = ("--model_name", "your_model.YourSegmentationModel")
    for node in ("1", "0"):
        split = ("--num_splits", "2", "--split_num", node)
        code = spelkebench.launch(["--gpus", "0", "1", *paths, *split, *model])
        yield code, capfd.readouterr().err


@pytest.mark.slow
def test_launch_without_gpus_refuses_and_reports_the_processes(user, capfd):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    for code, errors in launch_nodes(user, capfd):
        assert code == 2
        assert '"cuda:0" was asked for, but' in errors
        assert "GPU 0: " in errors
        assert "GPU 1: " in errors


@pytest.mark.gpu
def test_launch_starts_a_process_for_each_gpu_and_reports_their_ends(user, all_load_first, capfd):
    if torch.cuda.device_count() < 2:
        pytest.skip("this machine has no two GPUs")
    for code, errors in launch_nodes(user, capfd):
        assert (code, "GPU 1: exit code 0" in errors) == (0, True)
    assert len(PredictionFolder("o").keys()) == 6


@pytest.mark.slow
def test_killed_in_the_middle_and_run_again_gives_the_identical_set(user):
    program = [sys.executable, "-m", "spelke.cli.main", "bench", "run"]
    rest = ["your_model:YourSegmentationModel", "set.h5", "--device", "cpu", "--out"]
    process = subprocess.Popen(
        [*program, *rest, "killed"], env={**os.environ, "SLOW": "1"}, start_new_session=True
    )
    folder = PredictionFolder("killed")
    deadline = time.monotonic() + 120
    while len(folder.keys()) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert 2 <= len(folder.keys()) < 6
    assert subprocess.run([*program, *rest, "killed"], check=False).returncode == 0
    assert subprocess.run([*program, *rest, "whole"], check=False).returncode == 0
    assert contents("killed") == contents("whole")
    assert names("killed") == names("whole")


def contents(folder):
    return {
        one.key: (one.masks.tobytes(), one.fingerprint, one.identity, one.image.tobytes())
        for one in PredictionFolder(folder).predictions()
    }


def names(folder):
    return sorted(
        os.path.relpath(os.path.join(d, f), folder) for d, _, fs in os.walk(folder) for f in fs
    )


def test_inspection_counts_names_faults_and_draws(user, capsys):
    items = [draw(f"entityseg_{index}", index) for index in range(3)]
    items[0] = replace(items[0], attributes={"licence": "CC0"})
    write_spelkebench("look.h5", items)
    assert main(["bench", "inspect", "look.h5"]) == 0
    text = capsys.readouterr().out
    assert "3 pictures, 6 points, 0 pictures unusable" in text
    assert "sizes: 48 x 40 (3)" in text
    assert "licences: not stated (2), CC0 (1)" in text
    assert (user / "look.png").is_file()
    with h5py.File("look.h5", "a") as file:
        file["entityseg_1"]["segment"][0] = 0
        file["entityseg_2"]["centroid"][0] = 4000
    assert main(["bench", "inspect", "look.h5", "--json", "--count", "0"]) == 1
    found = json.loads(capsys.readouterr().out)
    kinds = {(one["key"], one["kind"], one["fault"]) for one in found["findings"]}
    assert found["unusable"] == 2  # the second was also changed since it was written
    assert ("entityseg_2", "points", True) in kinds
    assert ("entityseg_1", "changed", True) in kinds


def test_an_inspection_without_usable_pictures_is_still_said():
    assert Inspection(0).to_json()["segment_share_5_50_95"] == []


def test_options_and_shards_are_read():
    assert parse_options(["a=1", "b=0.5", "c=word", "d=True", "e=x=y"]) == {
        "a": 1,
        "b": 0.5,
        "c": "word",
        "d": True,
        "e": "x=y",
    }
    assert parse_shard("3/8") == (3, 8)
    with pytest.raises(InvalidInput, match="each name once"):
        parse_options(["a=1", "a=2"])


def test_the_files_of_pictures_are_lazy(user):
    with SpelkeBenchFile("set.h5") as file:
        assert len(file) == 6
        assert file["entityseg_3"].points.shape == (2, 2)
