"""Which things stand where: the scene families.

A family makes clusters (one thing, a stack, a tray with contents, a cabinet), and clusters are
placed side by side on the table without overlap. Only the physics stream is drawn from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from spelke.worlds.articulated import articulated
from spelke.worlds.attached import sticker, touching, twin_row, welded
from spelke.worlds.clusters import Cluster, compound, filled_tray, single, stack, twins
from spelke.worlds.cups import filled_cup
from spelke.worlds.fixtures import bolted, furniture, shelf
from spelke.worlds.hanging import hanging
from spelke.worlds.leaning import bridge, dominoes, leaning
from spelke.worlds.motion import falling, ramp, sliding, tossed
from spelke.worlds.shapes import Thing

MAX_THINGS = 10

Maker = Callable[[np.random.Generator, str], Cluster]
Weighted = tuple[tuple[float, Maker], ...]


@dataclass(frozen=True, slots=True)
class Family:
    """What a scene is made of.

    Attributes:
        own: makers with their weights; the first cluster is one of these.
        beside: makers of what may stand beside it. share: of the later clusters that are so.
        counts: clusters, from the first number to below the second.
        calm: whether twins, the floor's look and furniture may be added.
    """

    own: Weighted
    beside: Weighted = ((1.0, single),)
    share: float = 0.3
    counts: tuple[int, int] = (1, 4)
    calm: bool = True


_EVERYTHING: Weighted = (
    (0.26, single),
    (0.2, compound),
    (0.12, stack),
    (0.1, filled_tray),
    (0.08, filled_cup),
    (0.04, bridge),
    (0.03, leaning),
    (0.02, dominoes),
    (0.07, articulated),
    (0.03, welded),
    (0.02, touching),
    (0.01, sticker),
    (0.02, bolted),
)
_LAYOUTS: dict[str, Family] = {
    "primitives": Family(((1.0, single),), counts=(1, 8)),
    "compounds": Family(((1.0, compound),), share=0.15, counts=(1, 6)),
    "stacks": Family(((1.0, stack),), share=0.25),
    "trays": Family(((1.0, filled_tray),), counts=(1, 3)),
    "mixed": Family(_EVERYTHING, share=0.0, counts=(2, 5)),
    "cups": Family(((1.0, filled_cup),)),
    "bridges": Family(((0.45, bridge), (0.3, leaning), (0.25, dominoes)), counts=(1, 3)),
    "articulated": Family(((1.0, articulated),), counts=(1, 3)),
    "welded": Family(((0.5, welded), (0.25, touching), (0.25, sticker)), share=0.2),
    "twins": Family(((1.0, twin_row),), share=0.2, calm=False),
    "decoys": Family(((0.5, single), (0.3, compound), (0.2, stack)), counts=(1, 5)),
    "immovable": Family(
        ((0.5, bolted), (0.25, furniture), (0.25, shelf)),
        beside=((0.6, single), (0.4, compound)),
        share=0.5,
        counts=(2, 6),
    ),
    "moving": Family(
        ((0.3, falling), (0.2, tossed), (0.3, sliding), (0.2, ramp)),
        counts=(1, 5),
        calm=False,
    ),
    "camera": Family(_EVERYTHING, share=0.0, counts=(1, 5)),
    "hanging": Family(((1.0, hanging),), counts=(1, 3), calm=False),
}
SPRITES = "sprites"
"""The one family without physics; see `spelke.worlds.sprites`."""
FAMILIES = (*_LAYOUTS, SPRITES)
_MIXED = {
    "mixed": 0.66,
    "decoys": 0.09,
    "moving": 0.08,
    "camera": 0.07,
    "hanging": 0.05,
    SPRITES: 0.05,
}
"""What a scene of the family `mixed` turns out to be: everything at rest, or one of the others."""


def draw_kind(rng: np.random.Generator, family: str) -> str:
    """The family whose rules a scene follows: its own, or for `mixed` one of several."""
    if family != "mixed":
        return family
    return str(rng.choice(list(_MIXED), p=list(_MIXED.values())))


def draw_layout(rng: np.random.Generator, family: str, split: str) -> list[Thing]:
    """Draw the things of a scene with their starting poses.

    Args:
        rng: the physics stream.
        family: one of `FAMILIES`, but not `SPRITES`.
        split: "train" or "test"; their shape kinds are disjoint.

    Returns:
        One to `MAX_THINGS` movable things, and others that are not.
    """
    layout = _LAYOUTS[family]
    clusters: list[Cluster] = []
    for index in range(int(rng.integers(*layout.counts))):
        own = index == 0 or rng.random() >= layout.share
        clusters.append(_draw(rng, layout.own if own else layout.beside)(rng, split))
    if layout.calm and rng.random() < 0.15:
        clusters.append(twins(rng, split))
    while len(clusters) > 1 and sum(map(len, clusters)) > MAX_THINGS:
        clusters.pop()
    if not any(thing.movable for cluster in clusters for thing in cluster):
        clusters.append(single(rng, split))
    if layout.calm and rng.random() < 0.1:
        chosen = clusters[rng.integers(len(clusters))]
        chosen[:] = [replace(t, look="floor", notes=(*t.notes, "floor look")) for t in chosen]
    if layout.calm and rng.random() < 0.22:
        clusters.append(furniture(rng, split))
    return _place(rng, clusters)


def _draw(rng: np.random.Generator, makers: Weighted) -> Maker:
    weights = np.array([weight for weight, _ in makers])
    return makers[rng.choice(len(makers), p=weights / weights.sum())][1]


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
