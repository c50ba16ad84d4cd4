"""Pendulums and ropes that hang from a stand. A rope is a chain of short rigid links."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spelke.worlds.clusters import Cluster, draw_size, grounded, with_material
from spelke.worlds.joints import Joint
from spelke.worlds.shapes import Part, Thing, draw_primitive


def hanging(rng: np.random.Generator, split: str) -> Cluster:
    """A stand with one or two pendulums, or with a rope and a weight at its end."""
    height = float(rng.uniform(0.22, 0.34))
    half = float(rng.uniform(0.1, 0.16))
    stand = _stand(rng, split, half, height)
    if rng.random() < 0.5:
        things = [stand]
        count = int(rng.integers(1, 3))
        spots = np.linspace(-0.45, 0.45, count) * half * (count > 1)
        for index, spot in enumerate(spots.tolist()):
            things.append(_pendulum(rng, split, spot, height, index + 1))
        return things
    return [stand, *_rope(rng, split, height)]


def _stand(rng: np.random.Generator, split: str, half: float, height: float) -> Thing:
    """A bar on two posts in `train`, an arm on one post in `test`; fixed to the floor."""
    thick = 0.01
    bar = Part("box", (half, thick, thick), (0, 0, height + thick))
    sides = (-1, 1) if split == "train" else (-1,)
    posts = [
        Part("box", (thick, thick, height / 2 + thick), (x * half, 0, height / 2 + thick), slot=1)
        for x in sides
    ]
    feet = [Part("box", (2 * thick, 5 * thick, thick / 2), (x * half, 0, 0)) for x in sides]
    slot = int(rng.random() < 0.5)
    posts = [replace(post, slot=slot) for post in posts]
    stand = Thing("stand", (bar, *posts, *feet), family="hanging", movable=False)
    return replace(grounded(stand), notes=("immovable", "stand"))


def _weight(rng: np.random.Generator, split: str) -> Thing:
    size = float(np.clip(0.7 * draw_size(rng), 0.03, 0.05))
    return with_material(rng, draw_primitive(rng, split, size))


def _pendulum(rng: np.random.Generator, split: str, x: float, height: float, back: int) -> Thing:
    """A rod with a weight, one rigid body."""
    weight = _weight(rng, split)
    reach = np.abs(weight.outline()[:, 2]).max()
    long = rng.uniform(0.45, 0.75) * height
    long = min(long, height - 2.2 * reach - 0.02)
    rod = Part("capsule", (0.004, long / 2), (0, 0, -long / 2), slot=1)
    drop = long + 0.9 * weight.outline()[:, 2].max()
    parts = [
        replace(part, pos=(part.pos[0], part.pos[1], part.pos[2] - drop)) for part in weight.parts
    ]
    joint = Joint("ball", back, damping=2e-4)
    return Thing(
        "pendulum", (rod, *parts), family="hanging", pos=(x, 0.0, height), density=weight.density,
        joint=joint,
    )  # fmt: skip


def _rope(rng: np.random.Generator, split: str, height: float) -> Cluster:
    """Links of one look, and a weight below."""
    count = int(rng.integers(4, 7))
    weight = _weight(rng, split)
    above = weight.outline()[:, 2].max()
    long = (0.9 * height - 2.4 * above) / count
    thick = float(rng.uniform(0.005, 0.009))
    look = f"rope{rng.integers(1 << 30)}"
    links: Cluster = []
    for index in range(count):
        link = Part("capsule", (thick, long / 2), (0, 0, -long / 2))
        links.append(
            Thing(
                "link", (link,), family="hanging", pos=(0.0, 0.0, height - index * long),
                look=look, joint=Joint("ball", 1, damping=2e-4),
            )
        )  # fmt: skip
    end = height - count * long
    hung = replace(weight, pos=(0.0, 0.0, end - above), family="hanging")
    joint = Joint("ball", 1, at=(0.0, 0.0, float(above)), damping=2e-4)
    return [*links, replace(hung, joint=joint)]
