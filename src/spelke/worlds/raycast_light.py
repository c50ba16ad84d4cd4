"""The colour of what rays hit: Phong's light, hard shadows, one mirror, haze and sky.

Follows MuJoCo's classic OpenGL renderer, with light computed for each sample instead of for each
vertex and shadows from rays instead of from a map.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spelke.worlds import scenery
from spelke.worlds.raycast_hits import Hits, Placed, Rays, blocked, nearest
from spelke.worlds.raycast_surface import Surface, cube_face, fetch, surface_at, texture_at
from spelke.worlds.raycast_tables import Tables

_LIFT = 2e-4
"""Shadow and mirror rays start so far above the surface, metres."""
_SKY_CYLINDER = 0.7
"""Radius of MuJoCo's sky in far clipping distances; the haze lies on it."""


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """F frames: which scenery each shows, from where.

    Attributes:
        scenery: (F,) index. eye: (F, 3) float32, world position of the camera.
        forward: (F, 3). focal: (F,) pixels of a sample.
    """

    scenery: Tensor
    eye: Tensor
    forward: Tensor
    focal: Tensor


def colours(
    rays: Rays, placed: Placed, tables: Tables, frames: Frames
) -> tuple[Tensor, Tensor, Tensor]:
    """What the rays see.

    Returns:
        Colours (F, T, B, 3) float32 in [0, 1], sRGB as stored; the light that falls there, of the
        same shape, 0 for sky; which shape is seen, (F, T, B), -1 for sky.
    """
    hits = nearest(rays, placed, tables.triangles)
    far = tables.far[frames.scenery][:, None, None]
    seen = (hits.shape >= 0) & (hits.distance < far)
    picture = _sky(rays, tables, frames)
    picture[seen] = 0
    points = _Points.of(rays, hits, seen, placed, tables, frames)
    light = torch.zeros_like(picture)
    if points is not None:
        at = (points.f, points.t, points.b)
        light[at] = fallen = _lit(points, rays, placed, tables, frames, shadows=True)
        colour = fallen * _texture(points, tables)
        picture[at] = (colour + _mirrored(points, rays, placed, tables, frames)).clamp(0, 1)
    shown = torch.where(seen, hits.shape, -1)
    return _hazed(picture, rays, shown, placed, tables, frames), light, shown


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """n hits: where in (F, T, B), on which shape g, at which place, and the surface there.

    `s` is the scenery, `row` the shape's row in the tables of all sceneries.
    """

    f: Tensor
    t: Tensor
    b: Tensor
    g: Tensor
    s: Tensor
    row: Tensor
    place: Tensor
    direction: Tensor
    surface: Surface
    footprint: Tensor

    @staticmethod
    def of(
        rays: Rays, hits: Hits, seen: Tensor, placed: Placed, tables: Tables, frames: Frames
    ) -> _Points | None:
        f, t, b = seen.nonzero(as_tuple=True)
        if not len(f):
            return None
        direction, distance = rays.direction[f, t, b], hits.distance[f, t, b][:, None]
        start = rays.origin[f, t, b if rays.origin.shape[2] > 1 else torch.zeros_like(b)]
        place, g = start + distance * direction, hits.shape[f, t, b]
        surface = surface_at(place, f, g, hits.triangle[f, t, b], placed, tables.triangles)
        length = direction.norm(dim=-1)
        slant = (surface.flat * direction).sum(-1).abs() / length
        footprint = distance[:, 0] * length / (frames.focal[f] * slant.clamp(min=0.02))
        s = frames.scenery[f]
        row = s * tables.shapes["kind"].shape[1] + g
        return _Points(f, t, b, g, s, row, place, direction, surface, footprint)

    def of_shape(self, tables: Tables, name: str) -> Tensor:
        """A column of the table of shapes, (n, ...)."""
        return tables.shapes[name].flatten(0, 1).index_select(0, self.row)

    def of_scene(self, table: Tensor) -> Tensor:
        """Rows (n, ...) of a table of sceneries; one row, where there is one scenery."""
        return table if len(table) == 1 else table.index_select(0, self.s)


