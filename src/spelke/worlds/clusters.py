"""Clusters of things that belong on one spot: single ones, stacks, filled trays, twins.

A maker draws from the physics stream and stands its things about the origin; `layout` puts clusters
side by side.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spelke.worlds.compounds import draw_compound, tray
from spelke.worlds.shapes import FLAT, Thing, draw_primitive, quat_about, random_quat

Cluster = list[Thing]


def draw_size(rng: np.random.Generator) -> float:
    """Half size of a thing, metres: 3 to 12 cm."""
    return float(np.clip(0.06 * np.exp(rng.normal(0, 0.4)), 0.03, 0.12))


def with_material(rng: np.random.Generator, thing: Thing) -> Thing:
    """The thing with a density (200 to 1500 kg/m^3), friction and damping of its own."""
    return replace(
        thing,
        density=float(np.exp(rng.uniform(np.log(200), np.log(1500)))),
        friction=float(rng.uniform(0.45, 1.0)),
        zeta=float(rng.uniform(0.2, 0.7)),
    )


def grounded(thing: Thing, floor: float = 0.0) -> Thing:
    """The thing lifted so that its lowest point is just above `floor`."""
    lift = floor + 0.001 - thing.outline()[:, 2].min()
    return thing.moved(np.array([0, 0, lift]))


def posed_anyhow(rng: np.random.Generator, thing: Thing, upright: float) -> Thing:
    """Turn a thing: upright with a random yaw, lying on a side, or tumbled."""
    draw = rng.random()
    yaw = rng.uniform(0, 2 * np.pi)
    if draw < upright:
        quat = quat_about((0, 0, 1), yaw)
    elif draw < upright + 0.7 * (1 - upright):
        quat = quat_about((np.cos(yaw), np.sin(yaw), 0), np.pi / 2)
    else:
        quat = random_quat(rng)
    return grounded(replace(thing, quat=tuple(quat)))


def single(rng: np.random.Generator, split: str) -> Cluster:
    """One primitive."""
    thing = with_material(rng, draw_primitive(rng, split, draw_size(rng)))
    return [posed_anyhow(rng, thing, upright=0.6)]


def compound(rng: np.random.Generator, split: str) -> Cluster:
    """One compound."""
    thing = with_material(rng, draw_compound(rng, split, 1.4 * draw_size(rng)))
    return [posed_anyhow(rng, thing, upright=0.7)]


def stack(rng: np.random.Generator, split: str) -> Cluster:
    """Two to four things on top of each other, mostly the wider below."""
    count = int(rng.integers(2, 5))
    scale = 1.3 * draw_size(rng)
    top, pile = 0.0, []
    for level in range(count):
        last = level == count - 1
        kind = FLAT[split][rng.integers(len(FLAT[split]))]
        if last and rng.random() < 0.25:
            kind = ""
        thing = with_material(rng, squat(rng, split, scale, kind))
        lean = rng.uniform(-0.12, 0.12, 2) * scale if level else np.zeros(2)
        turn = quat_about((0, 0, 1), rng.uniform(0, 2 * np.pi))
        thing = replace(thing, quat=tuple(turn), family="stacks", pos=(lean[0], lean[1], 0.0))
        thing = grounded(thing, top)
        top = thing.outline()[:, 2].max()
        scale *= rng.uniform(0.65, 1.0)
        pile.append(thing)
    return pile


def squat(rng: np.random.Generator, split: str, scale: float, kind: str) -> Thing:
    """A primitive that is not much higher than wide, so that it stands and can carry."""
    for _ in range(8):
        thing = draw_primitive(rng, split, scale, kind)
        extent = np.ptp(thing.outline(), axis=0)
        if extent[2] <= 1.3 * min(extent[:2]):
            break
    return thing


def filled_tray(rng: np.random.Generator, split: str) -> Cluster:
    """A vessel with one to four things in it."""
    scale = 2.0 * draw_size(rng)
    vessel, free, floor = tray(rng, split, scale)
    vessel = grounded(with_material(rng, vessel))
    floor += vessel.pos[2]
    count = int(rng.integers(1, 5))
    small = free * {1: 0.6, 2: 0.44, 3: 0.4, 4: 0.35}[count] * rng.uniform(0.75, 1.0)
    start = rng.uniform(0, 2 * np.pi)
    held = []
    for index in range(count):
        thing = with_material(rng, draw_primitive(rng, split, small))
        thing = grounded(posed_anyhow(rng, thing, upright=0.7), floor)
        turn = start + 2 * np.pi * index / count
        away = 0.0 if count == 1 else 0.52 * free
        offset = np.array([away * np.cos(turn), away * np.sin(turn), 0])
        held.append(replace(thing.moved(offset), family="trays"))
    return [vessel, *held]


def twins(rng: np.random.Generator, split: str) -> Cluster:
    """Two equal things of one look that touch, or nearly: texture does not part them."""
    kind = FLAT[split][rng.integers(len(FLAT[split]))]
    first = grounded(with_material(rng, draw_primitive(rng, split, draw_size(rng), kind)))
    look = f"twin{rng.integers(1 << 30)}"
    points = first.outline()
    shift = points[:, 0].max() - points[:, 0].min() + rng.uniform(0.0005, 0.004)
    first = replace(first, look=look, notes=("twin",))
    return [first, first.moved(np.array([shift, 0, 0]))]
