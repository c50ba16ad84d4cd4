"""What the surface is like where a ray hits it: normal, texture coordinates, and the texture there.

Textures lie as MuJoCo's classic OpenGL renderer (4.0) lays them. Cube textures are looked up from
the middle of the shape, in units of its half extents. Flat textures go round balls and cylinders
and over each face of a box; on endless planes and meshes without coordinates of their own they are
projected along z. Where a material is `uniform`, a unit is a metre.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spelke.worlds import scenery
from spelke.worlds.raycast_hits import Placed
from spelke.worlds.raycast_tables import CLUSTER, Textures, Triangles


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """n points on surfaces.

    Attributes:
        normal: (n, 3) for shading, flat: (n, 3) of the face itself; world axes, unit, outwards.
        cube: (n, 3), where a cube texture is looked up. uv: (n, 2), where a flat one is, before
            repetition. shift: (n,), added after it.
        scale: (n, 3), cube coordinates per metre of surface. uv_scale: (n,), the same of `uv`.
    """

    normal: Tensor
    flat: Tensor
    cube: Tensor
    uv: Tensor
    shift: Tensor
    scale: Tensor
    uv_scale: Tensor


def surface_at(
    point: Tensor, f: Tensor, g: Tensor, triangle: Tensor, placed: Placed, triangles: Triangles
) -> Surface:
    """The surface at hit points.

    Args:
        point: (n, 3) relative to the camera. f, g: (n,) frame and shape. triangle: (n,), -1 where
            the shape is no mesh.
    """
    at = f * placed.kind.shape[1] + g
    turn, size, kind, middle = (
        getattr(placed, name).flatten(0, 1).index_select(0, at)
        for name in ("rot", "size", "kind", "pos")
    )
    local = ((point - middle)[:, None] @ turn)[:, 0]
    scale = torch.where(size > 0, 1 / size.clamp(min=1e-9), 1.0)
    cube = local * scale
    rows = (kind == scenery.CAPSULE).nonzero()[:, 0]
    cube[rows] = _capsule_coordinates(local[rows], size[rows])
    normal = torch.zeros_like(local)
    for which, function in _NORMALS:
        rows = (kind == which).nonzero()[:, 0]
        if len(rows):
            normal[rows] = function(local[rows], size[rows])
    normal = torch.nn.functional.normalize(normal, dim=-1)
    flat, uv, shift = normal.clone(), _unrolled(cube, normal, kind), torch.zeros_like(cube[:, 0])
    projected = (kind == scenery.PLANE) & (size[:, :2] <= 0).all(-1)
    rows = (triangle >= 0).nonzero()[:, 0]
    if len(rows):
        normal[rows], flat[rows], uv[rows] = _on_triangle(local[rows], triangle[rows], triangles)
        mesh = placed.mesh.flatten().index_select(0, at[rows])
        projected[rows] = ~triangles.has_texcoords[mesh]
    along_z = cube[:, :2] * cube.new_tensor([0.5, -0.5])
    uv, shift = torch.where(projected[:, None], along_z, uv), shift - 0.5 * projected
    on_mesh = (triangle >= 0)[:, None]
    scale = torch.where(flat.abs() < 0.7, scale, 0)  # along the surface only
    back = turn.transpose(1, 2)
    return Surface(
        normal=(normal[:, None] @ back)[:, 0],
        flat=(flat[:, None] @ back)[:, 0],
        cube=torch.where(on_mesh, local, cube),
        uv=uv,
        shift=shift,
        scale=torch.where(on_mesh, 1.0, scale),
        uv_scale=0.5 * scale.amax(-1),
    )


def _unrolled(cube: Tensor, normal: Tensor, kind: Tensor) -> Tensor:
    """(u, v) on the surfaces of all kinds but meshes, from coordinates in half extents."""
    x, y, z = cube.unbind(-1)
    face = normal.abs().argmax(-1)
    over = torch.stack([torch.where(face == 0, y, x), torch.where(face == 2, -y, -z)], -1)
    around = (torch.atan2(y, x) / (2 * torch.pi)) % 1
    high = torch.asin((z / cube.norm(dim=-1).clamp(min=1e-9)).clamp(-1, 1)) / torch.pi
    ball = torch.stack([around, 0.5 - high], -1)
    tube = torch.stack([around, 0.5 - 0.5 * z], -1)
    end = (kind == scenery.CYLINDER) & (face == 2)
    tube = torch.where(end[:, None], 0.5 + 0.5 * cube[:, :2], tube)
    rise = torch.asin((z.abs() - 1).clamp(0, 1)) / (0.5 * torch.pi)
    cap = torch.stack([around, torch.where(z > 0, 1 - rise, rise)], -1)
    tube = torch.where(((kind == scenery.CAPSULE) & (z.abs() > 1))[:, None], cap, tube)
    long = (kind == scenery.CYLINDER) | (kind == scenery.CAPSULE)
    uv = torch.where(long[:, None], tube, 0.5 + 0.5 * over)
    return torch.where((kind == scenery.ELLIPSOID)[:, None], ball, uv)


def _ellipsoid_normal(local: Tensor, size: Tensor) -> Tensor:
    return local / size.square()


def _box_normal(local: Tensor, size: Tensor) -> Tensor:
    face = (local / size).abs().argmax(-1, keepdim=True)
    return torch.zeros_like(local).scatter(-1, face, local.gather(-1, face).sign())


def _cylinder_normal(local: Tensor, size: Tensor) -> Tensor:
    above = local[:, 2].abs() - size[:, 2]
    beside = local[:, :2].norm(dim=-1) - size[:, 0]
    side = local * local.new_tensor([1, 1, 0])
    return torch.where((above > beside)[:, None], local * local.new_tensor([0, 0, 1]), side)


def _capsule_normal(local: Tensor, size: Tensor) -> Tensor:
    middle = local.clone()
    middle[:, :2] = 0
    middle[:, 2] = torch.minimum(torch.maximum(local[:, 2], -size[:, 2]), size[:, 2])
    return local - middle


def _plane_normal(local: Tensor, size: Tensor) -> Tensor:
    return local.new_tensor([0, 0, 1]).expand_as(local)


_NORMALS = (
    (scenery.PLANE, _plane_normal),
    (scenery.ELLIPSOID, _ellipsoid_normal),
    (scenery.BOX, _box_normal),
    (scenery.CYLINDER, _cylinder_normal),
    (scenery.CAPSULE, _capsule_normal),
)


def _capsule_coordinates(local: Tensor, size: Tensor) -> Tensor:
    """On the caps, z goes on from 1 to 2 in radii, as if the caps had been moved outwards."""
    beyond = (local[:, 2].abs() - size[:, 2]).clamp(min=0) / size[:, 0]
    along = torch.minimum(local[:, 2].abs() / size[:, 2].clamp(min=1e-9), torch.ones_like(beyond))
    height = local[:, 2].sign() * (along + beyond)
    return torch.cat([local[:, :2] / size[:, :1], height[:, None]], -1)


def _on_triangle(
    local: Tensor, triangle: Tensor, triangles: Triangles
) -> tuple[Tensor, Tensor, Tensor]:
    """Smooth normal (n, 3), flat normal (n, 3) and texture coordinates (n, 2)."""
    cluster, slot = triangle // CLUSTER, triangle % CLUSTER
    weights = []
    for row in (0, 1):
        column = row * CLUSTER + slot
        linear = triangles.linear[cluster, :, column]
        weights.append((local * linear).sum(-1) + triangles.offset[cluster, column])
    second, third = weights
    blend = torch.stack([1 - second - third, second, third], -1)[:, None]
    normal = (blend @ triangles.normals[triangle])[:, 0]
    normal = normal / normal.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    uv = (blend @ triangles.texcoords[triangle])[:, 0]
    return normal, triangles.flat[triangle], uv


# -- textures --------------------------------------------------------------------------------------


def texture_at(
    textures: Textures,
    number: Tensor,
    surface: Surface,
    repeat: Tensor,
    size: Tensor,
    footprint: Tensor,
) -> Tensor:
    """Colour (n, 3) float32 in [0, 1] of textures at surface points.

    Args:
        number: (n,) texture of each point.
        repeat: (n, 2). size: (n, 3), half extents where the material is uniform, else 1.
        footprint: (n,) metres of surface that one sample covers.
    """
    is_cube = textures.cube[number]
    width, height = textures.width[number, 0], textures.height[number, 0]
    times = repeat * size[:, :2]
    flat_uv = surface.uv * times + surface.shift[:, None]
    flat_rate = surface.uv_scale * times.amax(-1) * torch.maximum(width, height)
    face, cube_uv, major = cube_face(surface.cube * size)
    cube_rate = 0.5 * width * (surface.scale * size).amax(-1) / major
    uv = torch.where(is_cube[:, None], cube_uv, flat_uv)
    rate = footprint * torch.where(is_cube, cube_rate, flat_rate)
    return fetch(textures, number, torch.where(is_cube, face, 0), uv, rate)


def cube_face(direction: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """OpenGL's cube map: face (n,), its (u, v) in [0, 1], (n, 2), and the major coordinate (n,)."""
    major, axis = direction.abs().max(-1)
    x, y, z = direction.unbind(-1)
    positive = direction.gather(-1, axis[:, None])[:, 0] >= 0
    sign = torch.where(positive, 1.0, -1.0)
    across = torch.where(axis == 0, -sign * z, torch.where(axis == 1, x, sign * x))
    down = torch.where(axis == 1, sign * z, -y)
    major = major.clamp(min=1e-9)
    uv = torch.stack([across, down], -1) / (2 * major[:, None]) + 0.5
    return 2 * axis + (~positive).long(), uv, major


