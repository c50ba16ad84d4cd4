"""Pictures of a MuJoCo state: colour, and body ids and depth from one and the same pass."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

import numpy as np

from spelke.worlds.gl import gl_context, load_mujoco

SKY = 255
"""Id of pixels where nothing is hit; id 0 is the static world."""
SKY_PART = 65535
"""Part of pixels where nothing is hit."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera that looks along its -z axis, x right, y up (MuJoCo's convention).

    Attributes:
        R: (3, 3) camera to world. p: (3,) world position, metres. fovy: vertical field of view,
            degrees.
    """

    R: np.ndarray
    p: np.ndarray
    fovy: float

    def intrinsics(self, height: int, width: int) -> np.ndarray:
        """K, (3, 3) float64: `fx = fy = (H / 2) / tan(fovy / 2)`, centre (W / 2, H / 2)."""
        focal = height / 2 / np.tan(np.deg2rad(self.fovy) / 2)
        return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])


@runtime_checkable
class Draws(Protocol):
    """What draws one model: `Renderer` with OpenGL, `raycast.CastRenderer` without."""

    def colour(self, data: Any, camera: Camera, size: int) -> np.ndarray:
        """(size, size, 3) uint8, sRGB."""
        ...

    def ids_and_depth(self, data: Any, camera: Camera, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Body ids (size, size) uint8, and depth along the optical axis, float32, sky = inf."""
        ...

    def parts_and_depth(
        self, data: Any, camera: Camera, size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Geom ids (size, size) uint16, sky = `SKY_PART`, and depth as `ids_and_depth` gives it."""
        ...


class Renderer:
    """Renders one model; a context manager that frees the model's share of the GL memory."""

    def __init__(self, model: Any) -> None:
        mujoco = load_mujoco()
        gl_context().make_current()
        self._mujoco, self._model = mujoco, model
        self._scene = mujoco.MjvScene(model, model.ngeom + 64)
        self._option, self._camera = mujoco.MjvOption(), mujoco.MjvCamera()
        self._camera.type, self._camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, 0
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR

    def __enter__(self) -> Renderer:
        return self

    def __exit__(
        self, kind: type | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.free()

    def _update(self, data: Any, camera: Camera) -> None:
        data.cam_xpos[0], data.cam_xmat[0] = camera.p, camera.R.ravel()
        self._model.cam_fovy[0] = camera.fovy
        self._mujoco.mjv_updateScene(
            self._model,
            data,
            self._option,
            None,
            self._camera,
            self._mujoco.mjtCatBit.mjCAT_ALL,
            self._scene,
        )

    def colour(self, data: Any, camera: Camera, size: int) -> np.ndarray:
        """(size, size, 3) uint8, sRGB."""
        self._update(data, camera)
        self._spare_surroundings()
        picture = np.empty((size, size, 3), np.uint8)
        area = self._mujoco.MjrRect(0, 0, size, size)
        self._mujoco.mjr_render(area, self._scene, self._context)
        self._mujoco.mjr_readPixels(picture, None, area, self._context)
        return np.ascontiguousarray(picture[::-1])

    def _spare_surroundings(self) -> None:
        """Let floors and walls, the geoms of body 0, receive shadows without casting any.

        In a shadow map a wide floor casts specks on itself, and a wall hides the light of all that
        is before it.
        """
        decoration = int(self._mujoco.mjtCatBit.mjCAT_DECOR)  # the kind that casts no shadow
        kind = int(self._mujoco.mjtObj.mjOBJ_GEOM)
        for geom in self._scene.geoms[: self._scene.ngeom]:
            if geom.objtype == kind and self._model.geom_bodyid[geom.objid] == 0:
                geom.category = decoration

    def ids_and_depth(self, data: Any, camera: Camera, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Body ids (size, size) uint8, and depth along the optical axis, float32, sky = inf."""
        parts, depth = self.parts_and_depth(data, camera, size)
        return body_ids(parts, self._model.geom_bodyid), depth

    def parts_and_depth(
        self, data: Any, camera: Camera, size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Geom ids (size, size) uint16, sky = `SKY_PART`, and depth as `ids_and_depth` gives it."""
        self._update(data, camera)
        flags = self._mujoco.mjtRndFlag
        self._scene.flags[flags.mjRND_SEGMENT] = 1
        self._scene.flags[flags.mjRND_IDCOLOR] = 1
        coded = np.empty((size, size, 3), np.uint8)
        buffer = np.empty((size, size), np.float32)
        area = self._mujoco.MjrRect(0, 0, size, size)
        self._mujoco.mjr_render(area, self._scene, self._context)
        self._mujoco.mjr_readPixels(coded, buffer, area, self._context)
        self._scene.flags[flags.mjRND_SEGMENT] = 0
        self._scene.flags[flags.mjRND_IDCOLOR] = 0
        table = self._part_of_code()
        code = coded[..., 0].astype(np.int32) | (coded[..., 1].astype(np.int32) << 8)
        parts = table[np.minimum(code, len(table) - 1)][::-1]
        near = self._model.vis.map.znear * self._model.stat.extent
        far = self._model.vis.map.zfar * self._model.stat.extent
        depth = near * far / (near + buffer[::-1].astype(np.float64) * (far - near))
        depth = np.where(parts == SKY_PART, np.inf, depth).astype(np.float32)
        return np.ascontiguousarray(parts), depth

    def _part_of_code(self) -> np.ndarray:
        """Colour code of the id pass -> geom index; code 0 is the background."""
        table = np.full(self._scene.ngeom + 2, SKY_PART, np.uint16)
        geom_type = int(self._mujoco.mjtObj.mjOBJ_GEOM)
        for geom in self._scene.geoms[: self._scene.ngeom]:
            if geom.objtype == geom_type and geom.segid >= 0:
                table[geom.segid + 1] = geom.objid
        return table


def body_ids(parts: np.ndarray, part_body: np.ndarray) -> np.ndarray:
    """Bodies of parts: (H, W) uint16 geom ids and (G,) their bodies to (H, W) uint8 body ids."""
    table = np.append(part_body, SKY).astype(np.uint8)
    return table[np.minimum(parts, len(part_body))]
