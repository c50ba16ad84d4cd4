"""Exact optical flow from depth, body ids and poses, for any pixels; and which of it is visible.

The flow of a pixel is the image motion of the material point it shows: shadows, highlights and
    reflections
do not flow. With `r` the ray through the pixel centre (unit depth), the point is `X = p + R z r`,
rides on its body to `X' = p_b' + R_b' R_b^T (X - p_b)`, and lands at the projection of `R1^T (X' -
p1)`. Pixels of the static world and the sky move with the camera only; of the sky only the
direction counts.
"""

# ruff: noqa: N803, N806 - K, R, R1 are what the field calls them.
from __future__ import annotations

import numpy as np

from spelke.worlds.render import SKY


def rotation_matrices(quat: np.ndarray) -> np.ndarray:
    """Quaternions (..., 4), (w, x, y, z), to rotation matrices (..., 3, 3) float64."""
    quat = np.asarray(quat, np.float64)
    quat = quat / np.linalg.norm(quat, axis=-1, keepdims=True)
    w, x, y, z = np.moveaxis(quat, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def _motions(R, p, pos0, quat0, pos1, quat1, R1, p1) -> tuple[np.ndarray, np.ndarray]:
    """Per poke and body: camera point at t -> camera point after, `C' = turn C + shift`."""
    ride = rotation_matrices(quat1) @ np.swapaxes(rotation_matrices(quat0), -1, -2)
    still = np.all(pos1 == pos0, axis=-1) & np.all(quat1 == quat0, axis=-1)
    ride[still] = np.eye(3)
    view = np.swapaxes(R1, -1, -2)[:, None]
    turn = view @ ride @ R
    moved = np.einsum("knij,nj->kni", ride, p - pos0) + pos1 - p1[:, None]
    shift = np.einsum("kmij,knj->kni", view, moved)
    return turn, shift


def move_pixels(
    u: np.ndarray,
    v: np.ndarray,
    ids: np.ndarray,
    depth: np.ndarray,
    K: np.ndarray,
    R: np.ndarray,
    p: np.ndarray,
    pos0: np.ndarray,
    quat0: np.ndarray,
    pos1: np.ndarray,
    quat1: np.ndarray,
    R1: np.ndarray | None = None,
    p1: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Displacement of given pixels under several pokes, and their depth afterwards.

    Args:
        u, v: (...) pixel coordinates in the full image; whole numbers are pixel centres, fractions
            allowed.
        ids, depth: (...) body index (0 static, 255 sky) and depth along the optical axis, at those
            pixels.
        K, R, p: camera of the first frame: (3, 3), (3, 3) camera to world, (3,).
        pos0, quat0: (N, 3), (N, 4) body poses of the first frame.
        pos1, quat1: (P, N, 3), (P, N, 4) body poses after each of P pokes.
        R1, p1: cameras after: (P, 3, 3), (P, 3), or one for all pokes; the first camera if not
            given.

    Returns:
        Displacements (P, 2, ...) float32, full-image pixels; depths after (P, ...) float32, inf for
        sky. A point that ends behind the camera has displacement 0 and depth 0.
    """
    pos1, quat1 = np.asarray(pos1, np.float64), np.asarray(quat1, np.float64)
    count, shape = len(pos1), np.shape(ids)
    R1 = np.broadcast_to(R if R1 is None else R1, (count, 3, 3)).astype(np.float64)
    p1 = np.broadcast_to(p if p1 is None else p1, (count, 3)).astype(np.float64)
    turn, shift = _motions(R, np.asarray(p, np.float64), pos0, quat0, pos1, quat1, R1, p1)
    same_camera = np.array_equal(R1, np.broadcast_to(R, R1.shape)) and np.array_equal(
        p1, np.broadcast_to(p, p1.shape)
    )
    u, v, ids, depth = (np.ravel(np.broadcast_to(a, shape)) for a in (u, v, ids, depth))
    displacement = np.zeros((count, 2, ids.size), np.float32)
    after = np.broadcast_to(depth, (count, ids.size)).astype(np.float32)
    for body in np.unique(ids):
        moves = not same_camera
        if body != SKY:
            moves = moves or bool(np.any(pos1[:, body] != pos0[body]))
            moves = moves or bool(np.any(quat1[:, body] != quat0[body]))
        if not moves:
            continue
        at = np.flatnonzero(ids == body)
        rays = np.stack(
            [
                (u[at] - K[0, 2] + 0.5) / K[0, 0],
                -(v[at] - K[1, 2] + 0.5) / K[1, 1],
                -np.ones(at.size),
            ]
        )
        if body == SKY:
            landed = np.swapaxes(R1, -1, -2) @ R @ rays
        else:
            landed = turn[:, body] @ (depth[at] * rays) + shift[:, body, :, None]
        ahead = -landed[:, 2]
        seen = ahead > 1e-6
        safe = np.where(seen, ahead, 1.0)
        displacement[:, 0, at] = seen * (K[0, 0] * (landed[:, 0] / safe - rays[0]))
        displacement[:, 1, at] = seen * (-K[1, 1] * (landed[:, 1] / safe - rays[1]))
        after[:, at] = np.where(seen, np.inf if body == SKY else ahead, 0)
    return displacement.reshape(count, 2, *shape), after.reshape(count, *shape)


def flow_at(u, v, ids, depth, K, R, p, pos0, quat0, pos1, quat1, R1=None, p1=None) -> np.ndarray:
    """`move_pixels` without the depths: (P, 2, ...) float32 displacements in full-image pixels."""
    return move_pixels(u, v, ids, depth, K, R, p, pos0, quat0, pos1, quat1, R1, p1)[0]


def pixel_grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates `u`, `v` of every pixel, each (height, width) float32."""
    u, v = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return u, v


def flow_from_poses(ids, depth, K, R, p, pos0, quat0, pos1, quat1, R1=None, p1=None) -> np.ndarray:
    """Flow of a whole frame under one poke, (2, H, W) float32; see `move_pixels`."""
    u, v = pixel_grid(*np.shape(ids))
    return flow_at(u, v, ids, depth, K, R, p, pos0, quat0, pos1[None], quat1[None], R1, p1)[0]


def visibility(
    flow: np.ndarray, depth_after: np.ndarray, ids: np.ndarray, ids1: np.ndarray, depth1: np.ndarray
) -> np.ndarray:
    """Which points of the first frame are in the second one too.

    A point is visible where it lands inside the image, before the camera, and at least one of the
    four pixels around its landing place shows the same body within `0.01 max(depth, 1)` of its
    depth.

    Args:
        flow: (2, H, W). depth_after: (H, W) depth of each moved point, from `move_pixels`.
        ids: (H, W) of the first frame; ids1, depth1: (H, W) of the second.

    Returns:
        (H, W) bool.
    """
    height, width = ids.shape
    u, v = pixel_grid(height, width)
    x, y = u + flow[0], v + flow[1]
    inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    inside &= depth_after > 0
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    matched = np.zeros(ids.shape, bool)
    sky = ids == SKY
    reach = 0.01 * np.maximum(np.where(np.isfinite(depth_after), depth_after, 1.0), 1.0)
    for row in (0, 1):
        for column in (0, 1):
            at = (np.clip(top + row, 0, height - 1), np.clip(left + column, 0, width - 1))
            there = depth1[at]
            with np.errstate(invalid="ignore"):  # inf - inf where both are sky
                near = np.abs(there - depth_after) < reach
            matched |= (ids1[at] == ids) & (sky | near)
    return inside & matched