def _lit(
    points: _Points, rays: Rays, placed: Placed, tables: Tables, frames: Frames, shadows: bool
) -> Tensor:
    """Colour (n, 3) of points under all lights of their scene, before texture."""
    own, normal = points.of_shape(tables, "colour"), points.surface.normal
    gloss = torch.stack([points.of_shape(tables, name) for name in ("specular", "shininess")], -1)
    view = -torch.nn.functional.normalize(points.direction, dim=-1)
    # A plane may be looked at from behind.
    normal = torch.where(((points.surface.flat * view).sum(-1) < 0)[:, None], -normal, normal)
    head, towards = points.of_scene(tables.head), -frames.forward[points.f]
    diffuse = (normal * towards).sum(-1, keepdim=True).clamp(min=0)
    emission = points.of_shape(tables, "emission")[:, None]
    total = own * (emission + head[:, 0] + head[:, 1] * diffuse)
    total = total + _glint(normal, towards, view, gloss) * head[:, 2]
    cast = torch.zeros_like(total)
    for number in range(tables.lights["pos"].shape[1]):
        light = {name: points.of_scene(t[:, number]) for name, t in tables.lights.items()}
        towards, away, strength = _reaching(points, light, frames)
        facing = (normal * towards).sum(-1, keepdim=True)
        share = own * (light["ambient"] + light["diffuse"] * facing.clamp(min=0))
        share = share + _glint(normal, towards, view, gloss) * light["specular"]
        share = share * strength[:, None]
        if shadows:
            dark = light["shadow"]
            lit = dark & (facing[:, 0] > 0) & (strength > 0)
            lit = lit & ~_shadowed(points, towards, away, lit, rays, placed, tables)
            cast = cast + torch.where(lit[:, None], share.clamp(max=1), 0)
            share = torch.where(dark[:, None], 0, share)
        total = total + share
    return total.clamp(max=1) + cast


def _texture(points: _Points, tables: Tables) -> Tensor:
    """Colour (n, 3) that the texture gives, white where there is none."""
    paint = torch.ones_like(points.place)
    rows = (points.of_shape(tables, "texture") >= 0).nonzero()[:, 0]
    if not len(rows):
        return paint
    chosen = Surface(*(getattr(points.surface, name)[rows] for name in Surface.__slots__))
    texture, repeat, size, uniform = (
        tables.shapes[name].flatten(0, 1).index_select(0, points.row[rows])
        for name in ("texture", "repeat", "size", "uniform")
    )
    size = torch.where(uniform[:, None] & (size > 0), size, 1.0)
    paint[rows] = texture_at(tables.textures, texture, chosen, repeat, size, points.footprint[rows])
    return paint


def _glint(normal: Tensor, towards: Tensor, view: Tensor, gloss: Tensor) -> Tensor:
    """Blinn's highlight, (n, 1), of surfaces with (specular, shininess) `gloss`."""
    half = torch.nn.functional.normalize(towards + view, dim=-1)
    along = (normal * half).sum(-1).clamp(min=1e-6)
    glint = gloss[:, 0] * along ** (128 * gloss[:, 1])
    return torch.where((normal * towards).sum(-1) > 0, glint, 0)[:, None]


def _reaching(
    points: _Points, light: dict[str, Tensor], frames: Frames
) -> tuple[Tensor, Tensor, Tensor]:
    """Unit vector to a light (n, 3), how far from here things are in its way (n,), and the share of
    it that arrives (n,).
    """
    offset = light["pos"] - frames.eye[points.f] - points.place
    away = offset.norm(dim=-1).clamp(min=1e-6)
    beam = torch.nn.functional.normalize(light["dir"], dim=-1)
    towards = torch.where(light["directional"][:, None], -beam, offset / away[:, None])
    # A directional light shines from a square window: what is behind or beside it casts no shadow.
    ahead = -(offset * beam).sum(-1, keepdim=True)
    beside = (offset + ahead * beam).norm(dim=-1)
    window = torch.where(beside < light["reach"], ahead[:, 0].clamp(min=0), 0)
    off_axis = -(towards * beam).sum(-1)
    inside = off_axis >= torch.cos(torch.deg2rad(light["cutoff"]))
    steps = torch.stack([torch.ones_like(away), away, away.square()], -1)
    spot = off_axis.clamp(min=1e-6) ** light["exponent"] / (steps * light["attenuation"]).sum(-1)
    strength = torch.where(light["directional"], 1.0, torch.where(inside, spot, 0))
    return towards, torch.where(light["directional"], window, away), strength


def _shadowed(
    points: _Points, towards: Tensor, away: Tensor, asked: Tensor, rays: Rays, placed: Placed,
    tables: Tables,
) -> Tensor:  # fmt: skip
    """(n,) bool: whether something stands between asked points and their light."""
    if not bool(asked.any()):
        return asked
    start = points.place + _LIFT * _outwards(points)
    shape = rays.direction.shape[:3]
    bundle = _bundle(shape, points, start, towards, asked)
    limit = torch.full(shape, torch.inf, device=start.device)
    limit[points.f, points.t, points.b] = away
    dark = blocked(bundle, placed, tables.triangles, limit)
    return dark[points.f, points.t, points.b]


def _outwards(points: _Points) -> Tensor:
    """Unit normals of the faces, on the side the ray came from."""
    flat = points.surface.flat
    return torch.where((flat * points.direction).sum(-1, keepdim=True) > 0, -flat, flat)


