"""Which things stand where: the scene families.

A family makes clusters (one thing, a stack, a tray with contents, twins), and clusters are placed
side by side on the table without overlap. Only the physics stream is drawn from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from spelke.worlds.compounds import draw_compound, tray
from spelke.worlds.shapes import FLAT, Part, Thing, draw_primitive, quat_about, random_quat

Cluster = list[Thing]

MAX_THINGS = 10


def _size(rng: np.random.Generator) -> float:
    """Half size of a thing, metres: 3 to 12 cm."""
    return float(np.clip(0.06 * np.exp(rng.normal(0, 0.4)), 0.03, 0.12))


def _material(rng: np.random.Generator, thing: Thing) -> Thing:
    return replace(
        thing,
        density=float(np.exp(rng.uniform(np.log(200), np.log(1500)))),
        friction=float(rng.uniform(0.45, 1.0)),
        zeta=float(rng.uniform(0.2, 0.7)),
    )


def _grounded(thing: Thing, floor: float = 0.0) -> Thing:
    """The thing lifted so that its lowest point is just above `floor`."""
    lift = floor + 0.001 - thing.outline()[:, 2].min()
    return thing.moved(np.array([0, 0, lift]))


def _posed(rng: np.random.Generator, thing: Thing, upright: float) -> Thing:
    """Turn a thing: upright with a random yaw, lying on a side, or tumbled."""
    draw = rng.random()
    yaw = rng.uniform(0, 2 * np.pi)
    if draw < upright:
        quat = quat_about((0, 0, 1), yaw)
    elif draw < upright + 0.7 * (1 - upright):
        quat = quat_about((np.cos(yaw), np.sin(yaw), 0), np.pi / 2)
    else:
        quat = random_quat(rng)
    return _grounded(replace(thing, quat=tuple(quat)))


def single(rng: np.random.Generator, split: str) -> Cluster:
    """One primitive."""
    thing = _material(rng, draw_primitive(rng, split, _size(rng)))
    return [_posed(rng, thing, upright=0.6)]


def compound(rng: np.random.Generator, split: str) -> Cluster:
    """One compound."""
    thing = _material(rng, draw_compound(rng, split, 1.4 * _size(rng)))
    return [_posed(rng, thing, upright=0.7)]


def stack(rng: np.random.Generator, split: str) -> Cluster:
    """Two to four things on top of each other, mostly the wider below."""
    count = int(rng.integers(2, 5))
    scale = 1.3 * _size(rng)
    top, pile = 0.0, []
    for level in range(count):
        last = level == count - 1
        kind = FLAT[split][rng.integers(len(FLAT[split]))]
        if last and rng.random() < 0.25:
            kind = ""
        thing = _material(rng, _squat(rng, split, scale, kind))
        lean = rng.uniform(-0.12, 0.12, 2) * scale if level else np.zeros(2)
        turn = quat_about((0, 0, 1), rng.uniform(0, 2 * np.pi))
        thing = replace(thing, quat=tuple(turn), family="stacks", pos=(lean[0], lean[1], 0.0))
        thing = _grounded(thing, top)
        top = thing.outline()[:, 2].max()
        scale *= rng.uniform(0.65, 1.0)
        pile.append(thing)
    return pile


def _squat(rng: np.random.Generator, split: str, scale: float, kind: str) -> Thing:
    """A primitive that is not much higher than wide, so that it stands and can carry."""
    for _ in range(8):
        thing = draw_primitive(rng, split, scale, kind)
        extent = np.ptp(thing.outline(), axis=0)
        if extent[2] <= 1.3 * min(extent[:2]):
            break
    return thing


def filled_tray(rng: np.random.Generator, split: str) -> Cluster:
    """A vessel with one to four things in it."""
    scale = 2.0 * _size(rng)
    vessel, free, floor = tray(rng, split, scale)
    vessel = _grounded(_material(rng, vessel))
    floor += vessel.pos[2]
    count = int(rng.integers(1, 5))
    small = free * {1: 0.6, 2: 0.44, 3: 0.4, 4: 0.35}[count] * rng.uniform(0.75, 1.0)
    start = rng.uniform(0, 2 * np.pi)
    held = []
    for index in range(count):
        thing = _material(rng, draw_primitive(rng, split, small))
        thing = _grounded(_posed(rng, thing, upright=0.7), floor)
        turn = start + 2 * np.pi * index / count
        away = 0.0 if count == 1 else 0.52 * free
        offset = np.array([away * np.cos(turn), away * np.sin(turn), 0])
        held.append(replace(thing.moved(offset), family="trays"))
    return [vessel, *held]


def twins(rng: np.random.Generator, split: str) -> Cluster:
    """Two equal things of one look that touch, or nearly: texture does not part them."""
    kind = FLAT[split][rng.integers(len(FLAT[split]))]
    first = _grounded(_material(rng, draw_primitive(rng, split, _size(rng), kind)))
    look = f"twin{rng.integers(1 << 30)}"
    points = first.outline()
    shift = points[:, 0].max() - points[:, 0].min() + rng.uniform(0.0005, 0.004)
    first = replace(first, look=look, notes=("twin",))
    return [first, first.moved(np.array([shift, 0, 0]))]


Maker = Callable[[np.random.Generator, str], Cluster]
_MAKERS: dict[str, tuple[tuple[float, Maker], ...]] = {
    "primitives": ((1.0, single),),
    "compounds": ((0.85, compound), (0.15, single)),
    "stacks": ((0.75, stack), (0.25, single)),
    "trays": ((0.7, filled_tray), (0.3, single)),
    "mixed": ((0.3, single), (0.3, compound), (0.2, stack), (0.2, filled_tray)),
}
_COUNTS = {
    "primitives": (1, 8),
    "compounds": (1, 6),
    "stacks": (1, 4),
    "trays": (1, 3),
    "mixed": (2, 5),
}
FAMILIES = tuple(_MAKERS)


def draw_layout(rng: np.random.Generator, family: str, split: str) -> list[Thing]:
    """Draw the things of a scene with their starting poses.

    Args:
        rng: the physics stream.
        family: one of `FAMILIES`.
        split: "train" or "test"; their shape kinds are disjoint.

    Returns:
        At most `MAX_THINGS` movable things, and in a quarter of the scenes an immovable one.
    """
    weights, makers = zip(*_MAKERS[family], strict=True)
    clusters: list[Cluster] = []
    for index in range(int(rng.integers(*_COUNTS[family]))):
        # The first cluster is always the family's own.
        maker = makers[0] if index == 0 else makers[rng.choice(len(makers), p=weights)]
        clusters.append(maker(rng, split))
    if rng.random() < 0.15:
        clusters.append(twins(rng, split))
    while sum(map(len, clusters)) > MAX_THINGS:
        clusters.pop()
    if rng.random() < 0.1:
        chosen = clusters[rng.integers(len(clusters))]
        chosen[:] = [replace(t, look="floor", notes=(*t.notes, "floor look")) for t in chosen]
    if rng.random() < 0.22:
        clusters.append([_immovable(rng)])
    return _place(rng, clusters)


def _immovable(rng: np.random.Generator) -> Thing:
    """Something too big to move: a block, a wall or a step."""
    sizes = {
        "block": rng.uniform((0.06, 0.06, 0.05), (0.15, 0.15, 0.2)),
        "wall": rng.uniform((0.2, 0.015, 0.06), (0.4, 0.04, 0.25)),
        "step": rng.uniform((0.2, 0.1, 0.02), (0.4, 0.2, 0.06)),
    }
    label = sorted(sizes)[rng.integers(len(sizes))]
    part = Part("box", tuple(sizes[label]))
    return _grounded(Thing(label, (part,), family="immovable", movable=False, notes=("immovable",)))


def _place(rng: np.random.Generator, clusters: list[Cluster]) -> list[Thing]:
    """Put clusters side by side: discs that do not overlap, near enough to be seen together."""
    placed: list[tuple[np.ndarray, float]] = []
    things: list[Thing] = []
    spread = rng.uniform(1.0, 1.8)
    for cluster in clusters:
        outline = np.concatenate([thing.outline()[:, :2] for thing in cluster])
        radius = float(np.linalg.norm(outline, axis=1).max())
        centre = _free_spot(rng, placed, radius, spread)
        placed.append((centre, radius))
        yaw = rng.uniform(0, 2 * np.pi)
        things += [thing.moved(np.array([*centre, 0.0]), yaw) for thing in cluster]
    middle = np.mean([thing.pos[:2] for thing in things], axis=0)
    return [thing.moved(np.array([*-middle, 0.0])) for thing in things]


def _free_spot(rng, placed: list[tuple[np.ndarray, float]], radius: float, spread: float):
    """The first free random spot, in a disc that grows until one is found."""
    reach = 0.0 if not placed else radius + max(r for _, r in placed)
    while True:
        for _ in range(12):
            turn, away = rng.uniform(0, 2 * np.pi), reach * spread * np.sqrt(rng.random())
            spot = away * np.array([np.cos(turn), np.sin(turn)])
            if all(np.linalg.norm(spot - at) > radius + r + 0.002 for at, r in placed):
                return spot
        reach = 1.2 * reach + 0.01
