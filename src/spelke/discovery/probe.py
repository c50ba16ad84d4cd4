"""Ask a world model what moves when points are pushed: one call for all queries of a round.

A `Track` follows one point of one photo through the zoom levels. `probe` adds one `Level` to each
track: it plans the queries, asks them in lockstep, of whatever photos, and reduces the flow fields
to maps. A round is a whole stage, unless tracks may stop on the way. Nothing is decided here; see
`segment.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from spelke.discovery.correlation import motion_correlation
from spelke.discovery.memory import Memory, Sight, glances_at
from spelke.discovery.pokes import Draws, plan_queries, still_corners
from spelke.discovery.settings import DiscoverySettings, Evidence, Stage
from spelke.discovery.settle import half_samples, rounds_of
from spelke.discovery.view import Look, View
from spelke.rollout.base import Ask, Glance, Query, WorldModel
from spelke.types import Point, Poke


@dataclass(frozen=True, eq=False)
class Level:
    """What one round of probing found in one view."""

    view: View
    point: Point
    """In pixels of the view."""
    evidence: Float[np.ndarray, "size size"]
    """How each pixel follows the pokes, in the unit of `DiscoverySettings.evidence`."""
    gain: Float[np.ndarray, "size size"]
    """The same in units of the poke: 1 moves as pushed."""
    halves: Float[np.ndarray, "half size size"]
    """The evidence of every second poke and of the others; one map if there was one poke."""
    pokes: tuple[Poke, ...]
    """Of the point that was pushed, in pixels of the photo."""
    poke_length: float
    """Root mean square length of the pokes, pixels of the view."""


@dataclass(eq=False)
class Track:
    """One point on its way through the zoom levels."""

    view: View
    point: Point
    """In pixels of the view."""
    draws: Draws
    memory: Memory
    """Of the photo."""
    region: Bool[np.ndarray, "size size"] | None = None
    """The segment found so far, in the present view."""
    levels: list[Level] = field(default_factory=list)


IsSettled = Callable[[Level, Float[np.ndarray, "sample size size"], float], bool]
"""Whether the pokes so far suffice: (the level that they give, the evidence that halves of them
give, the share of the planned pokes that they are)."""


@dataclass(frozen=True, eq=False)
class _Inquiry:
    """The questions of one track in one stage, and the answers so far."""

    track: Track
    looks: list[Look]
    plans: list[list[Query]]
    """Of each look."""
    glances: list[Glance]
    """Of each look."""
    flows: list[dict[int, Float[np.ndarray, "2 size size"]]]
    """Of each look, by number of the query in its plan."""

    @property
    def asked(self) -> list[int]:
        """Numbers of the queries that are answered, in the order of the plan."""
        return sorted(self.flows[0])


def probe(
    model: WorldModel,
    tracks: Sequence[Track],
    stage: Stage,
    settings: DiscoverySettings,
    is_settled: IsSettled | None = None,
) -> None:
    """Add one level to each track.

    Args:
        model: is asked once in each round.
        tracks: points, of one photo or of several.
        stage: which pokes.
        settings: how they are asked and measured.
        is_settled: tracks of which it is true leave before the next round; None: there is one
            round.
    """
    inquiries = _inquire(model, tracks, stage, settings)
    rounds = [range(stage.num_queries)] if is_settled is None else rounds_of(stage)
    for numbers in rounds:
        _answer(model, inquiries, numbers, stage)
        left = []
        for inquiry in inquiries:
            asked = inquiry.asked
            level = _level(inquiry, asked, settings)
            share = len(asked) / stage.num_queries
            if share == 1 or (is_settled and is_settled(level, _samples(inquiry, settings), share)):
                inquiry.track.levels.append(level)
            else:
                left.append(inquiry)
        inquiries = left


def _inquire(
    model: WorldModel, tracks: Sequence[Track], stage: Stage, settings: DiscoverySettings
) -> list[_Inquiry]:
    """Plan all queries and look at all that they are about."""
    looks = [track.view.looks(settings.num_looks, model.patch_size) for track in tracks]
    sights = [
        Sight(track.memory, look)
        for track, mine in zip(tracks, looks, strict=True)
        for look in mine
    ]
    glances = iter(glances_at(model, sights))
    return [
        _Inquiry(
            track,
            mine,
            [_plan(track, look, stage, settings, model.patch_size) for look in mine],
            [next(glances) for _ in mine],
            [{} for _ in mine],
        )
        for track, mine in zip(tracks, looks, strict=True)
    ]


def _plan(
    track: Track, look: Look, stage: Stage, settings: DiscoverySettings, patch_size: int
) -> list[Query]:
    """The queries of one track in one look, in pixels of the look."""
    planned = plan_queries(
        track.point,
        stage,
        track.draws,
        size=track.view.size,
        region=track.region,
        whole=settings.whole_pokes,
    )
    queries = []
    for query in planned:
        pokes = tuple(look.poke_in(poke) for poke in query.pokes)
        corners: tuple[Poke, ...] = ()
        if settings.corner_pokes != "none":
            free_of = pokes if settings.corner_pokes == "free" else ()
            corners = still_corners(track.view.size, patch_size, free_of)
        queries.append(Query(corners + pokes, query.seed))
    return queries


def _answer(
    model: WorldModel, inquiries: Sequence[_Inquiry], numbers: Sequence[int], stage: Stage
) -> None:
    """Ask the queries of these numbers of every look of every track, in one call."""
    places, asks = [], []
    for inquiry in inquiries:
        parts = zip(inquiry.flows, inquiry.glances, inquiry.plans, strict=True)
        for flows, glance, plan in parts:
            places += [(flows, number) for number in numbers]
            asks += [Ask(glance, plan[number]) for number in numbers]
    if not asks:
        return
    if stage.num_sequential is None:
        fields = model.expected_displacement(asks)
    else:
        fields = model.sample_flow(asks, stage.num_sequential, stage.sampling)
    for (flows, number), flow in zip(places, fields.detach().float().cpu().numpy(), strict=True):
        flows[number] = flow


def _level(inquiry: _Inquiry, asked: Sequence[int], settings: DiscoverySettings) -> Level:
    """Reduce the answers of one track to maps, averaged over its looks."""
    halves = [half for half in (asked[0::2], asked[1::2]) if half]
    pushes = [_displacements(plan, asked) for plan in inquiry.plans]
    track = inquiry.track
    return Level(
        view=track.view,
        point=track.point,
        evidence=_evidence(inquiry, asked, settings.evidence),
        gain=_evidence(inquiry, asked, "gain"),
        halves=np.stack([_evidence(inquiry, half, settings.evidence) for half in halves]),
        # Of the base view; its other looks repeat the design.
        pokes=tuple(
            track.view.poke_out(poke)
            for number in asked
            for poke in inquiry.plans[0][number].pokes
            if poke.length > 0
        ),
        poke_length=float(np.sqrt((np.concatenate(pushes) ** 2).sum(1).mean())),
    )


def _samples(
    inquiry: _Inquiry, settings: DiscoverySettings
) -> Float[np.ndarray, "sample size size"]:
    """The evidence that halves of the answers give."""
    asked = inquiry.asked
    samples = [[asked[place] for place in places] for places in half_samples(len(asked))]
    return np.stack([_evidence(inquiry, sample, settings.evidence) for sample in samples])


def _evidence(
    inquiry: _Inquiry, numbers: Sequence[int], kind: Evidence
) -> Float[np.ndarray, "size size"]:
    """How each pixel follows some of the pokes, mean over the looks."""
    maps = []
    for look, plan, flows in zip(inquiry.looks, inquiry.plans, inquiry.flows, strict=True):
        fields = np.stack([flows[number] for number in numbers])
        values = motion_correlation(fields, _displacements(plan, numbers), kind)
        maps.append(look.maps_out(values[None])[0])
    return np.mean(maps, axis=0)


def _displacements(plan: Sequence[Query], numbers: Sequence[int]) -> Float[np.ndarray, "poke 2"]:
    """What the pushed point is moved by in each query, pixels of the look."""
    return np.array([plan[number].pokes[-1].displacement for number in numbers], np.float32)
