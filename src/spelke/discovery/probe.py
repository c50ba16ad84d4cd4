"""Ask a world model what moves when a point is pushed: all queries of one round in one batch.

A `Track` follows one point through the zoom levels. `probe` adds one `Level` to each track: it
plans the queries, groups them by what they look at, asks each glance once, and reduces the flow
fields to maps. Nothing is decided here; see `segment.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from spelke.discovery.correlation import motion_correlation
from spelke.discovery.pokes import Draws, plan_queries, still_corners
from spelke.discovery.settings import DiscoverySettings, Stage
from spelke.discovery.view import Look, View
from spelke.rollout.base import Glance, Query
from spelke.types import Point, Poke

GlanceAt = Callable[[Look], Glance]
"""Encodes what a look shows, or finds it encoded."""


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
    region: Bool[np.ndarray, "size size"] | None = None
    """The segment found so far, in the present view."""
    levels: list[Level] = field(default_factory=list)


def probe(
    glance_at: GlanceAt,
    tracks: Sequence[Track],
    stage: Stage,
    settings: DiscoverySettings,
    patch_size: int,
) -> None:
    """Add one level to each track. Queries that look at the same are asked in one call."""
    jobs = [
        (look, _plan(track, look, stage, settings, patch_size))
        for track in tracks
        for look in track.view.looks(settings.num_looks, patch_size)
    ]
    flows = _ask(glance_at, jobs, stage)
    for number, track in enumerate(tracks):
        mine = slice(number * settings.num_looks, (number + 1) * settings.num_looks)
        track.levels.append(_level(track, jobs[mine], flows[mine], settings))


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


def _ask(
    glance_at: GlanceAt, jobs: list[tuple[Look, list[Query]]], stage: Stage
) -> list[Float[np.ndarray, "poke 2 size size"]]:
    """The flow fields of every job, with one call for each picture that is looked at."""
    together: dict[Hashable, list[int]] = {}
    for number, (look, _) in enumerate(jobs):
        together.setdefault(look.key, []).append(number)
    answers: list[np.ndarray] = [np.empty(0)] * len(jobs)
    for numbers in together.values():
        queries = [query for number in numbers for query in jobs[number][1]]
        glance = glance_at(jobs[numbers[0]][0])
        if stage.num_sequential is None:
            flow = glance.expected_displacement(queries)
        else:
            flow = glance.sample_flow(queries, stage.num_sequential, stage.sampling)
        fields = flow.detach().float().cpu().numpy()
        ends = np.cumsum([len(jobs[number][1]) for number in numbers])
        for number, part in zip(numbers, np.split(fields, ends[:-1]), strict=True):
            answers[number] = part
    return answers


def _level(
    track: Track,
    jobs: list[tuple[Look, list[Query]]],
    flows: list[Float[np.ndarray, "poke 2 size size"]],
    settings: DiscoverySettings,
) -> Level:
    """Reduce the answers of one track to maps, averaged over its looks."""
    total: np.ndarray | None = None
    pushes = []
    for (look, queries), fields in zip(jobs, flows, strict=True):
        displacements = np.array([query.pokes[-1].displacement for query in queries], np.float32)
        halves = (slice(0, None, 2), slice(1, None, 2))[: len(queries)]
        maps = [motion_correlation(fields, displacements, settings.evidence)]
        maps.append(motion_correlation(fields, displacements, "gain"))
        maps += [
            motion_correlation(fields[half], displacements[half], settings.evidence)
            for half in halves
        ]
        aligned = look.maps_out(np.stack(maps))
        total = aligned if total is None else total + aligned
        pushes.append(displacements)
    assert total is not None, "a track has at least one look"
    mean = total / len(jobs) if len(jobs) > 1 else total
    return Level(
        view=track.view,
        point=track.point,
        evidence=mean[0],
        gain=mean[1],
        halves=mean[2:],
        pokes=_first_look_pokes(track, jobs[0]),
        poke_length=float(np.sqrt((np.concatenate(pushes) ** 2).sum(1).mean())),
    )


def _first_look_pokes(track: Track, job: tuple[Look, list[Query]]) -> tuple[Poke, ...]:
    """The pushes of the base view, in pixels of the photo (its other looks repeat the design)."""
    return tuple(
        track.view.poke_out(poke) for query in job[1] for poke in query.pokes if poke.length > 0
    )
