"""What a scene looks like, as arrays: shapes, surfaces, textures and lights, without an engine.

The ray caster draws from it and the Cycles export writes it down; neither needs MuJoCo. Shapes are
given in the frames of their bodies, so that one scenery serves every pose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

PLANE, SPHERE, CAPSULE, ELLIPSOID, CYLINDER, BOX, MESH = 0, 2, 3, 4, 5, 6, 7
"""Kinds of shape, numbered as in MuJoCo. Height fields (1) and SDFs (8) are not drawn."""
_DRAWN = (PLANE, SPHERE, CAPSULE, ELLIPSOID, CYLINDER, BOX, MESH)
_VISIBLE_GROUPS = 3
"""MuJoCo draws geoms of the groups 0, 1 and 2; the others are for contacts alone."""
_PLAIN = np.array([0.5, 0.5, 0.5, 1], np.float32)
"""A geom of this colour wears its material's."""
_SHARP = 0.8
"""A vertex normal whose cosine to its face's is less gives way to the face's."""


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """Triangles, counter-clockwise seen from outside.

    Attributes:
        vertices: (V, 3) float32, metres. faces: (F, 3) int32.
        normals: (F, 3, 3) float32, unit, one for each corner.
        texcoords: (F, 3, 2) float32 or None.
    """

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    texcoords: np.ndarray | None


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """The visible geoms. G counts them.

    Attributes:
        kind: (G,) int64. geom: (G,) int64, number in the model. body: (G,) int64.
        size: (G, 3) float32, half extents along the axes (round caps of capsules not counted); 0
            for the directions in which a plane has no end.
        pos, quat: (G, 3), (G, 4) float64, in the body's frame.
        reach: (G,) float32, radius of a ball about `pos` that holds the shape; inf for planes.
        mesh: (G,) int64, -1 for none.
        colour: (G, 3) float32. emission, specular, shininess, reflectance: (G,) float32.
        texture: (G,) int64, -1 for none. repeat: (G, 2) float32. uniform: (G,) bool.
    """

    kind: np.ndarray
    geom: np.ndarray
    body: np.ndarray
    size: np.ndarray
    pos: np.ndarray
    quat: np.ndarray
    reach: np.ndarray
    mesh: np.ndarray
    colour: np.ndarray
    emission: np.ndarray
    specular: np.ndarray
    shininess: np.ndarray
    reflectance: np.ndarray
    texture: np.ndarray
    repeat: np.ndarray
    uniform: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Lights:
    """L lights that stand still.

    Attributes:
        directional, shadow: (L,) bool. pos, dir: (L, 3) float32; `dir` points away from the light.
        ambient, diffuse, specular, attenuation: (L, 3) float32.
        cutoff: (L,) float32, degrees. exponent: (L,) float32.
        reach: (L,) float32, metres from a directional light's axis within which there are shadows;
            only what is in front of the light's `pos` casts them.
        head: (3, 3) float32, ambient, diffuse and specular of the light on the camera.
    """

    directional: np.ndarray
    shadow: np.ndarray
    pos: np.ndarray
    dir: np.ndarray
    ambient: np.ndarray
    diffuse: np.ndarray
    specular: np.ndarray
    attenuation: np.ndarray
    cutoff: np.ndarray
    exponent: np.ndarray
    reach: np.ndarray
    head: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Scenery:
    """Everything visible, in the frames of its bodies.

    Attributes:
        textures: each (1, h, w, 3) uint8 flat, or (6, w, w, 3) uint8 of a cube.
        sky: index of the sky's texture, -1 for black.
        near, far: clipping distances along the optical axis, metres.
        haze: width of the haze at the end of the first endless plane, and its colour: (4,) float32.
    """

    shapes: Shapes
    meshes: tuple[Mesh, ...]
    textures: tuple[np.ndarray, ...]
    sky: int
    lights: Lights
    near: float
    far: float
    haze: np.ndarray


def describe(model: Any) -> Scenery:
    """The scenery of a compiled `mujoco.MjModel`; textures as they are in the model now."""
    skies = np.flatnonzero(model.tex_type == 2)
    return Scenery(
        shapes=_shapes(model),
        meshes=tuple(_mesh(model, number) for number in range(model.nmesh)),
        textures=tuple(_texture(model, number) for number in range(model.ntex)),
        sky=int(skies[0]) if len(skies) else -1,
        lights=_lights(model),
        near=float(model.vis.map.znear * model.stat.extent),
        far=float(model.vis.map.zfar * model.stat.extent),
        haze=np.array([model.vis.map.haze, *model.vis.rgba.haze[:3]], np.float32),
    )


