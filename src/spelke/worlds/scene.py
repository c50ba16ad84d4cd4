"""The record of one scene: the picture, what is in it, and what every poke did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spelke.errors import InvalidInput
from spelke.worlds.flow import (
    flow_from_poses,
    move_pixels,
    pixel_grid,
    rotation_matrices,
    visibility,
)
from spelke.worlds.render import SKY
from spelke.worlds.shapes import quat_multiply

SCHEMA = 2
"""Version of the record; readers refuse others."""


@dataclass(frozen=True, slots=True, eq=False)
class Pokes:
    """K pokes of one scene, each rolled from the same state. N counts bodies, row 0 the static
    world.

    Attributes:
        pixel: (K, 2) int16, poked pixel (x, y).
        body: (K,) int16. kind: (K,) uint8, index into `physics.KINDS`.
        point: (K, 3) float64, touched point, world metres.
        displacement: (K, 3) float64, where the finger went, metres. duration: (K,) float64,
            seconds.
        end_pose: (K, N, 7) float64, position and quaternion of every body when the response was
            read.
        twin_pose: (K, N, 7) float64, the same without the poke.
        R, p: (K, 3, 3), (K, 3) float64, camera of the after-frame.
        camera: (K, 6) float32, the same as a motion from the first camera, in its frame: rotation
            vector in degrees and translation in metres; zeros for a camera that stays.
        flow_at_pixel: (K, 2) float32, realised image motion (dx, dy) of the poked point, pixels.
        rgb, ids, depth, visible: (K, H, W, 3) uint8, (K, H, W) uint8, float32, bool: the
            after-frames and which points of the first frame they still show; None where they were
            not rendered.
    """

    pixel: np.ndarray
    body: np.ndarray
    kind: np.ndarray
    point: np.ndarray
    displacement: np.ndarray
    duration: np.ndarray
    end_pose: np.ndarray
    twin_pose: np.ndarray
    R: np.ndarray
    p: np.ndarray
    camera: np.ndarray
    flow_at_pixel: np.ndarray
    rgb: np.ndarray | None = None
    ids: np.ndarray | None = None
    depth: np.ndarray | None = None
    visible: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.body)


@dataclass(frozen=True, slots=True, eq=False)
class WorldScene:
    """One table-top scene with its exact truth.

    Attributes:
        rgb: (H, W, 3) uint8. ids: (H, W) uint8, body index, 0 static world, 255 sky.
        parts: (H, W) uint16, index of the part that a pixel shows, 65535 sky.
        part_body, part_look: (G,) int16, each part's body, and a number for its material (-1:
            none); parts of one body with one number look alike.
        depth: (H, W) float32, metres along the optical axis, inf for sky.
        K, R, p: (3, 3), (3, 3), (3,) float64: pinhole, camera to world (looks along -z), position.
        body_pos, body_quat: (N, 3), (N, 4) float64. body_mass: (N,) float64, kg.
        body_movable: (N,) bool.
        body_parent: (N,) int16, the body on which one hangs, 0 the world. body_joint: N strings,
            how: "free", "fixed" (to the world), or one of `joints.JOINTS`.
        body_shape, body_family, body_notes: N strings.
        support: (N, N) bool, (i, j): j rests on i.
        pokes: what each poke did.
        family, split: names. camera_moves: whether the camera moved before the after-frames.
        moving: whether things move by themselves; a response is then what a poke changed.
        renderer: one of `renderers.RENDERERS`, "" for sprites.
        seed, attempt: what the scene was drawn from. notes: e.g. "decoys".
        options: `generate.SceneOptions.to_plain()` of how it was made; empty where a file of an
            earlier version does not say.
        versions: of MuJoCo and numpy. mjcf, state0: for exact replay ((S,) float64).
        carry: (N, N) float32 or None, a_ij of `groups`. group_masks, ignore_masks: (N, H, W) bool
            or None.
    """

    rgb: np.ndarray
    ids: np.ndarray
    parts: np.ndarray
    part_body: np.ndarray
    part_look: np.ndarray
    depth: np.ndarray
    K: np.ndarray
    R: np.ndarray
    p: np.ndarray
    body_pos: np.ndarray
    body_quat: np.ndarray
    body_mass: np.ndarray
    body_movable: np.ndarray
    body_parent: np.ndarray
    body_joint: tuple[str, ...]
    body_shape: tuple[str, ...]
    body_family: tuple[str, ...]
    body_notes: tuple[str, ...]
    support: np.ndarray
    pokes: Pokes
    family: str
    split: str
    seed: int
    attempt: int
    camera_moves: bool
    moving: bool = False
    renderer: str = ""
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    mjcf: str = ""
    state0: np.ndarray = field(default_factory=lambda: np.zeros(0))
    options: dict[str, Any] = field(default_factory=dict)
    carry: np.ndarray | None = None
    group_masks: np.ndarray | None = None
    ignore_masks: np.ndarray | None = None

    def __post_init__(self) -> None:
        height, width = self.ids.shape
        shapes = {self.depth.shape, self.parts.shape, self.rgb.shape[:2]}
        if shapes != {(height, width)} or self.rgb.shape[2:] != (3,):
            raise InvalidInput(
                f"rgb {self.rgb.shape}, ids {self.ids.shape}, parts {self.parts.shape}, depth "
                f"{self.depth.shape} of a scene must be (H, W, 3) and thrice (H, W) of one size"
            )
        bodies = {len(self.body_pos), len(self.body_quat), len(self.body_movable)}
        if len(bodies) != 1 or self.pokes.end_pose.shape[1:] != (len(self.body_pos), 7):
            raise InvalidInput("a scene's body arrays and end poses must count the same bodies")

    def response_poses(self) -> tuple[np.ndarray, np.ndarray]:
        """End poses with the twin's drift taken out: (K, N, 3) and (K, N, 4).

        What a body did in the poked roll-out relative to the unpoked one, applied to its first
        pose. Bodies that the poke did not touch come out exactly where they were.
        """
        end, twin = self.pokes.end_pose, self.pokes.twin_pose
        pos = self.body_pos + (end[..., :3] - twin[..., :3])
        inverse = twin[..., 3:] * (1, -1, -1, -1)
        quat = quat_multiply(quat_multiply(end[..., 3:], inverse), self.body_quat)
        # One solver serves all bodies, so that even what was not touched differs in the last bits.
        untouched = np.all(np.abs(end - twin) < 1e-7, axis=-1)
        quat[untouched] = np.broadcast_to(self.body_quat, quat.shape)[untouched]
        pos[untouched] = np.broadcast_to(self.body_pos, pos.shape)[untouched]
        return pos, quat

    def response_flow(self, poke: int) -> np.ndarray:
        """Flow (2, H, W) float32 from the first frame to that after a poke, drift taken out."""
        pos, quat = self.response_poses()
        return self._flow(poke, pos[poke], quat[poke])

    def frame_flow(self, poke: int) -> np.ndarray:
        """Flow (2, H, W) float32 to the frame after a poke, with what would have moved anyway."""
        end = self.pokes.end_pose[poke]
        return self._flow(poke, end[:, :3], end[:, 3:])

    def backward_flow(self, poke: int) -> np.ndarray:
        """Flow (2, H, W) float32 from the frame after a poke back to the first one.

        Raises:
            InvalidInput: the after-frames were not rendered.
        """
        return self._backward(poke)[0]

    def disoccluded(self, poke: int) -> np.ndarray:
        """(H, W) bool: what the frame after a poke shows and the first one does not.

        Raises:
            InvalidInput: the after-frames were not rendered.
        """
        flow, depth = self._backward(poke)
        ids, _ = self._after(poke)
        return ~visibility(flow, depth, ids, self.ids, self.depth)

    def edges(self) -> np.ndarray:
        """(H, W) bool: pixels within one of a change of bodies, where colours are mixed."""
        padded = np.pad(self.ids, 1, mode="edge")
        height, width = self.ids.shape
        shifted = [
            padded[row : row + height, column : column + width]
            for row in range(3)
            for column in range(3)
        ]
        return np.any([other != self.ids for other in shifted], axis=0)

    def _after(self, poke: int) -> tuple[np.ndarray, np.ndarray]:
        if self.pokes.ids is None or self.pokes.depth is None:
            raise InvalidInput(
                "the frames after the pokes were not rendered; make the scene with after_frames"
            )
        return self.pokes.ids[poke], self.pokes.depth[poke]

    def _backward(self, poke: int) -> tuple[np.ndarray, np.ndarray]:
        """Flow of the after-frame's pixels to the first frame, and their depth there."""
        ids, depth = self._after(poke)
        end, pokes = self.pokes.end_pose[poke], self.pokes
        flow, there = move_pixels(
            *pixel_grid(*ids.shape),
            ids,
            depth,
            self.K,
            pokes.R[poke],
            pokes.p[poke],
            end[:, :3],
            end[:, 3:],
            self.body_pos[None],
            self.body_quat[None],
            self.R,
            self.p,
        )
        return flow[0], there[0]

    def _flow(self, poke: int, pos: np.ndarray, quat: np.ndarray) -> np.ndarray:
        return flow_from_poses(
            self.ids,
            self.depth,
            self.K,
            self.R,
            self.p,
            self.body_pos,
            self.body_quat,
            pos,
            quat,
            self.pokes.R[poke],
            self.pokes.p[poke],
        )

    def point_at(self, x: int, y: int) -> np.ndarray:
        """World point (3,) that a pixel shows; pixels of the sky have none (inf)."""
        ray = np.array(
            [(x + 0.5 - self.K[0, 2]) / self.K[0, 0], -(y + 0.5 - self.K[1, 2]) / self.K[1, 1], -1]
        )
        return self.p + self.R @ (float(self.depth[y, x]) * ray)

    def body_rotations(self) -> np.ndarray:
        """(N, 3, 3) body to world."""
        return rotation_matrices(self.body_quat)

    def visible_pixels(self) -> np.ndarray:
        """(N,) number of pixels each body shows."""
        return np.bincount(self.ids.ravel(), minlength=SKY + 1)[: len(self.body_pos)]
