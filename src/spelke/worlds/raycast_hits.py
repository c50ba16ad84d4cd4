"""Which shape a ray hits first. Rays come in tiles: a tile that misses a shape's ball is spared.

All coordinates are relative to the camera, so that float32 is exact enough. Distances count in
lengths of the direction: for rays of unit depth they are depths along the optical axis.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from spelke.worlds import scenery
from spelke.worlds.raycast_tables import CLUSTER, Triangles

_SLACK = 1e-5
"""Barycentric: neighbouring triangles overlap by this, so that no ray slips through an edge."""


@dataclass(frozen=True, slots=True, eq=False)
class Rays:
    """F frames of T tiles of B rays, and a cone with a thick tip about each tile.

    Attributes:
        origin: (F, T, B or 1, 3). direction: (F, T, B, 3).
        centre, axis: (F, T, 3); `axis` has length 1. radius: (F, T), of the cone at `centre`.
        slope: (F, T), tangent of its half angle. active: (F, T) bool.
    """

    origin: Tensor
    direction: Tensor
    centre: Tensor
    axis: Tensor
    radius: Tensor
    slope: Tensor
    active: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """The shapes of F frames where they stand, relative to the camera.

    Attributes:
        kind: (F, G); a sphere counts as an ellipsoid. mesh: (F, G). size: (F, G, 3).
        reach: (F, G). pos: (F, G, 3). rot: (F, G, 3, 3), shape to world.
        casts: (F, G) bool, whether a shape casts shadows.
    """

    kind: Tensor
    mesh: Tensor
    size: Tensor
    reach: Tensor
    pos: Tensor
    rot: Tensor
    casts: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """What each ray hits: (F, T, B) each.

    Attributes:
        distance: float32, inf for nothing. shape: index into the frame's shapes, -1 for nothing.
        triangle: index into `Triangles`, -1 where the shape is no mesh.
    """

    distance: Tensor
    shape: Tensor
    triangle: Tensor


def nearest(rays: Rays, placed: Placed, triangles: Triangles) -> Hits:
    """The first hit of every ray."""
    frames, tiles, count = rays.direction.shape[:3]
    best = rays.direction.new_full((frames * tiles, count), torch.inf)
    found = list(_candidates(rays, placed, triangles))
    for tile, _, distance, _ in found:
        best.scatter_reduce_(0, tile[:, None].expand_as(distance), distance, "amin")
    shape = torch.full_like(best, -1, dtype=torch.int64)
    triangle = shape.clone()
    for tile, number, distance, _ in found:
        first = (distance == best[tile]) & distance.isfinite()
        winner = torch.where(first, number[:, None], -1)
        shape.scatter_reduce_(0, tile[:, None].expand_as(winner), winner, "amax")
    for tile, number, distance, face in found:
        if face is not None:
            first = (distance == best[tile]) & (shape[tile] == number[:, None])
            winner = torch.where(first, face, -1)
            triangle.scatter_reduce_(0, tile[:, None].expand_as(winner), winner, "amax")
    whole = (frames, tiles, count)
    return Hits(best.view(whole), shape.view(whole), triangle.view(whole))


def blocked(rays: Rays, placed: Placed, triangles: Triangles, limit: Tensor) -> Tensor:
    """(F, T, B) bool: whether anything is hit before `limit`, (F, T, B) or (F, 1, 1).

    What does not cast shadows is not in the way.
    """
    frames, tiles, count = rays.direction.shape[:3]
    best = rays.direction.new_full((frames * tiles, count), torch.inf)
    for tile, _, distance, _ in _candidates(rays, placed, triangles, placed.casts):
        best.scatter_reduce_(0, tile[:, None].expand_as(distance), distance, "amin")
    return best.view(frames, tiles, count) < limit


def _near(rays_centre, axis, radius, slope, middle, reach) -> Tensor:
    """Whether cones come near balls; all arguments broadcast, vectors along the last axis."""
    away = middle - rays_centre
    along = (away * axis).sum(-1)
    aside = (away.square().sum(-1) - along.square()).clamp(min=0).sqrt()
    widest = radius + slope * along.clamp(min=0) + reach * (1 + slope.square()).sqrt()
    return (aside <= widest) & (along >= -(reach + radius)) & (reach >= 0)


def _candidates(rays: Rays, placed: Placed, triangles: Triangles, asked: Tensor | None = None):
    """Yield (tile (n,), shape (n,), distance (n, B), triangle (n, B) or None), kind by kind.

    With `asked`, (F, G) bool, of some shapes only.
    """
    near = _near(
        rays.centre[:, :, None],
        rays.axis[:, :, None],
        rays.radius[:, :, None],
        rays.slope[:, :, None],
        placed.pos[:, None],
        placed.reach[:, None],
    )
    if asked is not None:
        near = near & asked[:, None]
    frame, tile, shape = (near & rays.active[:, :, None]).nonzero(as_tuple=True)
    kind = placed.kind[frame, shape]
    for which, intersect in _KINDS:
        rows = (kind == which).nonzero()[:, 0]
        if len(rows):
            f, t, g = frame[rows], tile[rows], shape[rows]
            start, direction = _local(rays, placed, f, t, g)
            distance = intersect(start, direction, placed.size[f, g][:, None])
            yield f * near.shape[1] + t, g, distance, None
    rows = (kind == scenery.MESH).nonzero()[:, 0]
    if len(rows):
        yield from _mesh_candidates(rays, placed, triangles, frame[rows], tile[rows], shape[rows])


def _local(rays: Rays, placed: Placed, f: Tensor, t: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Origins and directions in the frames of shapes: (n, B or 1, 3) and (n, B, 3)."""
    turn = placed.rot[f, g]
    start = (rays.origin[f, t] - placed.pos[f, g][:, None]) @ turn
    direction = rays.direction[f, t] @ turn
    return start, direction


