"""A ray caster in torch: the pictures of `render.Renderer` without OpenGL, on CPU or CUDA.

The same poses and camera give the same ids, parts and depth up to the facets by which OpenGL draws
round things, and nearly the same colours. Many frames, of one scene or of many, are drawn together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spelke.errors import InvalidInput
from spelke.worlds.flow import rotation_matrices
from spelke.worlds.raycast_hits import Placed, Rays, nearest
from spelke.worlds.raycast_light import Frames, colours
from spelke.worlds.raycast_tables import build_tables
from spelke.worlds.render import SKY, SKY_PART, Camera
from spelke.worlds.scenery import ELLIPSOID, SPHERE, Scenery, describe

_TILE = 8
"""Side of a tile in samples."""
_EDGE = 0.04
"""A larger step of light between neighbours is smoothed."""
_RAYS_AT_ONCE = {"cpu": 1 << 18, "cuda": 1 << 24}
"""More would only need more memory."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One frame to draw.

    Attributes:
        poses: (N, 7) float64, position and quaternion of every body (`physics.poses`).
        camera: from where. scene: index of the scenery.
    """

    poses: np.ndarray
    camera: Camera
    scene: int = 0


class RayCaster:
    """Draws sceneries. Free of OpenGL; holds tensors only."""

    def __init__(self, sceneries: Sequence[Scenery], device: str | torch.device = "cpu") -> None:
        if not sceneries:
            raise InvalidInput("a ray caster needs at least one scenery")
        self.device = torch.device(device)
        self._tables = build_tables(sceneries, self.device)

    def colour(self, views: Sequence[View], size: int, samples: int = 2) -> np.ndarray:
        """(F, size, size, 3) uint8, sRGB.

        Args:
            views: what to draw.
            size: side of the pictures, pixels.
            samples: where shapes, creases and shadows meet, a pixel is the mean of `samples` by
                `samples` rays (1, 2, 4 or 8); elsewhere of one: textures are smoothed already.
        """
        if samples not in (1, 2, 4, 8):
            raise InvalidInput(f"samples must be 1, 2, 4 or 8, got {samples}")
        pictures = []
        for some in self._batches(views, size * samples):
            frames, placed = self._place(some, size)
            tiled = colours(self._rays(some, size), placed, self._tables, frames)
            picture, light, shape = (_untiled(item, size) for item in tiled)
            if samples > 1:
                picture = self._refined(some, picture, _rough(light, shape), samples)
            pictures.append((picture * 255).round().to(torch.uint8).cpu())
        return torch.cat(pictures).numpy()

    def _refined(
        self, views: Sequence[View], picture: Tensor, rough: Tensor, samples: int
    ) -> Tensor:
        """The picture, with the blocks that hold rough pixels drawn anew from more rays."""
        size, block = picture.shape[1], _TILE // samples
        some = _tiled(rough, block).any(-1)
        most = int(some.sum(1).max())
        if most == 0:
            return picture
        chosen = some.float().topk(most, dim=1).indices
        frames, placed = self._place(views, size * samples)
        rays, rows = self._rays(views, size * samples), torch.arange(len(views))[:, None]
        parts = {name: getattr(rays, name)[rows, chosen] for name in Rays.__slots__}
        parts["active"] = some[rows, chosen]
        fine, _, _ = colours(Rays(**parts), placed, self._tables, frames)
        fine = fine.unflatten(2, (block, samples, block, samples)).mean((3, 5)).flatten(2, 3)
        blocks = _tiled(picture, block)
        blocks[rows, chosen] = torch.where(parts["active"][..., None, None], fine,
                                           blocks[rows, chosen])  # fmt: skip
        return _untiled(blocks, size, block)

    def ids_parts_depth(
        self, views: Sequence[View], size: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One ray through each pixel's centre.

        Returns:
            Body ids (F, size, size) uint8, 255 for sky; geom numbers uint16, 65535 for sky; depth
            along the optical axis, float32, metres, inf for sky.
        """
        found: list[tuple[Tensor, Tensor, Tensor]] = []
        for some in self._batches(views, size):
            frames, placed = self._place(some, size)
            hits = nearest(self._rays(some, size), placed, self._tables.triangles)
            seen = (hits.shape >= 0) & (
                hits.distance < self._tables.far[frames.scenery, None, None]
            )
            row = frames.scenery[:, None, None].expand_as(hits.shape)
            at = (row, hits.shape.clamp(min=0))
            body = torch.where(seen, self._tables.shapes["body"][at], SKY)
            part = torch.where(seen, self._tables.shapes["geom"][at], SKY_PART)
            depth = torch.where(seen, hits.distance, torch.inf)
            body, part, depth = (_untiled(item, size).cpu() for item in (body, part, depth))
            found.append((body, part, depth))
        body, part, depth = (torch.cat(items).numpy() for items in zip(*found, strict=True))
        return body.astype(np.uint8), part.astype(np.uint16), depth

    def _batches(self, views: Sequence[View], side: int) -> list[Sequence[View]]:
        if not views:
            raise InvalidInput("there is no view to draw")
        most = max(1, _RAYS_AT_ONCE.get(self.device.type, 1 << 18) // side**2)
        return [views[start : start + most] for start in range(0, len(views), most)]

    def _place(self, views: Sequence[View], side: int) -> tuple[Frames, Placed]:
        """Shapes relative to the camera; float64 until the camera's place is taken off."""
        device, tables = self.device, self._tables
        scene = torch.tensor([view.scene for view in views], device=device)
        most = max(len(view.poses) for view in views)
        poses = np.zeros((len(views), most, 7))
        poses[..., 3] = 1
        for row, view in zip(poses, views, strict=True):
            row[: len(view.poses)] = view.poses
        turn = torch.from_numpy(rotation_matrices(poses[..., 3:])).to(device)
        eye = torch.from_numpy(np.stack([view.camera.p for view in views])).double().to(device)
        rows, body = torch.arange(len(views), device=device)[:, None], tables.shapes["body"][scene]
        place = torch.from_numpy(poses[..., :3]).to(device)[rows, body] - eye[:, None]
        ride = turn[rows, body]
        place = place + (ride @ tables.pos[scene][..., None])[..., 0]
        shapes = tables.shapes
        kind = shapes["kind"][scene]
        placed = Placed(
            kind=torch.where(kind == SPHERE, ELLIPSOID, kind),
            mesh=shapes["mesh"][scene],
            size=shapes["size"][scene],
            reach=shapes["reach"][scene],
            pos=place.float(),
            rot=(ride @ tables.rot[scene]).float(),
            casts=body > 0,
        )
        focal = [view.camera.intrinsics(side, side)[0, 0] for view in views]
        forward = torch.from_numpy(np.stack([-view.camera.R[:, 2] for view in views]))
        frames = Frames(
            scenery=scene,
            eye=eye.float(),
            forward=forward.float().to(device),
            focal=torch.tensor(focal, device=device, dtype=torch.float32),
        )
        return frames, placed

    def _rays(self, views: Sequence[View], side: int) -> Rays:
        """Rays through the centres of side x side samples, in tiles; a border may be too much."""
        device = self.device
        tiles = -(-side // _TILE)
        count = torch.arange(tiles * _TILE, device=device, dtype=torch.float32) + 0.5 - side / 2
        focal = torch.tensor(
            [v.camera.intrinsics(side, side)[0, 0] for v in views], device=device
        ).float()[:, None, None]
        x = (count[None, None] / focal).expand(-1, tiles * _TILE, -1)
        y = (-count[None, :, None] / focal).expand(-1, -1, tiles * _TILE)
        grid = torch.stack([x, y, -torch.ones_like(x)], -1)
        grid = grid.unflatten(2, (tiles, _TILE)).unflatten(1, (tiles, _TILE)).transpose(2, 3)
        turn = torch.from_numpy(np.stack([view.camera.R for view in views])).float().to(device)
        rays = grid.reshape(len(views), tiles**2, _TILE**2, 3) @ turn.transpose(1, 2)[:, None]
        unit = torch.nn.functional.normalize(rays, dim=-1)
        axis = torch.nn.functional.normalize(unit.sum(2), dim=-1)
        cosine = (unit * axis[:, :, None]).sum(-1).amin(-1).clamp(1e-3, 1 - 1e-7)
        nothing = torch.zeros_like(cosine)
        return Rays(
            origin=torch.zeros_like(rays[:, :, :1]),
            direction=rays,
            centre=torch.zeros_like(axis),
            axis=axis,
            radius=nothing,
            slope=(1 - cosine.square()).sqrt() / cosine + 1e-4,
            active=torch.ones_like(nothing, dtype=torch.bool),
        )


def _untiled(values: Tensor, side: int, tile: int = _TILE) -> Tensor:
    """(F, T, tile * tile, ...) back to (F, side, side, ...)."""
    tiles = -(-side // tile)
    values = values.unflatten(2, (tile, tile)).unflatten(1, (tiles, tiles)).transpose(2, 3)
    return values.flatten(3, 4).flatten(1, 2)[:, :side, :side]


def _tiled(values: Tensor, tile: int) -> Tensor:
    """(F, side, side, ...) to (F, T, tile * tile, ...); a border of zeros fills the last tiles."""
    side = values.shape[1]
    tiles = -(-side // tile)
    whole = values.new_zeros(len(values), tiles * tile, tiles * tile, *values.shape[3:])
    whole[:, :side, :side] = values
    whole = whole.unflatten(2, (tiles, tile)).unflatten(1, (tiles, tile)).transpose(2, 3)
    return whole.flatten(3, 4).flatten(1, 2)


def _rough(light: Tensor, shape: Tensor) -> Tensor:
    """(F, H, W) bool: pixels that show another shape than a neighbour, or in another light."""
    rough = torch.zeros_like(shape, dtype=torch.bool)
    for dim in (1, 2):
        count = shape.shape[dim] - 1
        unlike = shape.narrow(dim, 0, count) != shape.narrow(dim, 1, count)
        step = (light.narrow(dim, 0, count) - light.narrow(dim, 1, count)).abs().amax(-1)
        unlike |= step > _EDGE
        rough.narrow(dim, 0, count).logical_or_(unlike)
        rough.narrow(dim, 1, count).logical_or_(unlike)
    return rough


class CastRenderer:
    """`render.Renderer`'s methods by ray casting: one model, one frame at a time."""

    def __init__(self, model: Any, device: str | torch.device = "cpu") -> None:
        self._caster = RayCaster([describe(model)], device)

    def __enter__(self) -> CastRenderer:
        return self

    def __exit__(
        self, kind: type | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def colour(self, data: Any, camera: Camera, size: int) -> np.ndarray:
        """(size, size, 3) uint8, sRGB."""
        return self._caster.colour([_view(data, camera)], size)[0]

    def ids_and_depth(self, data: Any, camera: Camera, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Body ids (size, size) uint8, and depth along the optical axis, float32, sky = inf."""
        ids, _, depth = self._caster.ids_parts_depth([_view(data, camera)], size)
        return ids[0], depth[0]

    def parts_and_depth(
        self, data: Any, camera: Camera, size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Geom ids (size, size) uint16, sky = `SKY_PART`, and depth as `ids_and_depth` gives it."""
        _, parts, depth = self._caster.ids_parts_depth([_view(data, camera)], size)
        return parts[0], depth[0]


def _view(data: Any, camera: Camera) -> View:
    return View(np.concatenate([data.xpos, data.xquat], axis=1), camera)
