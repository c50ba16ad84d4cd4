"""Things with a moving link: chest, drawers, cupboard, scissors; laptop, matchbox, wardrobe, arm.

The frame comes first, its links follow. Joints have friction, so links stay where they are left;
some frames are bolted to the floor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from spelke.worlds.clusters import Cluster, draw_size, grounded
from spelke.worlds.joints import Joint, Vector
from spelke.worlds.shapes import Part, Thing, quat_about, quat_multiply, rotate

_GRAVITY = 9.81


def articulated(rng: np.random.Generator, split: str) -> Cluster:
    """One thing with one to three links."""
    names = sorted(_KINDS[split])
    things = _KINDS[split][names[rng.integers(len(names))]](rng, 1.6 * draw_size(rng))
    friction, density = rng.uniform(0.5, 1.0), rng.uniform(300, 1000)
    one_look = rng.random() < 0.3
    look = f"linked{rng.integers(1 << 30)}" if one_look else ""
    bolted = rng.random() < 0.35
    things = [
        replace(t, family="articulated", friction=friction, density=density, look=look)
        for t in things
    ]
    if bolted:
        things[0] = replace(things[0], movable=False, notes=("immovable", "bolted"))
    lift = grounded(things[0]).pos[2] - things[0].pos[2]
    return [thing.moved(np.array([0, 0, lift])) for thing in things]


def _link(
    label: str, parts: list[Part], frame: Thing, anchor: Vector, joint: Joint, start: float
) -> Thing:
    """A link whose own frame sits at the anchor (frame's axes), moved by `start` along its joint.

    Limits of the joint are counted from the closed pose.
    """
    place = rotate(np.array(frame.quat), np.array(anchor)) + np.array(frame.pos)
    quat = np.array(frame.quat)
    if joint.kind == "slide":
        place = place + start * rotate(quat, np.array(joint.axis))
    else:
        quat = quat_multiply(quat, quat_about(joint.axis, start))
    limits = (joint.limits[0] - start, joint.limits[1] - start)
    return Thing(
        label, tuple(parts), pos=tuple(place), quat=tuple(quat), joint=replace(joint, limits=limits)
    )


def _box(half: Vector, pos: Vector = (0.0, 0.0, 0.0), slot: int = 0) -> Part:
    return Part("box", half, pos, slot=slot)


def _shell(wide: float, deep: float, tall: float, thick: float, boards: int = 1) -> list[Part]:
    """A cabinet that is open towards +x, with shelves; its floor lies at z = 0."""
    parts = [
        _box((deep, wide, thick), (0, 0, z * tall)) for z in np.linspace(0, 2, boards + 1).tolist()
    ]
    parts += [_box((deep, thick, tall), (0, y * wide, tall)) for y in (-1, 1)]
    return [*parts, _box((thick, wide, tall), (-deep, 0, tall))]


def _weight(parts: list[Part]) -> float:
    """About the weight of the boxes of a link, newtons."""
    boxes = (8 * np.prod(part.size) for part in parts if part.kind == "box")
    return float(_GRAVITY * 600 * sum(boxes))


def _rail(parts: list[Part], back: int, most: float) -> Joint:
    """Along x, with a fifth of the link's weight as friction: frames stay where they are."""
    grip = 0.2 * _weight(parts)
    return Joint("slide", back, (1.0, 0.0, 0.0), limits=(0.0, most), friction=grip, damping=grip)


def _opened(rng: np.random.Generator, most: float) -> float:
    """How far a link is open: closed, wide open, or between."""
    draw = rng.random()
    return 0.0 if draw < 0.25 else float(most * rng.uniform(0.1, 0.9))


def _lid(
    rng: np.random.Generator, frame: Thing, half: Vector, anchor: Vector, slot_label: str
) -> Thing:
    """A board hinged at its edge -x of the frame; opens upwards."""
    most = float(rng.uniform(1.3, 2.0))
    weight = 8 * half[0] * half[1] * half[2] * 800 * _GRAVITY
    joint = Joint(
        "hinge", axis=(0.0, -1.0, 0.0), limits=(0.0, most), friction=1.6 * weight * half[0]
    )
    board = [_box(half, (half[0], 0, 0))]
    return _link(slot_label, board, frame, anchor, joint, _opened(rng, most))


def chest(rng: np.random.Generator, s: float) -> Cluster:
    """An open box with a lid."""
    wide, deep, tall = (
        s * rng.uniform(0.5, 0.9),
        s * rng.uniform(0.5, 0.8),
        s * rng.uniform(0.3, 0.6),
    )
    thick = 0.06 * s
    parts = [_box((deep, wide, thick))]
    for sign in (-1, 1):
        parts.append(_box((thick, wide, tall), (sign * (deep - thick), 0, tall)))
        parts.append(_box((deep, thick, tall), (0, sign * (wide - thick), tall)))
    frame = Thing("chest", tuple(parts))
    anchor = (-deep, 0.0, 2 * tall + 0.7 * thick)
    return [frame, _lid(rng, frame, (deep, wide, 0.6 * thick), anchor, "lid")]


def drawers(rng: np.random.Generator, s: float) -> Cluster:
    """A cabinet with one or two drawers."""
    count = int(rng.integers(1, 3))
    wide, deep, thick = s * rng.uniform(0.5, 0.8), s * rng.uniform(0.5, 0.7), 0.05 * s
    tall = count * s * rng.uniform(0.25, 0.4)
    frame = Thing("cabinet", tuple(_shell(wide, deep, tall, thick, count)))
    slot = tall / count - thick
    things = [frame]
    for index in range(count):
        middle = (2 * index + 1) * tall / count
        things.append(_drawer(rng, frame, (deep, wide - 1.3 * thick, slot), middle, index + 1))
    return things


def _drawer(
    rng: np.random.Generator, frame: Thing, half: Vector, middle: float, back: int
) -> Thing:
    deep, wide, tall = half
    thick = 0.08 * wide
    low = -0.85 * tall
    parts = [
        _box((0.92 * deep, 0.92 * wide, thick), (0, 0, low)),
        _box((thick, wide, 0.95 * tall), (deep, 0, 0)),
        _box((thick, 0.92 * wide, 0.6 * tall), (-0.92 * deep, 0, low + 0.6 * tall)),
        Part("sphere", (0.25 * tall,), (deep + thick + 0.15 * tall, 0, 0), slot=1),
    ]
    for y in (-1, 1):
        side = (0.92 * deep, thick, 0.6 * tall)
        parts.append(_box(side, (0, y * 0.92 * wide, low + 0.6 * tall)))
    most = 1.5 * deep
    joint = _rail(parts, back, most)
    return _link("drawer", parts, frame, (0.0, 0.0, middle), joint, _opened(rng, most))


def cupboard(rng: np.random.Generator, s: float, doors: int = 1) -> Cluster:
    """A cabinet with a door."""
    wide, deep, tall = (
        s * rng.uniform(0.4, 0.8),
        s * rng.uniform(0.3, 0.6),
        s * rng.uniform(0.5, 0.8),
    )
    thick = 0.05 * s
    frame = Thing("cupboard", tuple(_shell(wide, deep, tall, thick, int(rng.integers(1, 3)))))
    things = [frame]
    for index in range(doors):
        side = 1 if index == 0 else -1
        half = wide / doors
        parts = [
            _box((0.7 * thick, 0.98 * half, 1.03 * tall), (0, -side * half, 0)),
            Part("sphere", (1.3 * thick,), (1.5 * thick, -side * 1.75 * half, 0), slot=1),
        ]
        most = float(rng.uniform(1.6, 2.2))
        joint = Joint(
            "hinge",
            index + 1,
            (0.0, 0.0, float(side)),
            limits=(0.0, most),
            friction=0.05 * half * _weight(parts),
        )
        anchor = (deep + thick, side * wide, tall)
        things.append(_link("door", parts, frame, anchor, joint, _opened(rng, most)))
    return things


def wardrobe(rng: np.random.Generator, s: float) -> Cluster:
    """A cabinet with two doors."""
    return cupboard(rng, s, doors=2)


def scissors(rng: np.random.Generator, s: float) -> Cluster:
    """Two crossed bars, joined where they cross, with rings at one end."""
    thick = float(rng.uniform(0.05, 0.08) * s)
    handle, blade = s * rng.uniform(0.5, 0.7), s * rng.uniform(0.6, 1.0)
    wide = float(rng.uniform(0.08, 0.14) * s)

    def half(side: int) -> list[Part]:
        return [
            _box(((handle + blade) / 2, wide, thick), ((blade - handle) / 2, 0, 0)),
            Part("cylinder", (2.2 * wide, thick), (-handle, side * 1.4 * wide, 0), slot=1),
        ]

    frame = Thing("scissors", tuple(half(-1)))
    grip = 0.05 * blade * _weight(half(1))
    joint = Joint("hinge", axis=(0.0, 0.0, 1.0), limits=(0.1, 1.6), friction=grip)
    upper = _link("blade", half(1), frame, (0.0, 0.0, 2.05 * thick), joint, rng.uniform(0.3, 1.3))
    return [frame, upper]


def laptop(rng: np.random.Generator, s: float) -> Cluster:
    """Two slabs joined at an edge."""
    wide, deep, thick = s * rng.uniform(0.6, 0.9), s * rng.uniform(0.4, 0.65), 0.04 * s
    frame = Thing("laptop", (_box((deep, wide, thick)),))
    lid = _lid(rng, frame, (deep, wide, 0.7 * thick), (-deep, 0.0, 1.9 * thick), "screen")
    return [frame, lid]


def matchbox(rng: np.random.Generator, s: float) -> Cluster:
    """A sleeve with an inner tray."""
    wide, deep, tall = (
        s * rng.uniform(0.4, 0.6),
        s * rng.uniform(0.5, 0.9),
        s * rng.uniform(0.15, 0.3),
    )
    thick = 0.04 * s
    parts = [_box((deep, wide, thick), (0, 0, z * tall)) for z in (-1, 1)]
    parts += [_box((deep, thick, tall), (0, y * wide, 0)) for y in (-1, 1)]
    frame = Thing("sleeve", tuple(parts))
    inner_wide, inner_tall = wide - 1.5 * thick, tall - 1.8 * thick
    inner = [_box((0.98 * deep, inner_wide, thick / 2), (0, 0, -inner_tall))]
    for sign in (-1, 1):
        side = (0.98 * deep, thick / 2, inner_tall)
        inner.append(_box(side, (0, sign * inner_wide, 0)))
        inner.append(_box((thick / 2, inner_wide, inner_tall), (sign * 0.98 * deep, 0, 0)))
    most = 1.5 * deep
    joint = _rail(inner, 1, most)
    start = float(most * rng.uniform(0.2, 0.8))
    return [frame, _link("inner", inner, frame, (0.0, 0.0, 0.0), joint, start)]


def arm(rng: np.random.Generator, s: float) -> Cluster:
    """A heavy foot with an arm of two links."""
    foot, post = s * rng.uniform(0.4, 0.6), s * rng.uniform(0.3, 0.5)
    bar = 0.07 * s
    frame = Thing(
        "foot",
        (
            Part("cylinder", (foot, 0.12 * s)),
            Part("cylinder", (1.3 * bar, post), (0, 0, post), slot=1),
        ),
    )
    things, anchor = [frame], (0.0, 0.0, 2 * post)
    for index in range(2):
        long = s * rng.uniform(0.25, 0.4)
        parts = [_box((long, bar, bar), (long, 0, 0)), Part("sphere", (1.6 * bar,), slot=1)]
        if index:
            parts.append(Part("sphere", (2.2 * bar,), (2 * long, 0, 0), slot=1))
        joint = Joint(
            "hinge", 1, (0.0, 0.0, 1.0), limits=(-2.0, 2.0), friction=0.05 * long * _weight(parts)
        )
        anchor = anchor if index == 0 else (2 * things[-1].parts[0].size[0], 0.0, 2.3 * bar)
        things.append(_link("arm", parts, things[-1], anchor, joint, rng.uniform(-1, 1)))
    return things


_KINDS: dict[str, dict[str, Callable[..., Cluster]]] = {
    "train": {"chest": chest, "drawers": drawers, "cupboard": cupboard, "scissors": scissors},
    "test": {"laptop": laptop, "matchbox": matchbox, "wardrobe": wardrobe, "arm": arm},
}
