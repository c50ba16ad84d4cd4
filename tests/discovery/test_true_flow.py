"""The pipeline on a world with bodies, poses and a camera: the exact flow of every poke.

The photo shows at each pixel where it is (red: x, green: y), so a world model that looks at any
crop of it knows which part of the world it sees, and answers with the flow that the poses give.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from tests.discovery.conftest import centre_of, overlap
from tests.discovery.doubles import PerfectGlance, PerfectWorldModel

from spelke.discovery.observer import Observer
from spelke.discovery.settings import embedded
from spelke.worlds.flow import flow_at

HEIGHT, WIDTH = 240, 320
FOCAL = 300.0
CLOSER = replace(embedded(), zoom_steps=2, refine=None)
"""The photo shows places, not things: its colours tell nothing of a boundary."""
GROUPS = {1: (1,), 2: (2,), 3: (3, 4), 4: (4,), 5: (5,)}
"""What moves when each body is pushed: a block, a disc, a tray with its cup, the cup, a rod."""


class TableWorld:
    """Bodies on a table, seen from above."""

    def __init__(self):
        self.ids = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.rectangle(self.ids, (20, 20), (80, 70), 1, -1)
        cv2.circle(self.ids, (250, 60), 32, 2, -1)
        cv2.rectangle(self.ids, (30, 120), (130, 210), 3, -1)
        cv2.circle(self.ids, (85, 170), 22, 4, -1)
        cv2.rectangle(self.ids, (160, 160), (300, 190), 5, -1)
        heights = np.array([0.0, 0.3, 0.2, 0.1, 0.4, 0.2])
        self.depth = (3.0 - heights[self.ids]).astype(np.float32)
        self.K = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1.0]])
        self.p = np.array([0.0, 0.0, 3.0])
        self.pos = np.array([self.place(*self.heart(body)) for body in range(6)])
        self.quat = np.tile([1.0, 0, 0, 0], (6, 1))

    def heart(self, body):
        rows, columns = np.nonzero(self.ids == body)
        return round(columns.mean()), round(rows.mean())

    def place(self, x, y):
        """The point of the world that a pixel shows."""
        ray = np.array([(x + 0.5 - WIDTH / 2) / FOCAL, -(y + 0.5 - HEIGHT / 2) / FOCAL, -1])
        return self.p + self.depth[y, x] * ray

    def poses_after(self, x, y, push, turning):
        """Push what lies at a pixel so that it moves by `push`; it may turn as a rod does."""
        pos, quat = self.pos.copy(), self.quat.copy()
        body = int(self.ids[y, x])
        if body == 0:
            return pos, quat
        metres = self.depth[y, x] / FOCAL * np.array([push[0], -push[1]])
        arm = (self.place(x, y) - self.pos[body])[:2]
        angle = 0.0
        if turning:
            # A rod of length L pushed across, a from its middle: w = v a / (a^2 + L^2 / 12).
            angle = (arm[0] * metres[1] - arm[1] * metres[0]) / (arm @ arm + 1.4**2 / 12)
        moved = metres - angle * np.array([-arm[1], arm[0]])
        for one in GROUPS[body]:
            away = (self.pos[one] - self.pos[body])[:2]
            pos[one, :2] += moved + angle * np.array([-away[1], away[0]])
            quat[one] = [np.cos(angle / 2), 0, 0, np.sin(angle / 2)]
        return pos, quat

    def photo(self):
        """(3, height, width): where each pixel is."""
        rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
        return torch.from_numpy(np.stack((columns / WIDTH, rows / HEIGHT, np.zeros_like(rows))))

    def truth(self, body):
        return np.isin(self.ids, GROUPS[body])


class TrueGlance(PerfectGlance):
    def __init__(self, model, picture):
        self.model = model
        self.u, self.v = picture[0].numpy() * WIDTH, picture[1].numpy() * HEIGHT
        columns, rows = np.rint(self.u).astype(int), np.rint(self.v).astype(int)
        self.at = (rows.clip(0, HEIGHT - 1), columns.clip(0, WIDTH - 1))
        self.things = torch.from_numpy(model.world.ids[self.at])
        # Pixels of the photo for each of the view, where the view does not repeat a border.
        self.pixel = float(max(np.diff(self.u, axis=1).max(), np.diff(self.v, axis=0).max()))

    def response(self, pokes, seed):
        world = self.model.world
        flow = np.zeros((2, *self.u.shape), np.float32)
        for poke in pokes:
            if poke.length == 0:
                continue
            row, column = round(poke.point[1]), round(poke.point[0])
            y, x = (int(axis[row, column]) for axis in self.at)
            push = np.array(poke.displacement) * self.pixel
            pos, quat = world.poses_after(x, y, push, self.model.turning)
            moved = flow_at(
                self.u, self.v, world.ids[self.at], world.depth[self.at], world.K, np.eye(3),
                world.p, world.pos, world.quat, pos[None], quat[None],
            )  # fmt: skip
            flow += moved[0] / self.pixel
        return torch.from_numpy(flow)


class TrueWorldModel(PerfectWorldModel):
    """Knows the world and its poses."""

    glance = TrueGlance

    def __init__(self, world, turning=False):
        super().__init__(movable=(1, 2, 3, 4, 5))
        self.world = world
        self.turning = turning


@pytest.fixture(scope="module")
def world():
    return TableWorld()


def found_at(world, body, settings, turning=False, point=None):
    scene = Observer(TrueWorldModel(world, turning), settings).look(world.photo())
    return scene.segment(point or centre_of(world.ids, body))


def test_the_stand_in_moves_the_poked_point_as_asked(world):
    pos, quat = world.poses_after(230, 175, np.array([6.0, -4.0]), turning=True)
    moved = flow_at(
        np.array([230.0]), np.array([175.0]), world.ids[175:176, 230], world.depth[175:176, 230],
        world.K, np.eye(3), world.p, world.pos, world.quat, pos[None], quat[None],
    )  # fmt: skip
    assert moved[0, :, 0] == pytest.approx([6.0, -4.0], abs=0.3)


@pytest.mark.parametrize("body", GROUPS)
def test_what_moves_together_is_found(world, body):
    segment = found_at(world, body, CLOSER)
    assert overlap(segment.mask, world.truth(body)) > 0.95
    assert segment.confidence > 0.9


def test_a_tray_takes_its_cup_along_and_the_cup_leaves_the_tray(world):
    tray = found_at(world, 3, CLOSER, point=(45.0, 135.0))
    cup = found_at(world, 4, CLOSER)
    assert (cup.mask & ~tray.mask).sum() < 0.05 * cup.area
    assert cup.area < 0.25 * tray.area


def test_a_rod_that_turns_needs_more_than_dot_products(world):
    """Pushed across at its end, a rod's far end swings back; pushed along, all of it follows."""
    end = (170.0, 175.0)
    by_gain, by_sensitivity = (
        overlap(
            found_at(world, 5, replace(CLOSER, evidence=evidence), turning=True, point=end).mask,
            world.truth(5),
        )
        for evidence in ("gain", "sensitivity")
    )
    assert by_sensitivity > 0.95
    assert by_gain < 0.8
