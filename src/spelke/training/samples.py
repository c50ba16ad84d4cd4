"""From a simulated scene to what the learner sees: a crop, its appearance, flow and questions.

Every sample is a function of its number alone, whatever the worker, so runs resume exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from spelke.data.world_records import Record, decode
from spelke.errors import InvalidInput, MissingData
from spelke.runtime.seed import numpy_generator
from spelke.training.questions import QuestionConfig, draw_question
from spelke.training.world import WorldBatch
from spelke.worlds.flow import flow_at
from spelke.worlds.scene import WorldScene
from spelke.worlds.sensor import vary_appearance


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleConfig:
    """How a scene becomes a training picture."""

    image_size: int = 128
    """Side of the square picture, in pixels."""
    patch_size: int = 8
    """Side of a patch, in pixels."""
    whole_fraction: float = 0.35
    """Share of pictures that show the whole frame."""
    focus_fraction: float = 0.7
    """Share of crops that are framed around a movable body, as zooming does."""
    smallest_crop: float = 0.2
    """Smallest crop, in sides of the frame."""
    poke_length: tuple[float, float] = (0.015, 0.14)
    """Range of the motion at the poked point, in sides of the picture; longer responses are cut
    short, shorter ones stay as they are."""
    swapped_colours: float = 0.0
    """Share of pictures with red, green and blue in random order."""
    questions: QuestionConfig = field(default_factory=QuestionConfig)
    """What is asked about each picture."""

    def __post_init__(self) -> None:
        if self.patch_size < 1 or self.image_size < 1 or self.image_size % self.patch_size:
            raise InvalidInput(
                f"patch_size must divide image_size, got {self.patch_size} and {self.image_size}"
            )
        for name in ("whole_fraction", "focus_fraction", "swapped_colours"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInput(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        if not 0 < self.smallest_crop <= 0.5:
            raise InvalidInput(f"smallest_crop must lie in (0, 0.5], got {self.smallest_crop}")
        if not 0 < self.poke_length[0] <= self.poke_length[1]:
            raise InvalidInput(
                f"poke_length must be a range of positive numbers, got {self.poke_length}"
            )


class SceneSamples(Dataset[WorldBatch]):
    """Training samples of a set of scenes, kept compressed in memory.

    Args:
        records: compressed scenes.
        config: how they are cropped and asked about.
        seed: of the order of scenes and of every random choice.
    """

    def __init__(self, records: Sequence[Record], config: SampleConfig, seed: int) -> None:
        if not records:
            raise MissingData("there is no scene to train on; make some with `spelke worlds make`")
        self.records, self.config, self.seed = records, config, seed

    def __getitem__(self, number: int) -> WorldBatch:
        scene, rng = self.scene(number)
        return make_sample(scene, self.config, rng)

    def scene(self, number: int) -> tuple[WorldScene, np.random.Generator]:
        """The scene of a sample, and where its random choices come from."""
        epoch, place = divmod(number, len(self.records))
        order = numpy_generator(self.seed, "order", epoch).permutation(len(self.records))
        scene = decode(self.records[order[place]])
        return scene, numpy_generator(self.seed, "sample", number)


def make_sample(scene: WorldScene, config: SampleConfig, rng: np.random.Generator) -> WorldBatch:
    """One picture of the scene with its questions (a `WorldBatch` without the batch axis)."""
    left, top, side = choose_crop(scene, config, rng)
    size = config.image_size
    image = crop_image(scene.rgb, left, top, side, size)
    scale = size / side
    centres = (np.arange(size, dtype=np.float32) + 0.5) / scale - 0.5
    u, v = np.meshgrid(left + centres, top + centres)
    rows, columns = np.rint(v).astype(int), np.rint(u).astype(int)
    ids, depth = scene.ids[rows, columns], scene.depth[rows, columns]
    pokes = choose_pokes(scene, ids, config.questions.num_questions, rng)
    longest = rng.uniform(*config.poke_length, len(pokes)) * side
    pos, quat = shortened_responses(scene, pokes, longest)
    cameras = (scene.pokes.R[pokes], scene.pokes.p[pokes]) if scene.camera_moves else (None, None)
    flow = scale * flow_at(
        u, v, ids, depth, scene.K, scene.R, scene.p, scene.body_pos, scene.body_quat,
        pos, quat, *cameras,
    )  # fmt: skip
    flow = np.clip(flow, -size, size)
    camera = scene.pokes.camera[pokes]
    poked = ids == scene.pokes.body[pokes][:, None, None]
    if rng.random() < 0.5:
        image, poked = image[:, ::-1], poked[..., ::-1]
        flow, camera = mirror_motion(flow, camera)
    questions = [
        draw_question(f, b, config.patch_size, config.questions, rng)
        for f, b in zip(flow, poked, strict=True)
    ]
    stacked = (
        torch.from_numpy(np.stack([getattr(question, name) for question in questions]))
        for name in ("revealed", "displacement", "valid", "asked")
    )
    image = vary_appearance(image, rng, config.swapped_colours)
    return WorldBatch(
        torch.from_numpy(image.transpose(2, 0, 1).copy()),
        torch.from_numpy(flow.astype(np.float16)),
        torch.from_numpy(camera),
        torch.tensor([question.kind for question in questions]),
        *stacked,
    )


def choose_crop(
    scene: WorldScene, config: SampleConfig, rng: np.random.Generator
) -> tuple[int, int, int]:
    """Left, top and side of a square inside the frame."""
    full = min(scene.ids.shape)
    if rng.random() < config.whole_fraction:
        return (0, 0, full)
    smallest = int(config.smallest_crop * full)
    seen = [b for b in np.unique(scene.pokes.body) if np.count_nonzero(scene.ids == b) > 30]
    if not seen or rng.random() > config.focus_fraction:
        side = int(rng.integers(smallest * 2, full + 1))
        left, top = rng.integers(0, full - side + 1, 2)
        return (int(left), int(top), side)
    rows, columns = np.nonzero(scene.ids == rng.choice(seen))
    extent = max(np.ptp(rows), np.ptp(columns)) + 1
    side = int(np.clip(extent * rng.uniform(1.15, 3.0), smallest, full))
    middle = np.array([np.ptp(columns) / 2 + columns.min(), np.ptp(rows) / 2 + rows.min()])
    middle += rng.uniform(-0.2, 0.2, 2) * side
    left, top = np.clip(middle - side / 2, 0, full - side).astype(int)
    return (int(left), int(top), side)


def crop_image(rgb: np.ndarray, left: int, top: int, side: int, size: int) -> np.ndarray:
    """A square of the frame at the learner's resolution, (size, size, 3) uint8."""
    crop = rgb[top : top + side, left : left + side]
    how = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return cv2.resize(crop, (size, size), interpolation=how)