def _mesh_candidates(rays: Rays, placed: Placed, triangles: Triangles, f, t, g):
    mesh = placed.mesh[f, g]
    counts = triangles.count[mesh]
    row = torch.repeat_interleave(torch.arange(len(f), device=f.device), counts)
    cluster = torch.arange(len(row), device=f.device) - (counts.cumsum(0) - counts)[row]
    cluster = cluster + triangles.first[mesh][row]
    turn = placed.rot[f, g]
    centre = ((rays.centre[f, t] - placed.pos[f, g])[:, None] @ turn)[:, 0]
    axis = (rays.axis[f, t][:, None] @ turn)[:, 0]
    near = _near(
        centre[row],
        axis[row],
        rays.radius[f, t][row],
        rays.slope[f, t][row],
        triangles.centre[cluster],
        triangles.radius[cluster],
    )
    row, cluster = row[near], cluster[near]
    if not len(row):
        return
    start, direction = _local(rays, placed, f, t, g)
    distance, face = _triangles(start[row], direction[row], triangles, cluster)
    tile = f * rays.direction.shape[1] + t
    yield tile[row], g[row], distance, face


def _triangles(
    start: Tensor, direction: Tensor, triangles: Triangles, cluster: Tensor
) -> tuple[Tensor, Tensor]:
    """Nearest triangle of one cluster for each row: distances and triangles, (n, B)."""
    linear, offset = triangles.linear[cluster], triangles.offset[cluster][:, None]
    heading = (direction @ linear).unflatten(-1, (3, CLUSTER))
    place = torch.baddbmm(offset, start, linear).unflatten(-1, (3, CLUSTER))
    distance = -place[..., 2, :] / heading[..., 2, :]
    u = torch.addcmul(place[..., 0, :], distance, heading[..., 0, :])
    v = torch.addcmul(place[..., 1, :], distance, heading[..., 1, :])
    inside = (torch.minimum(u, v) >= -_SLACK) & (u + v <= 1 + _SLACK) & (distance > 0)
    distance, face = torch.where(inside, distance, torch.inf).min(-1)
    return distance, face + CLUSTER * cluster[:, None]


# -- one shape in its own frame: start (n, B or 1, 3), direction (n, B, 3), size (n, 1, 3) ---------


def _first(enter: Tensor, leave: Tensor) -> Tensor:
    """Where a ray first meets a convex surface it enters and leaves; inf if it does not."""
    distance = torch.where(enter > 0, enter, leave)
    return torch.where((enter <= leave) & (leave > 0), distance, torch.inf)


def _slab(start: Tensor, direction: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
    """Where rays enter and leave `|x| <= half`, coordinate by coordinate."""
    inverse = 1 / torch.where(direction.abs() < 1e-9, 1e-9, direction)
    middle, width = -start * inverse, half * inverse.abs()
    return middle - width, middle + width


def _ball(start: Tensor, direction: Tensor, radius: Tensor | float) -> tuple[Tensor, Tensor]:
    """Where rays enter and leave a ball (or, of two coordinates, a disc) about the origin."""
    square = direction.square().sum(-1).clamp(min=1e-12)
    middle = -(start * direction).sum(-1) / square
    aside = (start + middle[..., None] * direction).square().sum(-1)
    rest = (radius**2 - aside) / square
    half = rest.clamp(min=0).sqrt()
    missed = rest < 0
    return middle - half, torch.where(missed, -torch.inf, middle + half)


def _plane(start: Tensor, direction: Tensor, size: Tensor) -> Tensor:
    down = direction[..., 2]
    distance = -start[..., 2] / torch.where(down.abs() < 1e-9, 1e-9, down)
    at = start[..., :2] + distance[..., None] * direction[..., :2]
    inside = ((at.abs() <= size[..., :2]) | (size[..., :2] <= 0)).all(-1)
    return torch.where(inside & (distance > 0), distance, torch.inf)


def _ellipsoid(start: Tensor, direction: Tensor, size: Tensor) -> Tensor:
    return _first(*_ball(start / size, direction / size, 1.0))


def _box(start: Tensor, direction: Tensor, size: Tensor) -> Tensor:
    enter, leave = _slab(start, direction, size)
    return _first(enter.amax(-1), leave.amin(-1))


def _cylinder(start: Tensor, direction: Tensor, size: Tensor) -> Tensor:
    enter, leave = _ball(start[..., :2], direction[..., :2], size[..., 0])
    low, high = _slab(start[..., 2], direction[..., 2], size[..., 2])
    return _first(torch.maximum(enter, low), torch.minimum(leave, high))


def _capsule(start: Tensor, direction: Tensor, size: Tensor) -> Tensor:
    distance = _cylinder(start, direction, size)
    for sign in (-1, 1):
        tip = torch.zeros_like(size)
        tip[..., 2] = sign * size[..., 2]
        end = _first(*_ball(start - tip, direction, size[..., 0]))
        distance = torch.minimum(distance, end)
    return distance


_KINDS: tuple[tuple[int, Callable[[Tensor, Tensor, Tensor], Tensor]], ...] = (
    (scenery.PLANE, _plane),
    (scenery.ELLIPSOID, _ellipsoid),
    (scenery.BOX, _box),
    (scenery.CYLINDER, _cylinder),
    (scenery.CAPSULE, _capsule),
)
