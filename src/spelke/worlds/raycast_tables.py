"""Sceneries as tensors for the ray caster: tables of shapes, triangles in clusters, texels.

Sceneries of several scenes lie side by side: tables are padded to the largest number of shapes,
meshes and textures share flat buffers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch
from torch import Tensor

from spelke.worlds.flow import rotation_matrices
from spelke.worlds.scenery import Mesh, Scenery, Shapes

CLUSTER = 8
"""Triangles that are tested together; each cluster has a bounding ball."""


@dataclass(frozen=True, slots=True, eq=False)
class Triangles:
    """All triangles of all meshes, in clusters of `CLUSTER`. C clusters, T = 8 C triangles.

    A triangle's map takes a point of its mesh's frame to `(u, v, w)`: barycentric coordinates of
    the second and third corner, and the signed distance from its plane in metres.

    Attributes:
        first, count: (M,) clusters of each mesh. centre: (C, 3). radius: (C,).
        linear: (C, 3, 24), offset: (C, 24): the maps, `u` of the 8 triangles, then `v`, then `w`.
        normals: (T, 3, 3), of the corners. flat: (T, 3), of the faces.
        texcoords: (T, 3, 2). has_texcoords: (M,) bool.
    """

    first: Tensor
    count: Tensor
    centre: Tensor
    radius: Tensor
    linear: Tensor
    offset: Tensor
    normals: Tensor
    flat: Tensor
    texcoords: Tensor
    has_texcoords: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Textures:
    """All textures with their smaller copies, as one list of texels.

    Attributes:
        texels: (N, 3) uint8. start: (X, 16) of each level. width, height: (X, 16).
        levels: (X,). cube: (X,) bool.
    """

    texels: Tensor
    start: Tensor
    width: Tensor
    height: Tensor
    levels: Tensor
    cube: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """S sceneries, padded to G shapes and L lights (`scenery.Shapes`, `scenery.Lights`).

    Attributes:
        shapes: name -> (S, G, ...); float32, whole numbers, bool; `reach` is -1 in the padding.
        pos, rot: (S, G, 3), (S, G, 3, 3) float64, shape to body.
        lights: name -> (S, L, ...); the padding is dark. head: (S, 3, 3).
        sky: (S,). haze: (S, 4). near, far: (S,).
    """

    shapes: dict[str, Tensor]
    pos: Tensor
    rot: Tensor
    lights: dict[str, Tensor]
    head: Tensor
    sky: Tensor
    haze: Tensor
    near: Tensor
    far: Tensor
    triangles: Triangles
    textures: Textures


def build_tables(sceneries: Sequence[Scenery], device: torch.device) -> Tables:
    """Put sceneries side by side on a device."""
    mesh_from = np.cumsum([0, *(len(item.meshes) for item in sceneries)])
    texture_from = np.cumsum([0, *(len(item.textures) for item in sceneries)])
    shapes = {}
    for name in (field.name for field in fields(Shapes)):
        if name in ("pos", "quat"):
            continue
        columns = [getattr(item.shapes, name) for item in sceneries]
        if name in ("mesh", "texture"):
            starts = mesh_from if name == "mesh" else texture_from
            pairs = zip(columns, starts, strict=False)
            columns = [np.where(column >= 0, column + start, -1) for column, start in pairs]
        shapes[name] = _padded(columns, -1 if name == "reach" else 0).to(device)
    skies = [
        item.sky + start if item.sky >= 0 else -1
        for item, start in zip(sceneries, texture_from, strict=False)
    ]
    lights = {
        name: _padded([getattr(item.lights, name) for item in sceneries], 0).to(device)
        for name in (
            "directional", "shadow", "pos", "dir", "ambient", "diffuse", "specular",
            "attenuation", "cutoff", "exponent", "reach",
        )
    }  # fmt: skip
    turns = [rotation_matrices(item.shapes.quat) for item in sceneries]
    return Tables(
        shapes=shapes,
        pos=_padded([item.shapes.pos for item in sceneries], 0).to(device),
        rot=_padded(turns, 0).to(device),
        lights=lights,
        head=_stacked([item.lights.head for item in sceneries], device),
        sky=torch.tensor(skies, device=device),
        haze=_stacked([item.haze for item in sceneries], device),
        near=_stacked([item.near for item in sceneries], device),
        far=_stacked([item.far for item in sceneries], device),
        triangles=_triangles([mesh for item in sceneries for mesh in item.meshes], device),
        textures=_textures([image for item in sceneries for image in item.textures], device),
    )


def _stacked(values: list, device: torch.device) -> Tensor:
    return torch.from_numpy(np.stack(values).astype(np.float32)).to(device)


def _padded(columns: list[np.ndarray], value: float) -> Tensor:
    longest = max(len(column) for column in columns)
    table = np.full((len(columns), longest, *columns[0].shape[1:]), value, columns[0].dtype)
    for row, column in zip(table, columns, strict=True):
        row[: len(column)] = column
    return torch.from_numpy(table)


# -- triangles -------------------------------------------------------------------------------------


def _triangles(meshes: list[Mesh], device: torch.device) -> Triangles:
    parts = [_clustered(mesh) for mesh in meshes]
    counts = np.array([len(part["centre"]) for part in parts], np.int64)
    nothing = np.zeros((0, 3))
    empty = _clustered(Mesh(nothing, nothing, np.zeros((0, 3, 3)), None))

    def joined(name: str) -> Tensor:
        array = np.concatenate([part[name] for part in [*parts, empty]])
        return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(device)

    return Triangles(
        first=torch.from_numpy(np.cumsum(counts) - counts).to(device),
        count=torch.from_numpy(counts).to(device),
        has_texcoords=torch.tensor([m.texcoords is not None for m in meshes]).bool().to(device),
        **{
            name: joined(name)
            for name in ("centre", "radius", "linear", "offset", "normals", "flat", "texcoords")
        },
    )


def _clustered(mesh: Mesh) -> dict[str, np.ndarray]:
    """One mesh's share of `Triangles`."""
    corners = np.asarray(mesh.vertices, np.float64)[mesh.faces.astype(np.int64)]  # (F, 3, 3)
    groups = _split(np.arange(len(corners)), corners.mean(1)) if len(corners) else []
    slots = np.full((len(groups), CLUSTER), -1)
    for row, group in zip(slots, groups, strict=True):
        row[: len(group)] = group
    centre, radius = np.zeros((len(groups), 3)), np.zeros(len(groups))
    for number, group in enumerate(groups):
        points = corners[group].reshape(-1, 3)
        centre[number] = (points.max(0) + points.min(0)) / 2
        radius[number] = np.linalg.norm(points - centre[number], axis=1).max()
    maps, flat = _maps(corners)
    # A slot without a triangle maps everything to u = -1: never hit.
    maps = np.concatenate([maps, np.zeros((1, 3, 4))])
    maps[-1, 0, 3] = -1
    maps = maps[slots].transpose(0, 2, 1, 3).reshape(len(groups), 3 * CLUSTER, 4)
    texcoords = np.zeros((len(corners), 3, 2)) if mesh.texcoords is None else mesh.texcoords
    order = slots.ravel()
    return {
        "centre": centre,
        "radius": radius,
        "linear": maps[..., :3].transpose(0, 2, 1),
        "offset": maps[..., 3],
        "normals": np.concatenate([mesh.normals, np.zeros((1, 3, 3))])[order],
        "flat": np.concatenate([flat, np.zeros((1, 3))])[order],
        "texcoords": np.concatenate([texcoords, np.zeros((1, 3, 2))])[order],
    }


