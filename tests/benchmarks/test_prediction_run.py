"""Runs that go on: what is kept, what is asked again, what one bad picture costs."""

import json
import os
import re
import shutil
import sys

import h5py
import numpy as np
import pytest

from spelke.benchmarks.asking import ModelSpec
from spelke.benchmarks.engine import InProcess
from spelke.benchmarks.prediction_folder import PredictionFolder
from spelke.benchmarks.prediction_run import choose_keys, run_model, shard_of
from spelke.benchmarks.predictions import read_prediction
from spelke.benchmarks.workers import Workers
from spelke.data.spelkebench import SpelkeBenchFile, write_spelkebench
from spelke.errors import BadModel, InvalidInput, MissingData, Unavailable
from spelke.runtime.process_pool import gpu_places, local_places

MODEL = '''
"""A model of a user, with one way to fail for each coloured corner."""
import os
import time
import numpy as np

class Square:
    def run_inference(self, input_image, poke_point):
        assert input_image.dtype == np.uint8 and input_image.max() > 1
        corner = int(input_image[0, 0, 0])
        if corner == 1:
            raise ValueError("too dark")
        if corner == 3:
            return np.ones((5, 5))
        if corner == 4:
            os._exit(7)
        if corner == 5:
            time.sleep(60)
        mask = np.zeros(input_image.shape[:2])
        if corner == 2:
            mask[:] = np.nan
        x, y = poke_point
        r = 4 + np.random.randint(4)  # `random` is drawn from by the checks of the tests
        mask[max(0, y - r) : y + r, max(0, x - r) : x + r] = 1
        return mask
'''
FAILURES = {1: "ValueError: too dark", 2: "NaN", 3: r"\(5, 5\)"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a user, with the model in it."""
    (tmp_path / "mymodel.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("mymodel", None)
    sys.path[:] = [place for place in sys.path if place != str(tmp_path)]


@pytest.fixture
def dataset(folder, items):
    return write(folder / "set.h5", items)


def write(path, items, corners=()):
    for item, corner in zip(items, corners, strict=False):
        item.image[0, 0] = corner
    for item in items[len(corners) :]:
        item.image[0, 0] = 100
    write_spelkebench(path, items)
    return SpelkeBenchFile(path)


SPEC = ModelSpec("mymodel.Square", "cpu")


def run(dataset, out, *, spec=SPEC, keys=None, **options):
    chosen = dataset.keys if keys is None else keys
    return run_model(InProcess(spec), spec, dataset, chosen, PredictionFolder(out), **options)


def contents(out):
    """Everything that a run's folder says about answers, whenever they were given."""
    found = {}
    for one in PredictionFolder(out).predictions():
        masks = None if one.masks is None else one.masks.tobytes()
        found[one.key] = (masks, one.fingerprint, one.identity, one.error, one.points.tobytes())
    return found


def test_files_have_the_published_names_and_a_second_run_asks_nothing(dataset, folder, items):
    first = run(dataset, folder / "out")
    assert (sorted(first.answered), first.is_whole) == (list(dataset.keys), True)
    with h5py.File(folder / "out" / f"{items[0].key}.h5") as file:
        for name in ("segments", "segment_gt", "segment_pred"):
            assert file[name].shape == items[0].segments.shape
        assert np.array_equal(file["segments"][()], items[0].segments)
        assert np.array_equal(file["segment_gt"][()], items[0].segments)
        assert np.array_equal(file["probe_points"][()], items[0].points)
        assert np.array_equal(file["image"][()], items[0].image)
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    assert (manifest["model"], manifest["num_images"]) == ("mymodel.Square", 6)
    again = run(dataset, folder / "out")
    assert (again.answered, again.kept) == ([], list(dataset.keys))


def test_results_depend_neither_on_shards_nor_on_order(dataset, folder):
    run(dataset, folder / "whole")
    for index in (2, 0, 1):
        run(dataset, folder / "parts", keys=shard_of(dataset.keys, index, 3))
    assert contents(folder / "whole") == contents(folder / "parts")


def test_the_split_is_the_published_one():
    keys = [f"k{index:02d}" for index in range(11)]
    np.random.seed(42)
    shuffled = sorted(keys)
    np.random.shuffle(shuffled)
    for index in range(4):
        expected = np.array_split(shuffled, 4)[index].tolist()
        assert shard_of(keys[::-1], index, 4) == expected
    with pytest.raises(InvalidInput, match="no part 4 of 4: parts are counted from 0"):
        shard_of(keys, 4, 4)


def test_damaged_and_changed_answers_are_asked_again_and_whole_ones_are_not(dataset, folder, items):
    out = folder / "out"
    run(dataset, out)
    before = contents(out)
    paths = [out / f"{key}.h5" for key in dataset.keys]
    paths[0].write_bytes(paths[0].read_bytes()[:900])
    with h5py.File(paths[1], "a") as file:
        file["segment_pred"][0, 0, 0] ^= 1
    with h5py.File(paths[2], "a") as file:
        del file["segment_pred"]
    paths[3].unlink()
    (out / f".{paths[3].stem}.0123abcd.part.h5").write_bytes(b"half")
    outcome = run(dataset, out)
    assert sorted(outcome.answered) == list(dataset.keys[:4])
    assert contents(out) == before
    assert not list(out.glob(".*"))


def test_another_picture_under_the_same_name_is_asked_again(dataset, folder, items):
    run(dataset, folder / "out")
    items[0].image[5, 5] ^= 255
    dataset.close()
    told = []
    renamed = write(folder / "renamed.h5", items)
    outcome = run(renamed, folder / "out", notice=told.append)
    assert outcome.answered == [items[0].key]
    assert told == [f"{folder / 'out'} also holds what was answered about set.h5"]


def test_other_code_is_another_model_and_another_model_is_refused(dataset, folder):
    run(dataset, folder / "out")
    told = []
    spec = ModelSpec("mymodel.Square", "cpu", seed=1)
    assert len(run(dataset, folder / "out", spec=spec, notice=told.append).answered) == 6
    assert "all is asked again" in told[0]
    with pytest.raises(InvalidInput, match=r"holds predictions of mymodel.Square, not of disc"):
        run(dataset, folder / "out", spec=ModelSpec("disc"))
    shutil.copytree(folder / "out", folder / "foreign")
    (folder / "foreign" / "manifest.json").unlink()
    with pytest.raises(InvalidInput, match="predictions of another program"):
        run(dataset, folder / "foreign")


def test_a_class_is_the_same_model_in_both_spellings(dataset, folder):
    run(dataset, folder / "out")
    again = run(dataset, folder / "out", spec=ModelSpec("mymodel:Square", "cpu"))
    assert (again.answered, len(again.kept)) == ([], 6)


def test_a_poisoned_picture_costs_itself_and_keeps_its_traceback(folder, items):
    dataset = write(folder / "set.h5", items, corners=(1, 2, 3))
    told = []
    outcome = run(dataset, folder / "out", notice=told.append)
    keys = [item.key for item in items]
    assert sorted(outcome.answered) == sorted(keys[3:])
    for key, (corner, says) in zip(keys, FAILURES.items(), strict=False):
        failed = read_prediction(folder / "out" / "failed" / f"{key}.h5")
        assert failed.masks is None
        assert outcome.failed[key] == failed.error
        assert re.search(says, failed.error), (corner, failed.error)
        assert "Traceback" in (folder / "out" / "failed" / f"{key}.txt").read_text()
    # Mended, only these are asked again, and nothing is left of the failure.
    dataset.close()
    mended = run(write(folder / "set.h5", items), folder / "out")
    assert sorted(mended.answered) == sorted(keys[:3])
    assert not list((folder / "out" / "failed").iterdir())


def test_a_picture_that_takes_the_process_down_costs_itself(folder, items):
    dataset = write(folder / "set.h5", items, corners=(100, 4, 5))
    with Workers(SPEC, local_places(2), timeout=3) as workers:
        outcome = run_model(workers, SPEC, dataset, dataset.keys, PredictionFolder(folder / "out"))
    keys = [item.key for item in items]
    assert outcome.failed[keys[1]] == "the process died (exit code 7)"
    assert outcome.failed[keys[2]] == "no answer in 3 s"
    assert len(outcome.answered) == 4
    codes = [code for codes in workers.exit_codes.values() for code in codes]
    assert {7, -9} <= set(codes)
    run(dataset, folder / "alone", keys=outcome.answered)
    parallel = contents(folder / "out")
    assert contents(folder / "alone") == {key: parallel[key] for key in outcome.answered}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        ("raise OSError('no file')", BadModel, "OSError: no file"),
        ("import os; os._exit(3)", Unavailable, r"exit code 3\) while it made the model"),
    ],
)
def test_a_model_that_cannot_be_made_in_a_worker_says_why(folder, code, kind, says):
    (folder / "broken.py").write_text(f"{code}\n")
    with pytest.raises(kind, match=says), Workers(ModelSpec("broken.M"), local_places(1)) as some:
        some.card()


