"""How close is an edited picture to the truth? The numbers of 3DEditBench that need no network.

Entry points: `resize_picture`, `score_edit`, `edit_adherence`. Dataset values are plain means over
pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageOps
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity
from skimage.transform import resize

from spelke.benchmarks.matching import iou_matrix
from spelke.errors import InvalidInput

Picture = UInt8[np.ndarray, "height width 3"]

SIZE = 256
"""Side in pixels at which edits are compared."""
PERFECT_PSNR = 100.0
"""Peak signal-to-noise ratio of two equal pictures, by the benchmark's convention."""
_WINDOW = 7
"""Side in pixels of the window of the structural similarity."""


@dataclass(frozen=True, slots=True)
class EditScore:
    """How close two pictures are.

    Attributes:
        mse: mean squared error of values in [0, 1]; lower is better.
        psnr: peak signal-to-noise ratio in dB, 100 for equal pictures; higher is better.
        ssim: structural similarity, 1 for equal pictures; higher is better.
    """

    mse: float
    psnr: float
    ssim: float


def score_edit(edited: Picture, truth: Picture) -> EditScore:
    """Compare an edited picture with the true one.

    The benchmark brings both to 256 pixels with `resize_picture` first. The structural similarity
    is that of a uniform 7 x 7 window, averaged over channels.

    Raises:
        InvalidInput: the pictures differ in size, or are smaller than the window.
    """
    if edited.shape != truth.shape or min(truth.shape[:2]) < _WINDOW:
        raise InvalidInput(
            f"pictures must have one size of at least {_WINDOW} pixels a side, got {edited.shape} "
            f"and {truth.shape} (height, width, channels); bring both to one size with "
            "`resize_picture`"
        )
    first, second = edited / 255.0, truth / 255.0
    error = float(mean_squared_error(second, first))
    ratio = peak_signal_noise_ratio(second, first, data_range=1.0) if error else PERFECT_PSNR
    similarity = structural_similarity(second, first, channel_axis=2, data_range=1.0)
    return EditScore(
        mse=error,
        psnr=float(ratio),
        ssim=float(similarity),  # type: ignore[arg-type] - a number unless maps are asked for
    )


def resize_picture(picture: Picture, size: int = SIZE) -> UInt8[np.ndarray, "size size 3"]:
    """A picture stretched to a square as the benchmark does: smoothed first, values cut to whole.

    Args:
        picture: of any shape.
        size: side of the square in pixels.
    """
    return np.asarray(resize(picture, (size, size), preserve_range=True)).astype(np.uint8)


def fit_picture(picture: Picture, size: int = SIZE) -> UInt8[np.ndarray, "size size 3"]:
    """A picture cut to a square around its middle and resized, which keeps its proportions.

    The benchmark does this after `resize_picture`, where it changes nothing.

    Args:
        picture: of any shape.
        size: side of the square in pixels.
    """
    return np.asarray(ImageOps.fit(Image.fromarray(picture), (size, size)))


def edit_adherence(
    truth: Bool[np.ndarray, "height width"], edited: Bool[np.ndarray, "height width"]
) -> float:
    """Overlap (IoU) of the object in the true and in the edited picture; 1 where both lack it."""
    return float(iou_matrix(truth[None], edited[None])[0, 0])