def _shapes(model: Any) -> Shapes:
    material = model.geom_matid
    dressed = material >= 0
    own = ~np.all(model.geom_rgba == _PLAIN, axis=1)
    rgba = model.geom_rgba.copy()
    if model.nmat:
        rgba = np.where((own | ~dressed)[:, None], rgba, model.mat_rgba[material])
    drawn = np.isin(model.geom_type, _DRAWN) & (model.geom_group < _VISIBLE_GROUPS)
    at = np.flatnonzero(drawn & (rgba[:, 3] > 0))

    def of_material(name: str, default: Any) -> np.ndarray:
        plain = np.broadcast_to(default, (model.ngeom, *np.shape(default)))
        if not model.nmat:
            return plain[at].copy()
        values = getattr(model, name)[material]
        return np.where(dressed.reshape(-1, *[1] * (values.ndim - 1)), values, plain)[at]

    kind = model.geom_type[at].astype(np.int64)
    textures = of_material("mat_texid", np.full(model.mat_texid.shape[1:], -1))
    return Shapes(
        kind=kind,
        geom=at,
        body=model.geom_bodyid[at].astype(np.int64),
        size=_half_extents(kind, model.geom_size[at].astype(np.float32)),
        pos=model.geom_pos[at].copy(),
        quat=model.geom_quat[at].copy(),
        reach=np.where(kind == PLANE, np.inf, model.geom_rbound[at]).astype(np.float32),
        mesh=np.where(kind == MESH, model.geom_dataid[at], -1).astype(np.int64),
        colour=rgba[at, :3],
        emission=of_material("mat_emission", np.float32(0)),
        specular=of_material("mat_specular", np.float32(0.5)),
        shininess=of_material("mat_shininess", np.float32(0.5)),
        reflectance=of_material("mat_reflectance", np.float32(0)),
        texture=textures.max(axis=1).astype(np.int64),  # one role has a texture at most
        repeat=of_material("mat_texrepeat", np.ones(2, np.float32)),
        uniform=of_material("mat_texuniform", False).astype(bool),
    )


def _half_extents(kind: np.ndarray, size: np.ndarray) -> np.ndarray:
    """MuJoCo's sizes (radius, half length) as half extents along x, y and z."""
    size = size.copy()
    size[kind == SPHERE] = size[kind == SPHERE][:, :1]
    long = (kind == CAPSULE) | (kind == CYLINDER)
    size[long] = size[long][:, [0, 0, 1]]
    size[kind == PLANE, 2] = 0
    return size


def _mesh(model: Any, number: int) -> Mesh:
    start, count = model.mesh_vertadr[number], model.mesh_vertnum[number]
    rows = slice(
        model.mesh_faceadr[number], model.mesh_faceadr[number] + model.mesh_facenum[number]
    )
    vertices, faces = model.mesh_vert[start : start + count].copy(), model.mesh_face[rows].copy()
    a, b, c = vertices[faces].transpose(1, 0, 2)
    flat = np.cross(b - a, c - a)
    flat = (flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12))[:, None]
    normals = model.mesh_normal[model.mesh_normaladr[number] + model.mesh_facenormal[rows]]
    texcoords = None
    if model.mesh_texcoordadr[number] >= 0:
        at = model.mesh_texcoordadr[number] + model.mesh_facetexcoord[rows]
        texcoords = model.mesh_texcoord[at].copy()
    else:
        sharp = (normals * flat).sum(-1, keepdims=True) < _SHARP
        normals = np.where(sharp, flat, normals)
    return Mesh(vertices, faces, normals.astype(np.float32), texcoords)


def _texture(model: Any, number: int) -> np.ndarray:
    height, width = model.tex_height[number], model.tex_width[number]
    channels = model.tex_nchannel[number]
    start = model.tex_adr[number]
    pixels = model.tex_data[start : start + height * width * channels]
    pixels = pixels.reshape(-1, height, width, channels)[..., :3]
    if model.tex_type[number] == 0:
        return pixels.copy()
    faces = pixels.reshape(-1, width, width, 3)
    return np.ascontiguousarray(np.broadcast_to(faces, (6, width, width, 3)))


def _lights(model: Any) -> Lights:
    on = model.light_active.astype(bool)
    head = model.vis.headlight
    colours = np.stack([head.ambient, head.diffuse, head.specular]) * bool(head.active)
    return Lights(
        directional=model.light_type[on] == 1,
        shadow=model.light_castshadow[on].astype(bool),
        pos=model.light_pos[on].astype(np.float32),
        dir=model.light_dir[on].astype(np.float32),
        ambient=model.light_ambient[on].copy(),
        diffuse=model.light_diffuse[on].copy(),
        specular=model.light_specular[on].copy(),
        attenuation=model.light_attenuation[on].copy(),
        cutoff=model.light_cutoff[on].copy(),
        exponent=model.light_exponent[on].copy(),
        reach=np.full(on.sum(), model.vis.map.shadowclip * model.stat.extent, np.float32),
        head=colours.astype(np.float32),
    )