def test_unusable_pictures_are_left_out_by_name(dataset, folder, items):
    dataset.close()
    with h5py.File(dataset.path, "a") as file:
        file[items[0].key]["centroid"][0] = 5000
    told = []
    outcome = run(SpelkeBenchFile(dataset.path), folder / "out", notice=told.append)
    assert list(outcome.unusable) == [items[0].key]
    assert len(outcome.answered) == 5
    assert not outcome.is_whole
    assert "outside of the 96x96 picture" in told[0]


def test_names_are_chosen_once_and_unknown_ones_said(dataset, items):
    key = items[0].key
    found, notes = choose_keys(dataset, [key, "nobody", key])
    assert found == [key]
    assert notes == [
        f"{dataset.path} holds no picture 'nobody'",
        f"named more than once, asked once: {key}",
    ]
    with pytest.raises(MissingData, match="none of the 1 pictures named"):
        choose_keys(dataset, ["nobody"])


def test_a_folder_that_cannot_be_written_is_refused_before_the_model_is_made(dataset, folder):
    (folder / "file").write_text("")
    with pytest.raises(InvalidInput, match="is a file"):
        run(dataset, folder / "file", spec=ModelSpec("no.Such"))
    if os.geteuid():
        (folder / "locked").mkdir(mode=0o500)
        with pytest.raises(Unavailable, match="may not write"):
            run(dataset, folder / "locked" / "out", spec=ModelSpec("no.Such"))


def test_gpus_are_numbered_among_the_visible_ones(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpu_places([2])[0].environment == {"CUDA_VISIBLE_DEVICES": "2"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    assert gpu_places([1])[0].environment == {"CUDA_VISIBLE_DEVICES": "5"}
    for wrong in ([2], [0, 0], [-1]):
        with pytest.raises(InvalidInput, match="GPU"):
            gpu_places(wrong)