def fetch(textures: Textures, number: Tensor, face: Tensor, uv: Tensor, rate: Tensor) -> Tensor:
    """Bilinear colour (n, 3) from the level whose texels are nearest to `rate` texels a sample."""
    level = torch.log2(rate.clamp(min=1e-6)).round().long().clamp(min=0)
    level = torch.minimum(level, textures.levels[number] - 1)
    width, height = textures.width[number, level], textures.height[number, level]
    base = textures.start[number, level] + face * width * height
    cube = textures.cube[number]
    uv = torch.where(cube[:, None], uv, uv - uv.floor())
    x, y = uv[:, 0] * width - 0.5, uv[:, 1] * height - 0.5
    left, top = x.floor(), y.floor()
    right_share, low_share = (x - left)[:, None], (y - top)[:, None]

    def texel(column: Tensor, row: Tensor) -> Tensor:
        column, row = column.long(), row.long()
        column = torch.where(cube, column.clamp(min=0).minimum(width - 1), column % width)
        row = torch.where(cube, row.clamp(min=0).minimum(height - 1), row % height)
        return textures.texels.index_select(0, base + row * width + column).float()

    upper = torch.lerp(texel(left, top), texel(left + 1, top), right_share)
    lower = torch.lerp(texel(left, top + 1), texel(left + 1, top + 1), right_share)
    return torch.lerp(upper, lower, low_share) / 255
