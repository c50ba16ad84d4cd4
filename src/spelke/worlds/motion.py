"""Scenes that move when they are first seen: falling, sliding, tossed, rolling down a ramp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from spelke.worlds.clusters import Cluster, draw_size, grounded, single, with_material
from spelke.worlds.gl import load_mujoco, without_log
from spelke.worlds.joints import Launch
from spelke.worlds.shapes import Part, Thing, draw_primitive, quat_about, quat_multiply

_STEPS = 8
"""Steps between the launch and the first frame, so that contacts know of it."""


def falling(rng: np.random.Generator, split: str) -> Cluster:
    """One thing in the air, turning as it falls."""
    (thing,) = single(rng, split)
    launch = Launch(
        velocity=(*rng.normal(0, 0.1, 2).tolist(), float(rng.uniform(-1.2, 0.0))),
        spin=tuple(rng.normal(0, 2.0, 3).tolist()),
        lift=float(rng.uniform(0.03, 0.3)),
    )
    return [_moving(thing, launch, "falling")]


def tossed(rng: np.random.Generator, split: str) -> Cluster:
    """One thing thrown up and aside."""
    (thing,) = single(rng, split)
    turn, speed = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 1.2)
    launch = Launch(
        velocity=(speed * np.cos(turn), speed * np.sin(turn), float(rng.uniform(0.3, 1.6))),
        spin=tuple(rng.normal(0, 4.0, 3).tolist()),
        lift=float(rng.uniform(0.01, 0.15)),
    )
    return [_moving(thing, launch, "tossed")]


def sliding(rng: np.random.Generator, split: str) -> Cluster:
    """Two things on the floor that slide towards each other, or one that slides to another."""
    things = []
    gap = rng.uniform(0.06, 0.15)
    for side in (-1, 1):
        (thing,) = single(rng, split)
        reach = float(np.abs(thing.outline()[:, 0]).max())
        thing = thing.moved(np.array([side * (reach + gap / 2), rng.normal(0, 0.01), 0]))
        thing = replace(thing, friction=float(rng.uniform(0.2, 0.5)))
        speed = 0.0 if side > 0 and rng.random() < 0.5 else float(rng.uniform(0.3, 1.2))
        launch = Launch(velocity=(-side * speed, 0.0, 0.0))
        things.append(_moving(thing, launch, "sliding") if speed else thing)
    return things


def ramp(rng: np.random.Generator, split: str) -> Cluster:
    """A fixed slope with one thing that rolls or slides down."""
    slope = float(rng.uniform(0.25, 0.6))
    half = (float(rng.uniform(0.12, 0.2)), float(rng.uniform(0.05, 0.09)), 0.008)
    turn = quat_about((0, 1, 0), slope)
    board = Thing("ramp", (Part("box", half),), family="moving", quat=tuple(turn), movable=False)
    height = half[0] * np.sin(slope) + half[2] * np.cos(slope)
    board = replace(board, pos=(0.0, 0.0, height), notes=("immovable", "ramp"))
    size = min(0.045, draw_size(rng))
    thing = with_material(rng, draw_primitive(rng, split, size))
    thing = replace(grounded(thing), friction=float(rng.uniform(0.15, 0.4)))
    low = float(thing.pos[2])
    along = rng.uniform(-0.8, 0.1) * half[0]
    normal = np.array([np.sin(slope), 0, np.cos(slope)])
    down = np.array([np.cos(slope), 0, -np.sin(slope)])
    place = np.array(board.pos) + along * down + (half[2] + low + 0.001) * normal
    thing = replace(thing, pos=tuple(place), quat=tuple(quat_multiply(turn, thing.quat)))
    speed = float(rng.uniform(0.3, 0.8))
    launch = Launch(velocity=tuple((speed * down).tolist()), back_to_start=True)
    return [board, _moving(thing, launch, "ramp")]


def _moving(thing: Thing, launch: Launch, how: str) -> Thing:
    return replace(thing, launch=launch, family="moving", notes=(*thing.notes, how))


@without_log()
def launch_things(model: Any, data: Any, things: Sequence[Thing]) -> bool:
    """Set things in motion, and step on a little.

    Args:
        model, data: MuJoCo's, settled.
        things: bodies 1, 2, ...; those with a `launch` are free.

    Returns:
        Whether anything was launched.
    """
    launched = False
    for body, thing in enumerate(things, start=1):
        if thing.launch is None:
            continue
        launched = True
        joint = model.body_jntadr[body]
        place, pace = model.jnt_qposadr[joint], model.jnt_dofadr[joint]
        if thing.launch.back_to_start:
            data.qpos[place : place + 7] = [*thing.pos, *thing.quat]
        data.qpos[place + 2] += thing.launch.lift
        data.qvel[pace : pace + 6] = [*thing.launch.velocity, *thing.launch.spin]
    if launched:
        load_mujoco().mj_step(model, data, nstep=_STEPS)
    return launched
