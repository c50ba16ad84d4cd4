"""What a picture would do if some points moved: the expected displacement of every pixel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from spelke.discovery.pokes import still_corners
from spelke.geometry.crop import Crop
from spelke.geometry.points import check_inside
from spelke.rollout.base import Glance, Query
from spelke.types import Poke


def expected_displacement(
    glance: Glance,
    crop: Crop,
    pokes: Sequence[Poke],
    patch_size: int,
    *,
    still_camera: bool = True,
    seed: int = 0,
) -> Float[np.ndarray, "2 height width"]:
    """Mean predicted flow of a photo under all pokes together, in pixels of the photo.

    Args:
        glance: of what `crop` shows of the photo.
        crop: the window of the photo that the glance has seen; the flow is 0 outside.
        pokes: in pixels of the photo.
        patch_size: of the world model, pixels of the crop.
        still_camera: add zero pokes in the corner patches that hold no poke.
        seed: of whatever the world model draws.

    Raises:
        InvalidInput: a poke starts outside the photo.
    """
    for poke in pokes:
        check_inside(poke.point, crop.image_size)
    inside = tuple(crop.poke_in(poke) for poke in pokes)
    corners = still_corners(crop.size, patch_size, inside) if still_camera else ()
    flow = glance.expected_displacement([Query(corners + inside, seed)])[0]
    return crop.paste_flow(flow.detach().float().cpu()).numpy()
