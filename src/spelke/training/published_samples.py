"""Samples of the published layout: questions, and the orders in which patches become tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from spelke.errors import InvalidInput
from spelke.geometry.camera import Pose, rotation_from_vector
from spelke.models.lras import LRASConfig
from spelke.runtime.seed import numpy_generator
from spelke.tokens.campose import encode_pose
from spelke.tokens.layout import CODE_SIZE, Layout, flow_layout
from spelke.tokens.sequence import pack_camera
from spelke.training.samples import SceneSamples
from spelke.training.world import WorldBatch


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedConfig:
    """A network of the published layout, at any size."""

    image_size: int = 128
    """Side of the square picture, in pixels."""
    picture_patches: int = 128
    """Patches of the picture in a training sequence, drawn anew for each; in use it sees all."""
    rgb_codes: int = 4096
    """Size of the RGB vocabulary."""
    flow_codes: int = 256
    """Size of the flow vocabulary."""
    camera_values: int = 4096
    """Tokens for camera values; bounds the distance that a camera may travel, in millimetres."""
    embed_dim: int = 128
    """Width of a token."""
    depth: int = 6
    """Blocks."""
    num_heads: int = 4
    """Attention heads."""

    def __post_init__(self) -> None:
        if self.image_size < self.patch_size or self.image_size % self.patch_size:
            raise InvalidInput(
                f"image_size must be a multiple of {self.patch_size}, got {self.image_size}"
            )
        if not 1 <= self.picture_patches <= self.layout().num_patches:
            raise InvalidInput(
                f"picture_patches must lie in 1..{self.layout().num_patches}, got "
                f"{self.picture_patches}"
            )

    @property
    def patch_size(self) -> int:
        """Side of a patch in pixels: 2x2 codes."""
        return 2 * CODE_SIZE

    def layout_settings(self) -> dict[str, int]:
        """Arguments of `flow_layout`, as checkpoints keep them."""
        side = self.image_size // self.patch_size
        return {
            "rows": side,
            "columns": side,
            "rgb_codes": self.rgb_codes,
            "flow_codes": self.flow_codes,
            "camera_values": self.camera_values,
        }

    def layout(self) -> Layout:
        """Vocabulary and positions."""
        return flow_layout(**self.layout_settings())

    def network(self) -> LRASConfig:
        """Shape of the transformer."""
        layout = self.layout()
        return LRASConfig(
            vocab_size=layout.vocab_size,
            num_positions=layout.num_positions,
            depth=self.depth,
            num_heads=self.num_heads,
            embed_dim=self.embed_dim,
        )


class PublishedBatch(NamedTuple):
    """Pictures with questions, and the orders in which patches become tokens.

    Attributes:
        world: the questions.
        picture: (batch, question, picture_patch) patches of the picture, shuffled.
        flow: (batch, question, pointer) revealed patches, then patches asked about, both shuffled.
        num_revealed: (batch, question) how many of `flow` are revealed.
        camera: (batch, question, 8) tokens of the camera's motion.
    """

    world: WorldBatch
    picture: Tensor
    flow: Tensor
    num_revealed: Tensor
    camera: Tensor


class PublishedSamples(Dataset[PublishedBatch]):
    """Samples with token orders; each is a function of its number alone.

    Args:
        scenes: pictures and questions.
        config: of the network that reads them.
    """

    def __init__(self, scenes: SceneSamples, config: PublishedConfig) -> None:
        self.scenes, self.config, self.layout = scenes, config, config.layout()

    def __getitem__(self, number: int) -> PublishedBatch:
        world = self.scenes[number]
        rng = numpy_generator(self.scenes.seed, "token order", number)
        pictures, flows, counts, cameras = [], [], [], []
        for question in range(len(world.kind)):
            every = rng.permutation(self.layout.num_patches)
            pictures.append(every[: self.config.picture_patches])
            revealed = world.revealed[question][world.valid[question]].numpy()
            flow, count = order_flow(revealed, world.asked[question].numpy(), rng)
            flows.append(flow)
            counts.append(count)
            pose = camera_pose(world.camera[question].numpy())
            codes = torch.from_numpy(encode_pose(pose, self.config.camera_values))
            cameras.append(pack_camera(codes, self.layout).tokens)
        return PublishedBatch(
            world,
            torch.from_numpy(np.stack(pictures)),
            torch.from_numpy(np.stack(flows)),
            torch.tensor(counts),
            torch.stack(cameras),
        )


def order_flow(
    revealed: np.ndarray, asked: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Patches of the flow part in sequence order: as many as are asked about, each once.

    Args:
        revealed: patches whose flow is given; they come first.
        asked: patches to be asked about; those that are revealed too are not asked, and as many as
            there are revealed ones give way to them.
        rng: source of the order.

    Returns:
        (pointer,) patches, and how many of them are revealed.
    """
    given = rng.permutation(revealed)
    rest = rng.permutation(np.setdiff1d(asked, given))
    return np.concatenate([given, rest])[: len(asked)], min(len(given), len(asked))


def camera_pose(motion: np.ndarray) -> Float[np.ndarray, "4 4"]:
    """Rigid motion of a rotation vector in degrees and a translation in metres, (6,)."""
    turn, shift = motion.astype(np.float64).reshape(2, 3)
    return Pose(rotation_from_vector(np.radians(turn)), shift).matrix
