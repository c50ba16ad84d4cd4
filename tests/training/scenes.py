"""Scenes made by hand, which need neither physics nor graphics: two boards before a wall.

Body 1 carries body 2: pushed, it takes body 2 along; body 2 moves alone.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from spelke.data.world_records import Record, encode
from spelke.geometry.camera import rotation_from_vector
from spelke.models.local_quantizer import LocalQuantizer, LocalQuantizerConfig
from spelke.models.prefix import PrefixConfig
from spelke.training.published_samples import PublishedConfig
from spelke.training.questions import QUESTION_KINDS, QuestionConfig
from spelke.training.samples import SampleConfig
from spelke.training.world import WorldBatch
from spelke.worlds.scene import Pokes, WorldScene

SIDE = 64
NEAR, FAR = 1.5, 2.0
BOARDS = {1: (slice(20, 48), slice(10, 46)), 2: (slice(26, 38), slice(18, 32))}
"""Rows and columns that each body shows."""

SAMPLES = SampleConfig(
    image_size=32,
    questions=QuestionConfig(num_questions=2, num_pointers=12, max_conditions=8),
)


PREFIX = PrefixConfig(
    image_size=32, num_codes=16, embed_dim=64, depth=2, fork_depth=1, num_heads=2,
    stem_dim=8, cell_dim=16,
)  # fmt: skip

PUBLISHED = PublishedConfig(
    image_size=32, picture_patches=6, rgb_codes=16, flow_codes=16, embed_dim=32, depth=2
)


def hand_made_scene(seed: int = 0, camera_moves: bool = False, pushes=None) -> WorldScene:
    """A scene whose pokes move boards by whole pixels, `pushes` (poke, 2), or random ones."""
    rng = np.random.default_rng(seed)
    ids = np.zeros((SIDE, SIDE), np.uint8)
    rgb = rng.integers(60, 90, (SIDE, SIDE, 3), dtype=np.uint8)
    for body, (rows, columns) in BOARDS.items():
        ids[rows, columns] = body
        rgb[rows, columns] = rng.integers(100, 255, 3)
    intrinsics = np.array([[SIDE, 0, SIDE / 2], [0, SIDE, SIDE / 2], [0, 0, 1.0]])
    body_pos = np.array([[0, 0, 0], [0, 0, -NEAR], [0.1, 0.1, -NEAR]])
    body_quat = np.tile([1.0, 0, 0, 0], (3, 1))
    return WorldScene(
        rgb=rgb,
        ids=ids,
        parts=ids.astype(np.uint16),
        part_body=np.arange(3, dtype=np.int16),
        part_look=np.arange(3, dtype=np.int16),
        depth=np.where(ids > 0, NEAR, FAR).astype(np.float32),
        K=intrinsics,
        R=np.eye(3),
        p=np.zeros(3),
        body_pos=body_pos,
        body_quat=body_quat,
        body_mass=np.ones(3),
        body_movable=np.array([False, True, True]),
        body_parent=np.zeros(3, np.int16),
        body_joint=("fixed", "free", "free"),
        body_shape=("wall", "board", "board"),
        body_family=("world", "board", "board"),
        body_notes=("", "", ""),
        support=np.zeros((3, 3), bool),
        pokes=_pokes(rng, body_pos, body_quat, camera_moves, pushes),
        family="boards",
        split="train",
        seed=seed,
        attempt=0,
        camera_moves=camera_moves,
        mjcf="<mujoco/>",
        versions={"mujoco": "none"},
    )


def _pokes(rng, body_pos, body_quat, camera_moves, pushes) -> Pokes:
    body = np.array([1, 2, 1, 2], np.int16)
    count = len(body)
    pushes = (
        rng.integers(2, 7, (count, 2)) * rng.choice([-1, 1], (count, 2))
        if pushes is None
        else pushes
    )
    pushes = np.asarray(pushes, np.float64)
    metres = np.zeros((count, 3))
    metres[:, :2] = pushes * (1, -1) * NEAR / SIDE
    twin = np.tile(np.concatenate([body_pos, body_quat], 1), (count, 1, 1))
    end = twin.copy()
    for row, pushed in enumerate(body):
        end[row, pushed:, :3] += metres[row]
    turn = rotation_from_vector(np.radians([0.5, -1.0, 0.25])) if camera_moves else np.eye(3)
    middle = np.array([[14, 24], [24, 32]])  # x, y of a pixel that only this body shows
    return Pokes(
        pixel=middle[body - 1].astype(np.int16),
        body=body,
        kind=np.full(count, 2, np.uint8),
        point=np.zeros((count, 3)),
        displacement=metres,
        duration=np.ones(count),
        end_pose=end,
        twin_pose=twin,
        R=np.tile(turn, (count, 1, 1)),
        p=np.tile([0.01, 0.0, 0.0] if camera_moves else [0.0] * 3, (count, 1)),
        camera=np.tile(np.float32([0.5, -1, 0.25, 0.01, 0, 0]) * camera_moves, (count, 1)),
        flow_at_pixel=pushes.astype(np.float32),
    )


def records(count: int, first: int = 0) -> list[Record]:
    """Compressed scenes; every fourth has a moving camera."""
    return [encode(hand_made_scene(first + n, n % 4 == 3), f"{n:04d}") for n in range(count)]


class GridQuantizer(LocalQuantizer):
    """Codes by rule instead of training: 3x3 displacements of -6, 0 or 6 pixels; 7 codes unused."""

    STEP = 6.0

    def __init__(self) -> None:
        config = LocalQuantizerConfig(in_channels=2, num_bits=4, embed_dim=8, dropout=0.0)
        super().__init__(config)

    def encode(self, x):
        cells = torch.nn.functional.avg_pool2d(x, 4)
        steps = (cells / self.STEP).round().clamp(-1, 1).long() + 1
        return steps[:, 0] + 3 * steps[:, 1]


def grid_displacements() -> torch.Tensor:
    """A vocabulary for `PREFIX`: still, the eight directions of squares, and 7 never used."""
    ways = [(6.0 * x, 6.0 * y) for y in (-1, 0, 1) for x in (-1, 0, 1) if x or y]
    return torch.tensor([(0.0, 0.0), *ways, *((0.01 * n, 0.01) for n in range(7))])


def moving_squares(count, seed):
    """Pictures with two bright squares of 8 pixels; one moves, and is poked at its place."""
    draw = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 40, (count, 3, 32, 32), generator=draw, dtype=torch.uint8)
    flow = torch.zeros(count, 1, 2, 32, 32)
    revealed = torch.zeros(count, 1, 8, dtype=torch.long)
    displacement = torch.full((count, 1, 8, 2), math.nan)
    steps = torch.tensor([(6.0, 0.0), (-6.0, 0.0), (0.0, 6.0), (0.0, -6.0)])
    for row in range(count):
        first, second = torch.randperm(16, generator=draw)[:2].tolist()
        for patch in (first, second):
            y, x = 8 * (patch // 4), 8 * (patch % 4)
            image[row, :, y : y + 8, x : x + 8] += 180
        y, x = 8 * (first // 4), 8 * (first % 4)
        moved = steps[torch.randint(4, (1,), generator=draw)[0]]
        flow[row, 0, :, y : y + 8, x : x + 8] = moved[:, None, None]
        revealed[row, 0, 0], displacement[row, 0, 0] = first, moved
    valid = torch.arange(8).expand(count, 1, 8) == 0
    asked = torch.arange(16).expand(count, 1, 16)
    kind = torch.full((count, 1), QUESTION_KINDS.index("poke"))
    camera = torch.zeros(count, 1, 6)
    return WorldBatch(image, flow, camera, kind, revealed, displacement, valid, asked)


def small_flow_quantizer() -> LocalQuantizer:
    """Untrained, of 16 codes; can be saved and loaded."""
    torch.manual_seed(3)
    config = LocalQuantizerConfig(in_channels=2, num_bits=4, embed_dim=8, std=(8.0,), dropout=0.0)
    return LocalQuantizer(config)


def small_rgb_quantizer() -> LocalQuantizer:
    """Untrained, of 16 codes."""
    torch.manual_seed(4)
    return LocalQuantizer(LocalQuantizerConfig(in_channels=3, num_bits=4, embed_dim=8))
