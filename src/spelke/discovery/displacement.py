"""What a photo would do if some of its points moved: pokes in, displacement of every pixel out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from spelke.discovery.pokes import still_corners
from spelke.discovery.settings import Corners
from spelke.geometry.crop import Crop
from spelke.geometry.points import check_inside
from spelke.rollout.base import Ask, Query, WorldModel
from spelke.types import Poke


def query_of(
    pokes: Sequence[Poke], crop: Crop, patch_size: int, *, corners: Corners, seed: int
) -> Query:
    """The question what happens if all these pokes of a photo happen together.

    Args:
        pokes: in pixels of the photo; none asks what happens by itself.
        crop: the window of the photo that is looked at.
        patch_size: of the world model, pixels of the crop.
        corners: which zero pokes say that the camera stands still.
        seed: of whatever the world model draws.

    Raises:
        InvalidInput: a poke starts outside the photo.
    """
    for poke in pokes:
        check_inside(poke.point, crop.image_size)
    inside = tuple(crop.poke_in(poke) for poke in pokes)
    if corners == "none":
        return Query(inside, seed)
    free_of = inside if corners == "free" else ()
    return Query(still_corners(crop.size, patch_size, free_of) + inside, seed)


def expected_displacement(
    model: WorldModel, ask: Ask, crop: Crop
) -> Float[np.ndarray, "2 height width"]:
    """Mean predicted flow of a photo, in pixels of the photo; 0 where `crop` does not reach."""
    flow = model.expected_displacement([ask])[0]
    return crop.paste_flow(flow.detach().float().cpu()).numpy()