def _split(faces: np.ndarray, middles: np.ndarray) -> list[np.ndarray]:
    """Halve across the longest side until every piece is small enough."""
    if len(faces) <= CLUSTER:
        return [faces]
    longest = np.ptp(middles[faces], axis=0).argmax()
    order = faces[np.argsort(middles[faces, longest], kind="stable")]
    half = CLUSTER * -(-len(faces) // (2 * CLUSTER))  # whole clusters, so that few slots stay empty
    return _split(order[:half], middles) + _split(order[half:], middles)


def _maps(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(F, 3, 4) maps to (u, v, w), and the normals (F, 3); faces without area are never hit."""
    a = corners[:, 0]
    first, second = corners[:, 1] - a, corners[:, 2] - a
    normal = np.cross(first, second)
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    normal = normal / np.maximum(length, 1e-30)
    flat = length[:, 0] < 1e-14
    basis = np.stack([first, second, normal], -1)
    basis[flat] = np.eye(3)
    inverse = np.linalg.inv(basis)
    maps = np.concatenate([inverse, -inverse @ a[:, :, None]], -1)
    maps[flat] = 0
    maps[flat, 0, 3] = -1
    return maps, normal


# -- textures --------------------------------------------------------------------------------------


def _textures(images: list[np.ndarray], device: torch.device) -> Textures:
    """Each level is half as wide; the six faces of a cube lie one after another in each."""
    count, depth = len(images), 16
    start, width, height = np.zeros((3, count, depth), np.int64)
    levels, texels, filled = np.ones(count, np.int64), [np.zeros((1, 3), np.uint8)], 1
    for number, original in enumerate(images):
        level, image = 0, original
        while True:
            height[number, level], width[number, level] = image.shape[1:3]
            start[number, level] = filled
            texels.append(image.reshape(-1, 3))
            filled += len(texels[-1])
            levels[number] = level + 1
            if min(image.shape[1:3]) == 1 or level + 1 == depth:
                break
            size = (max(1, image.shape[2] // 2), max(1, image.shape[1] // 2))
            image = np.stack(
                [cv2.resize(face, size, interpolation=cv2.INTER_AREA) for face in image]
            )
            level += 1
    return Textures(
        texels=torch.from_numpy(np.concatenate(texels)).to(device),
        start=torch.from_numpy(start).to(device),
        width=torch.from_numpy(width).to(device),
        height=torch.from_numpy(height).to(device),
        levels=torch.from_numpy(levels).to(device),
        cube=torch.tensor([len(image) == 6 for image in images]).bool().to(device),
    )
