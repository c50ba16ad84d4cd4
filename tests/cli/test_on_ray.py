"""Real Ray clusters of several nodes on this machine, with work and nodes that die."""

import importlib.util
import json
import os
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from spelke.cli.main import BAD_INPUT, OK, SOME_FAILED, main
from spelke.data.spelkebench import write_spelkebench
from spelke.data.test_item import TestItem
from spelke.data.worlds import read_scenes
from spelke.errors import InvalidInput, MissingExtra
from spelke.runtime.ray_pool import RayOptions, RayPool

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

SMALL = {"object_store_memory": 100 * 2**20}
real = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")


@pytest.fixture(scope="module")
def head():
    """A cluster without room for workers."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        # On a busy machine nodes start slowly, and nice workers starve.
        patch.setenv("RAY_raylet_start_wait_time_s", "300")
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        made = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "include_dashboard": False, **SMALL},
        )
        yield made
        made.shutdown()


@pytest.fixture
def cluster(head):
    """Two nodes with room for one worker each."""
    while len(head.worker_nodes) < 2:
        head.add_node(num_cpus=1, **SMALL)
    return head


@pytest.fixture
def run(cluster, tmp_path, monkeypatch):
    """Run a verb on the cluster; once a file that matches is there, a node dies."""
    monkeypatch.chdir(tmp_path)

    def on_ray(*arguments, dies_at="", workers=2):
        node = next(iter(cluster.worker_nodes))
        ended = threading.Event()

        def kill():
            while not ended.wait(0.02):
                if list(tmp_path.glob(dies_at)):
                    cluster.remove_node(node, allow_graceful=False)
                    return

        killer = threading.Thread(target=kill, daemon=True)
        if dies_at:
            killer.start()
        where = ("--engine", "ray", "--address", cluster.address, "--workers", str(workers))
        status = main([*arguments, *where])
        ended.set()
        if dies_at:
            killer.join(60)
            assert node not in cluster.worker_nodes
        return status

    yield on_ray
    sys.modules.pop("raymodel", None)
    sys.path[:] = [place for place in sys.path if place != str(tmp_path)]


def item(number, corner):
    """A picture with one segment around its point."""
    image = np.full((40, 60, 3), 100 + number, np.uint8)
    image[0, 0] = corner
    truth = np.zeros((1, 40, 60), bool)
    truth[0, 10:20, 10:20] = True
    points, nothing = np.array([[14, 14]]), np.zeros_like(truth)
    return TestItem(f"picture{number}", "", image, points, truth, nothing, truth)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@real
def test_bench_run_loses_the_picture_that_kills_and_nothing_with_a_node(run, tmp_path, capsys):
    (tmp_path / "raymodel.py").write_text(MODEL)
    write_spelkebench("set.h5", [item(n, 4 if n == 2 else 100) for n in range(8)])
    bench = ("bench", "run", "raymodel:Slow", "set.h5", "--device", "cpu")
    status = run(*bench, "--out", "out", "--retries", "1", "--json", dies_at="out/*.h5")
    told = json.loads(capsys.readouterr().out)
    assert status == SOME_FAILED
    assert list(told["failed"]) == ["picture2"]
    assert "the process died" in told["failed"]["picture2"]
    assert len(told["answered"]) == 7
    # What was answered there is what is answered here.
    here = ("--images", *told["answered"], "--out", "here", "--workers", "0")
    assert main([*bench, *here]) == OK
    assert main([*bench, "--images", *told["answered"], "--out", "out", "--workers", "0"]) == OK
    assert "7 kept from before" in capsys.readouterr().err
    assert run("bench", "run", "raymodel:Other", "set.h5", "--out", "other") == BAD_INPUT
    assert "has no Other" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@real
def test_worlds_make_goes_on_without_a_node_and_makes_the_same(run, tmp_path):
    small = ("--families", "sprites", "--pokes", "1", "--size", "64", "--no-after-frames")
    make = ("worlds", "make", "out", "--scenes", "60", "--shard-size", "2", *small)
    assert run(*make, dies_at="out/train-*.tar") == OK
    assert len(list(read_scenes(tmp_path / "out"))) == 60
    first = ("worlds", "make", "here", "--scenes", "2", "--shard-size", "2", *small)
    assert main([*first, "--workers", "1"]) == OK
    names = sorted(os.listdir("out"))
    assert names[0] == "train-000000000.tar"
    assert (tmp_path / "out" / names[0]).read_bytes() == (tmp_path / "here" / names[0]).read_bytes()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@real
def test_segment_goes_on_without_a_node_and_its_answers_are_kept(run, tmp_path, capsys):
    for number in range(5):
        image = item(number, 100).image
        image[10:20, 10:20] = (200, 20, 20 * number)
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    (tmp_path / "2.png").write_bytes((tmp_path / "2.png").read_bytes()[:60])
    (tmp_path / "list.txt").write_text("".join(f"{number}.png 14 14\n" for number in range(5)))
    segment = ("segment", "list.txt", "--model", "spelke-tiny", "--device", "cpu", "--out", "out")
    assert run(*segment, dies_at="out/*.overlay.png") == SOME_FAILED
    told = capsys.readouterr()
    assert "2.png is truncated" in told.err
    assert "1 of 5 photos failed" in told.err
    assert len(told.out.split()) == 8
    assert main([*segment, "--shard", "0/1"]) == SOME_FAILED
    told = capsys.readouterr()
    assert "kept from before: 4 of 5 photos" in told.err
    assert len(told.out.split()) == 8


def test_wrong_numbers_and_a_missing_ray_are_said(monkeypatch, tmp_path, capsys):
    with pytest.raises(InvalidInput, match="at least 1 worker"):
        RayOptions(workers=0)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"spelke\[ray\]"), RayPool(print, RayOptions()):
        pass
    make = ["worlds", "make", str(tmp_path / "out"), "--scenes", "1", "--engine", "ray"]
    assert main(make) == BAD_INPUT
    assert "spelke[ray]" in capsys.readouterr().err
