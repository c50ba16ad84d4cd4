"""Where the evidence leaves the boundary open, the colours of the photo decide.

A small world model answers in cells of a few pixels, so its boundaries are blocky where the photo
shows a sharp edge. Evidence far above its cut surely belongs, far below it surely does not; the
band between is divided by GrabCut, whose colour models start from the segment as the evidence has
it. Nothing outside of the band is touched.

Source: Rother, Kolmogorov and Blake 2004, as in OpenCV; the evidence stands for the strokes of a
user. `docs/measuring.md` tells what it gains and what else was tried.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from spelke.discovery.settings import Refine
from spelke.geometry.crop import resize

LEAST_SURE = 8
"""Pixels that either side needs for a model of its colours."""


def refined(
    above: Float[np.ndarray, "height width"],
    photo: Float[Tensor, "3 height width"],
    settings: Refine,
) -> Bool[np.ndarray, "height width"]:
    """The region whose boundary follows the photo within the uncertain band.

    Where a side has no sure pixels, or the photo one colour only, it is `above >= 0`.

    Args:
        above: how far the evidence lies above its cut, in multiples of the cut; NaN: not seen.
        photo: in the range 0 to 1.
        settings: how wide the band is, and how closely the photo is looked at.
    """
    region = above >= 0  # NaN is not
    if not region.any():
        return region
    window = _window(above, settings)
    seen = np.nan_to_num(above[window], nan=-1.0).astype(np.float32)
    colours = photo[:, window[0], window[1]].detach().cpu().float().numpy()
    share = _share(seen, colours, settings)
    if share is not None:
        region[window] = np.where(np.abs(seen) < settings.sure, share >= 0.5, seen >= 0)
    return region


def _window(above: Float[np.ndarray, "height width"], settings: Refine) -> tuple[slice, slice]:
    """Rows and columns of the box around all that may belong, with room, within what was seen."""
    inner, outer = _box(above > -settings.sure), _box(np.isfinite(above))
    margin = round(settings.room * max(part.stop - part.start for part in inner))
    rows, columns = (
        slice(max(near.start - margin, far.start), min(near.stop + margin, far.stop))
        for near, far in zip(inner, outer, strict=True)
    )
    return rows, columns


def _box(mask: Bool[np.ndarray, "height width"]) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _share(
    seen: Float[np.ndarray, "height width"],
    colours: Float[np.ndarray, "3 height width"],
    settings: Refine,
) -> Float[np.ndarray, "height width"] | None:
    """How much of each pixel belongs by evidence and colour; None where colours cannot tell."""
    height, width = seen.shape
    scale = min(1.0, settings.resolution / float(np.sqrt(height * width)))
    small = (max(1, round(height * scale)), max(1, round(width * scale)))
    seen, picture = resize(seen[None], small)[0], _lab(resize(colours, small))
    guess = np.where(seen >= 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    guess[seen >= settings.sure] = cv2.GC_FGD
    guess[seen <= -settings.sure] = cv2.GC_BGD
    sure = [int((guess == side).sum()) for side in (cv2.GC_FGD, cv2.GC_BGD)]
    if min(sure) < LEAST_SURE or (picture == picture[0, 0]).all():
        return None
    inside, outside = np.zeros((1, 65)), np.zeros((1, 65))  # the models, filled by OpenCV
    cv2.setRNGSeed(0)  # its k-means draws; the same photo must give the same answer
    unused = (0, 0, 1, 1)  # a box, where there is no guess
    rounds = settings.iterations
    cv2.grabCut(picture, guess, unused, outside, inside, rounds, cv2.GC_INIT_WITH_MASK)
    belongs = np.isin(guess, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    return resize(belongs[None], (height, width))[0]


def _lab(colours: Float[np.ndarray, "3 height width"]) -> UInt8[np.ndarray, "height width 3"]:
    """8-bit CIELAB, in which equal steps look about equal."""
    levels = (colours.transpose(1, 2, 0) * 255).round().clip(0, 255).astype(np.uint8)
    return cv2.cvtColor(levels, cv2.COLOR_RGB2LAB)