def _bundle(
    shape: torch.Size, points: _Points, start: Tensor, direction: Tensor, asked: Tensor
) -> Rays:
    """Rays from points, in the tiles the points came from; each tile gets its cone."""
    at = (points.f, points.t, points.b)
    origin = start.new_zeros(*shape, 3)
    headings = origin + start.new_tensor([0, 0, 1])
    valid = torch.zeros(shape, dtype=torch.bool, device=start.device)
    origin[at], headings[at], valid[at] = start, direction, asked
    share = valid[..., None].float()
    count = share.sum(2).clamp(min=1)
    centre, axis = (origin * share).sum(2) / count, (headings * share).sum(2)
    axis = torch.nn.functional.normalize(axis, dim=-1)
    off = torch.where(valid, (origin - centre[:, :, None]).norm(dim=-1), 0).amax(-1)
    cosine = torch.where(valid, (headings * axis[:, :, None]).sum(-1), 1).amin(-1).clamp(1e-3, 1)
    slope = ((1 - cosine.square()).clamp(min=0).sqrt() / cosine) + 1e-4
    # What is not asked starts at its tile's centre, so that it is near at hand and harmless.
    origin = torch.where(valid[..., None], origin, centre[:, :, None])
    return Rays(origin, headings, centre, axis, off + 1e-5, slope, valid.any(-1))


def _mirrored(
    points: _Points, rays: Rays, placed: Placed, tables: Tables, frames: Frames
) -> Tensor:
    """What planes and the tops of boxes reflect: one bounce, without shadows and without sky."""
    share = points.of_shape(tables, "reflectance")
    kind = placed.kind[points.f, points.g]
    up = (points.surface.flat * placed.rot[points.f, points.g][..., 2]).sum(-1) > 0.99
    asked = (share > 0) & up & ((kind == scenery.PLANE) | (kind == scenery.BOX))
    if not bool(asked.any()):
        return torch.zeros_like(points.place)
    normal = points.surface.flat
    bounce = points.direction - 2 * (points.direction * normal).sum(-1, keepdim=True) * normal
    bounce = torch.nn.functional.normalize(bounce, dim=-1)
    start = points.place + _LIFT * normal
    bundle = _bundle(rays.direction.shape[:3], points, start, bounce, asked)
    hits = nearest(bundle, placed, tables.triangles)
    wanted = torch.zeros_like(hits.shape, dtype=torch.bool)
    wanted[points.f, points.t, points.b] = asked
    seen = wanted & (hits.shape >= 0) & (hits.distance < tables.far[frames.scenery][:, None, None])
    image = torch.zeros_like(rays.direction)
    there = _Points.of(bundle, hits, seen, placed, tables, frames)
    if there is not None:
        light = _lit(there, bundle, placed, tables, frames, shadows=False)
        image[there.f, there.t, there.b] = light * _texture(there, tables)
    return share[:, None] * image[points.f, points.t, points.b]


# -- where nothing is ------------------------------------------------------------------------------


def _sky(rays: Rays, tables: Tables, frames: Frames) -> Tensor:
    """Colour of the sky along every ray, (F, T, B, 3); black where a scene has none."""
    number = tables.sky[frames.scenery][:, None, None].expand(rays.direction.shape[:3]).reshape(-1)
    direction = rays.direction.reshape(-1, 3)
    x, y, z = direction.unbind(-1)
    face, uv, _ = cube_face(torch.stack([x, z, -y], -1))
    picture = torch.zeros_like(direction)
    rows = (number >= 0).nonzero()[:, 0]
    rate = torch.ones_like(x[rows])
    picture[rows] = fetch(tables.textures, number[rows], face[rows], uv[rows], rate)
    return picture.view(rays.direction.shape)


def _hazed(
    picture: Tensor, rays: Rays, shown: Tensor, placed: Placed, tables: Tables, frames: Frames
) -> Tensor:
    """Blend the end of the first endless plane into the haze: a ring just below the horizon."""
    haze = tables.haze[frames.scenery]
    endless = (placed.kind == scenery.PLANE) & (placed.size[..., :2] == 0).all(-1)
    endless &= placed.reach > 0
    first = endless.float().argmax(1)
    rows = torch.arange(len(first), device=first.device)
    up = placed.rot[rows, first][..., 2]
    height = -(placed.pos[rows, first] * up).sum(-1)
    radius = _SKY_CYLINDER * tables.far[frames.scenery]
    valid = endless.any(1) & (height > 0) & (tables.sky[frames.scenery] >= 0)
    down = -(rays.direction * up[:, None, None]).sum(-1)
    across = (rays.direction + down[..., None] * up[:, None, None]).norm(dim=-1)
    slope = down / across.clamp(min=1e-9)
    width = haze[:, 0, None, None].clamp(min=1e-3)
    drop = slope / ((height / radius)[:, None, None] + slope * width)
    ring = valid[:, None, None] & (down > 0) & (drop < 1)
    ring &= (shown < 0) | (shown == first[:, None, None])
    alpha_peak = torch.atan2(torch.ones_like(width), width)
    peak = 0.5**0.5 * width * alpha_peak.sin() / (0.75 * torch.pi - alpha_peak).sin()
    rise = 1 - drop
    share = torch.where(rise < peak, rise / peak, (1 - rise) / (1 - peak)).clamp(0, 1)
    share = torch.where(ring, share, 0)[..., None]
    return torch.lerp(picture, haze[:, None, None, 1:].expand_as(picture), share)
