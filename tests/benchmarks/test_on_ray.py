"""Real Ray clusters of several nodes on this machine, with models and nodes that die."""

import sys
import threading
import time

import pytest

from spelke.benchmarks.asking import ModelSpec
from spelke.benchmarks.engine import InProcess
from spelke.benchmarks.prediction_folder import PredictionFolder
from spelke.benchmarks.prediction_run import run_model
from spelke.data.spelkebench import SpelkeBenchFile, write_spelkebench
from spelke.errors import InvalidInput, MissingExtra, UnknownName
from spelke.runtime.ray_pool import RayOptions

MODEL = """
import os
import time
import numpy as np

class Slow:
    def run_inference(self, image, point):
        time.sleep(0.15)
        if image[0, 0, 0] == 4:
            os._exit(7)
        mask = np.zeros(image.shape[:2], bool)
        x, y = point
        mask[y - 3 : y + 3, x - 2 - np.random.randint(3) : x + 3] = True
        return mask
"""


@pytest.fixture
def user(tmp_path, monkeypatch, items):
    (tmp_path / "raymodel.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    for item in items:
        item.image[0, 0] = 100
    items[2].image[0, 0] = 4
    write_spelkebench("set.h5", items)
    yield tmp_path
    sys.modules.pop("raymodel", None)
    sys.path[:] = [place for place in sys.path if place != str(tmp_path)]


@pytest.fixture
def cluster(monkeypatch):
    """A head without room for workers, and two nodes with room for one each."""
    # On a busy machine nodes start slowly, and nice workers starve.
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "300")
    monkeypatch.setenv("RAY_worker_niceness", "0")
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    made.nodes = [made.add_node(num_cpus=1) for _ in range(2)]
    yield made
    ray.shutdown()
    made.shutdown()


SPEC = ModelSpec("raymodel.Slow", "cpu")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_node_that_dies_costs_nothing_and_a_picture_that_kills_costs_itself(user, cluster, items):
    from spelke.benchmarks.on_ray import RayWorkers

    options = RayOptions(address=cluster.address, workers=3, retries=1)
    dataset = SpelkeBenchFile("set.h5")

    def kill_one():
        while not PredictionFolder("out").keys():
            time.sleep(0.05)
        cluster.remove_node(cluster.nodes[0], allow_graceful=False)

    killer = threading.Thread(target=kill_one, daemon=True)
    with RayWorkers(SPEC, options) as workers:
        killer.start()
        outcome = run_model(workers, SPEC, dataset, dataset.keys, PredictionFolder("out"))
    killer.join(60)
    assert not killer.is_alive()
    assert list(outcome.failed) == [items[2].key]
    assert "the process died" in outcome.failed[items[2].key]
    assert len(outcome.answered) == len(items) - 1
    folder = PredictionFolder("alone")
    run_model(InProcess(SPEC), SPEC, dataset, outcome.answered, folder)
    for one in folder.predictions():
        other = next(p for p in PredictionFolder("out").predictions() if p.key == one.key)
        assert (one.masks == other.masks).all()
        assert (one.identity, one.fingerprint) == (other.identity, other.fingerprint)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_model_that_cannot_be_made_is_said_as_everywhere(user, cluster):
    from spelke.benchmarks.on_ray import RayWorkers

    options = RayOptions(address=cluster.address)
    with (
        RayWorkers(ModelSpec("raymodel.Other"), options) as workers,
        pytest.raises(UnknownName, match="has no Other"),
    ):
        workers.card()


def test_wrong_numbers_and_a_missing_ray_are_said(monkeypatch):
    from spelke.benchmarks.on_ray import RayWorkers

    with pytest.raises(InvalidInput, match="at least 1 worker"):
        RayOptions(workers=0)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"spelke\[ray\]"), RayWorkers(SPEC, RayOptions()):
        pass
