"""Photos, and a model that answers at once, so that the command line is tested alone."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import spelke
from spelke.data.image import read_image
from spelke.geometry.points import check_inside
from spelke.runtime.process_pool import ProcessPool
from spelke.types import Poke, Segment, Segments
from spelke.weights.table import MODELS


class QuickScene:
    """Says that a square around each point moves, and that one corner is a thing."""

    def __init__(self, image):
        self.image = image
        self.image_size = tuple(image.shape[1:])

    def _around(self, point, confidence=0.8, remark=""):
        check_inside(point, self.image_size)
        mask = np.zeros(self.image_size, np.bool_)
        x, y = (int(value) for value in point)
        mask[max(0, y - 4) : y + 5, max(0, x - 4) : x + 5] = True
        return Segment(mask, point, confidence, (Poke(point, (5.0, 0.0)),), remark)

    def segments(self, points, seed=0):
        return Segments(self.image_size, tuple(self._around(point) for point in points))

    def discover(self, seed=0):
        return Segments(self.image_size, (self._around((3, 3), 0.1, "Hardly anything moves."),))

    def affordance(self):
        values = np.full(self.image_size, 0.25, np.float32)
        values[2, 5] = 0.75
        return values

    def displacement(self, pokes, seed=0):
        flow = np.zeros((2, *self.image_size), np.float32)
        for poke in pokes:
            check_inside(poke.point, self.image_size)
            flow += np.asarray(poke.displacement, np.float32)[:, None, None]
        return flow


class QuickObserver:
    looked = 0
    world_model = SimpleNamespace(batching="one photo at a time")

    def look(self, path):
        self.looked += 1
        return QuickScene(read_image(path))

    def segments(self, scenes, points, seed=0):
        return [scene.segments(some, seed) for scene, some in zip(scenes, points, strict=True)]

    def discover(self, scenes, seed=0):
        return [scene.discover(seed) for scene in scenes]


@pytest.fixture
def observer(monkeypatch):
    """The model that every name loads."""
    made = QuickObserver()

    def load(name, device=None, *, parity="fast"):
        assert name in MODELS
        made.parity = parity
        return made

    monkeypatch.setitem(spelke.__dict__, "load", load)
    return made


@pytest.fixture
def photo(tmp_path):
    """One photo, 40 x 30 pixels."""
    path = tmp_path / "desk.png"
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def photos(tmp_path, photo):
    """A folder: two photos with a broken one between them."""
    (tmp_path / "broken.png").write_bytes(photo.read_bytes()[:200])
    (tmp_path / "attic.png").write_bytes(photo.read_bytes())
    return tmp_path


@pytest.fixture
def spelke_command():
    """Run `spelke` as a user does."""

    def run(*arguments, timeout=60, **options):
        command = [sys.executable, "-m", "spelke", *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, check=False, **options
        )

    return run


@pytest.fixture
def all_load_first(monkeypatch):
    """No process is given work before all have loaded.

    One that still loads when the others have done all is stopped by a signal, which is well, but
    leaves the exit codes to chance.
    """
    start = ProcessPool.map

    def load_and_start(pool, jobs):
        while not all(worker.is_ready for worker in pool._workers):
            for worker in pool._wait():
                pool._receive(worker)
        return start(pool, jobs)

    monkeypatch.setattr(ProcessPool, "map", load_and_start)
