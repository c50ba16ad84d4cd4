"""Bridges, leaning planks, rows of dominoes: what rests on several things, or against one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spelke.worlds.clusters import Cluster, draw_size, grounded, squat, with_material
from spelke.worlds.shapes import FLAT, Part, Thing, draw_primitive, quat_about


def plank(split: str, half: tuple[float, float, float], slot: int = 0) -> tuple[Part, ...]:
    """A long flat body: a board in `train`, one with round ends in `test`."""
    long, wide, thick = half
    if split == "train":
        return (Part("box", half, slot=slot),)
    ends = [Part("cylinder", (wide, thick), (x * (long - wide), 0, 0), slot=slot) for x in (-1, 1)]
    return (Part("box", (long - wide, wide, thick), slot=slot), *ends)


def bridge(rng: np.random.Generator, split: str) -> Cluster:
    """A plank on two equal pillars, sometimes with something on it."""
    kind = FLAT[split][rng.integers(len(FLAT[split]))]
    scale = 0.8 * draw_size(rng)
    pillar = grounded(_for_bridge(with_material(rng, draw_primitive(rng, split, scale, kind))))
    outline = pillar.outline()
    wide = np.ptp(outline[:, 0]) / 2
    gap = float(wide + rng.uniform(0.3, 2.0) * scale)
    half = (gap + wide * rng.uniform(0.2, 1.3), scale * rng.uniform(0.3, 0.8), 0.012)
    deck = with_material(rng, Thing("plank", plank(split, half), family="bridges"))
    deck = grounded(deck, outline[:, 2].max())
    things = [pillar.moved(np.array([x * gap, 0, 0])) for x in (-1, 1)]
    things.append(replace(deck, density=min(deck.density, 900.0)))
    if rng.random() < 0.4:
        load = with_material(rng, squat(rng, split, 0.7 * scale, ""))
        spot = np.array([rng.uniform(-0.6, 0.6) * gap, 0, 0])
        top = deck.outline()[:, 2].max()
        things.append(grounded(_for_bridge(load), top).moved(spot))
    return things


def leaning(rng: np.random.Generator, split: str) -> Cluster:
    """One or two planks that lean against a block."""
    scale = draw_size(rng)
    tall = rng.uniform(0.7, 1.3) * scale
    kind = FLAT[split][rng.integers(len(FLAT[split]))]
    block = squat(rng, split, scale, kind)
    extent = np.ptp(block.outline(), axis=0)
    block = grounded(_for_bridge(replace(with_material(rng, block), density=1500.0, friction=1.0)))
    things = [block]
    sides = (1, -1) if rng.random() < 0.35 else (1,)
    for side in sides:
        slope = rng.uniform(0.9, 1.25)  # of the plank, radians above the floor
        thick = 0.008
        reach = max(1.25 * extent[2] / np.sin(slope), 1.6 * tall) / 2
        half = (reach, 0.35 * scale * rng.uniform(0.6, 1.4), thick)
        board = with_material(rng, Thing("plank", plank(split, half), family="bridges"))
        turn = quat_about((0, 1, 0), -slope if side < 0 else slope)
        board = grounded(replace(board, quat=tuple(turn), friction=1.0, density=500.0))
        # The plank's lower face touches the block's upper edge.
        edge = extent[0] / 2 + extent[2] / np.tan(slope) - reach * np.cos(slope)
        away = edge + thick / np.sin(slope) + 0.002
        things.append(board.moved(np.array([side * away, 0, 0])))
    return things


def dominoes(rng: np.random.Generator, split: str) -> Cluster:
    """A row of upright tiles, nearer to each other than they are high."""
    tall = rng.uniform(0.03, 0.06)
    half = (rng.uniform(0.1, 0.16) * tall, rng.uniform(0.4, 0.6) * tall, tall)
    parts = (
        (Part("box", half),)
        if split == "train"
        else (
            Part("cylinder", (half[1], half[0]), (0, 0, tall - half[1]), _ALONG_X),
            Part("box", (half[0], half[1], tall - half[1] / 2), (0, 0, -half[1] / 2)),
        )
    )
    tile = grounded(with_material(rng, Thing("domino", parts, family="bridges")))
    step = tall * rng.uniform(0.7, 1.3)
    bend = rng.uniform(-0.15, 0.15)
    place, turn, row = np.zeros(3), 0.0, []
    look = f"domino{rng.integers(1 << 30)}" if rng.random() < 0.4 else ""
    for _ in range(int(rng.integers(3, 6))):
        row.append(replace(tile.moved(place, turn), look=look))
        place = place + step * np.array([np.cos(turn), np.sin(turn), 0])
        turn += bend
    middle = np.mean([thing.pos[:2] for thing in row], axis=0)
    return [thing.moved(np.array([*-middle, 0.0])) for thing in row]


_ALONG_X = tuple(quat_about((0, 1, 0), np.pi / 2))


def _for_bridge(thing: Thing) -> Thing:
    return replace(thing, family="bridges")
