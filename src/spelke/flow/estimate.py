"""Optical flow between two pictures. OpenCV's DIS by default; others fit the same protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from spelke.errors import InvalidInput

_PRESETS = {
    "ultrafast": (cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST, 2),
    "fast": (cv2.DISOPTICAL_FLOW_PRESET_FAST, 2),
    "medium": (cv2.DISOPTICAL_FLOW_PRESET_MEDIUM, 1),
    "fine": (cv2.DISOPTICAL_FLOW_PRESET_MEDIUM, 0),
}
"""OpenCV's settings, and how often the finest level is halved; `fine` is ours."""
_MIN_SIDE = 16
"""DIS cannot place its patches on anything smaller."""


class FlowEstimator(Protocol):
    """Anything that estimates optical flow."""

    def estimate(
        self, first: Float[Tensor, "3 height width"], second: Float[Tensor, "3 height width"]
    ) -> Float[Tensor, "2 height width"]:
        """Flow from the first to the second picture, in pixels of the first.

        Args:
            first: RGB in [0, 1].
            second: RGB in [0, 1], of the same size.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DisEstimator:
    """Dense inverse search, on the CPU.

    Source: Kroeger et al. 2016, "Fast Optical Flow using Dense Inverse Search"; OpenCV's program.
    """

    preset: Literal["ultrafast", "fast", "medium", "fine"] = "fine"
    """More time for a better flow. On Middlebury's RubberWhale (584 x 388 pixels, one core) the
    end-point errors are 0.54, 0.44, 0.22 and 0.12 px, in about 10, 10, 40 and 170 ms."""

    def __post_init__(self) -> None:
        if self.preset not in _PRESETS:
            raise InvalidInput(
                f"DIS has no preset {self.preset!r}; accepted are {', '.join(_PRESETS)}"
            )

    def estimate(
        self, first: Float[Tensor, "3 height width"], second: Float[Tensor, "3 height width"]
    ) -> Float[Tensor, "2 height width"]:
        """Flow from the first to the second picture, in pixels of the first.

        Raises:
            InvalidInput: the pictures differ in size, or are smaller than 16 pixels.
        """
        if first.shape != second.shape:
            raise InvalidInput(
                "flow is estimated between pictures of one size, got (channels, height, width) = "
                f"{tuple(first.shape)} and {tuple(second.shape)}; resize one of them"
            )
        if min(first.shape[-2:]) < _MIN_SIDE:
            raise InvalidInput(
                f"DIS needs pictures of at least {_MIN_SIDE} x {_MIN_SIDE} pixels, got "
                f"{first.shape[-2]} x {first.shape[-1]} (height x width); enlarge them"
            )
        # One object per call: OpenCV keeps the size of the last picture and is not thread-safe.
        preset, finest = _PRESETS[self.preset]
        method = cv2.DISOpticalFlow.create(preset)
        method.setFinestScale(finest)
        pairs = method.calc(_grey(first), _grey(second), None)  # type: ignore[call-overload]
        return torch.from_numpy(np.ascontiguousarray(pairs.transpose(2, 0, 1))).to(first.device)


def _grey(image: Float[Tensor, "3 height width"]) -> np.ndarray:
    """Luma as (height, width) uint8, which is what DIS takes."""
    pixels = (image.detach().cpu().float() * 255).round().clamp(0, 255).to(torch.uint8)
    return cv2.cvtColor(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()), cv2.COLOR_RGB2GRAY)