def choose_pokes(
    scene: WorldScene, ids: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Pokes to ask about, of bodies in sight where there are any; repeated where too few."""
    sight = np.bincount(ids.ravel(), minlength=256)[scene.pokes.body] > 0.001 * ids.size
    chosen = np.flatnonzero(sight) if sight.any() else np.arange(len(sight))
    return np.resize(rng.permutation(chosen), count)


def shortened_responses(
    scene: WorldScene, pokes: np.ndarray, longest: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Body poses after pokes, cut short where the poked point would move more than `longest`.

    A gentle push half as far moves the same things half as far, so poses are interpolated. This
    keeps motion in the range of the pokes of discovery, whatever the size of the crop.

    Args:
        scene: with its pokes.
        pokes: (question,) indices.
        longest: (question,) pixels of the full frame.

    Returns:
        Positions (question, body, 3) and quaternions (question, body, 4).
    """
    pos, quat = scene.response_poses()
    length = np.hypot(*scene.pokes.flow_at_pixel[pokes].T)
    share = np.minimum(1.0, longest / np.maximum(length, 1e-3))[:, None, None]
    near = np.where((quat[pokes] * scene.body_quat).sum(-1, keepdims=True) < 0, -1.0, 1.0)
    turned = (1 - share) * scene.body_quat + share * near * quat[pokes]
    untouched = np.all(quat[pokes] == scene.body_quat, axis=-1)
    turned[untouched] = np.broadcast_to(scene.body_quat, turned.shape)[untouched]
    return (1 - share) * scene.body_pos + share * pos[pokes], turned


def mirror_motion(flow: np.ndarray, camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What motion becomes when the picture is mirrored, left for right.

    Args:
        flow: (..., 2, side, side) in pixels.
        camera: (..., 6) rotation vector and translation; a rotation vector is mirrored like an
            axis of turning, not like an arrow.
    """
    flow = flow[..., ::-1].copy()
    flow[..., 0, :, :] *= -1
    return flow, camera * np.array([1, -1, -1, -1, 1, 1], camera.dtype)
