"""The front door: `Observer(world_model).look(photo)` gives a `Scene` that answers questions.

Looking is the costly step and happens once for the whole photo; every question after it costs
only its pokes (and the crops it zooms into, which are kept too). Points, pokes, masks and flows
are all in pixels of the photo, whatever its size and shape.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from spelke.data.image import ImageSource, read_image
from spelke.discovery import affordance as affordances
from spelke.discovery.discover import SearchSettings, discover
from spelke.discovery.displacement import expected_displacement, query_of
from spelke.discovery.segment import find_segments
from spelke.discovery.settings import DiscoverySettings, embedded
from spelke.discovery.view import ChainView, CropView, Look, View
from spelke.errors import InvalidInput
from spelke.geometry.crop import Crop
from spelke.geometry.points import check_inside
from spelke.rollout.base import Glance, Query, WorldModel
from spelke.runtime.seed import generator
from spelke.types import Point, Poke, Segment, Segments

POINTS_AT_ONCE = 32
"""Points whose pokes share a batch; more are taken in turn, to bound memory."""
GLANCES_KEPT = 32
"""Encoded crops that a scene keeps besides the whole photo."""


class Observer:
    """A world model that looks at photos to find what moves together in them."""

    def __init__(self, world_model: WorldModel, settings: DiscoverySettings | None = None) -> None:
        self.world_model = world_model
        self.settings = embedded() if settings is None else settings

    def look(self, image: ImageSource) -> Scene:
        """Look at a photo: a path, a PIL image, an HWC array or a CHW tensor."""
        return Scene(self.world_model, read_image(image), self.settings)


class Scene:
    """One photo under an observer's eye. Every method is deterministic in its arguments."""

    def __init__(
        self,
        world_model: WorldModel,
        image: Float[Tensor, "3 height width"],
        settings: DiscoverySettings,
    ) -> None:
        self.image = image
        self.settings = settings
        self._model = world_model
        self._glances: OrderedDict[Hashable, Glance] = OrderedDict()

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of the photo."""
        height, width = self.image.shape[-2:]
        return (height, width)

    def segment(self, point: Point, seed: int = 0) -> Segment:
        """Find what moves when the photo is pushed at `point`.

        Raises:
            InvalidInput: the point is not finite or lies outside the photo.
        """
        return self.segments([point], seed)[0]

    def segments(self, points: Sequence[Point], seed: int = 0) -> Segments:
        """Find what moves at each of several points, which share their batches.

        Each segment is the one that `segment` would give for its point alone.

        Raises:
            InvalidInput: no point, or one that is not finite or lies outside the photo.
        """
        points = [self._checked(point) for point in points]
        if not points:
            raise InvalidInput("no point to segment; give at least one (x, y) in pixels")
        found: list[Segment] = []
        for first in range(0, len(points), POINTS_AT_ONCE):
            some = points[first : first + POINTS_AT_ONCE]
            found += find_segments(
                self._glance_at,
                [(point, self._whole, self._crop.point_in(point)) for point in some],
                self.settings,
                self._model.patch_size,
                seed,
                [self._affordance_at(point) for point in some],
            )
        return Segments(self.image_size, tuple(found))

    def affordance(self) -> Float[np.ndarray, "height width"]:
        """Probability that something moves at each pixel, without a push (motion affordance)."""
        return self._spread(self._patch_affordance)

    def entropy(
        self, pokes: Poke | Sequence[Poke] = (), seed: int = 0
    ) -> Float[np.ndarray, "height width"]:
        """How unsure the model is of the motion at each pixel, nats, given pokes or none.

        Raises:
            InvalidInput: a poke starts outside the photo.
        """
        values = self._glance_at(Look(self._whole)).entropy([self._query(pokes, seed)])[0]
        return self._spread(values.detach().float().cpu().numpy())

    def displacement(
        self, pokes: Poke | Sequence[Poke], seed: int = 0
    ) -> Float[np.ndarray, "2 height width"]:
        """Expected flow of every pixel, in pixels, if all the pokes happen together.

        Raises:
            InvalidInput: no poke, or one that starts outside the photo.
        """
        query = self._query(pokes, seed)
        if not isinstance(pokes, Poke) and not pokes:
            raise InvalidInput(
                "no poke to displace by; give at least one Poke(point, displacement)"
            )
        return expected_displacement(self._glance_at(Look(self._whole)), query, self._crop)

    def discover(self, seed: int = 0, search: SearchSettings | None = None) -> Segments:
        """Find all Spelke segments of the photo without a prompt, the most confident first."""
        found = discover(
            lambda points: self.segments(points, seed),
            self._patch_affordance,
            self._crop,
            SearchSettings() if search is None else search,
            generator(seed, keys=("discover",)),
        )
        return Segments(self.image_size, tuple(found))

    @cached_property
    def _crop(self) -> Crop:
        return Crop.whole(self.image_size, self._model.size)

    @cached_property
    def _whole(self) -> View:
        kind = ChainView.of if self.settings.chain_crops else CropView.whole
        return kind(self.image, self._model.size)

    @cached_property
    def _patch_affordance(self) -> Float[np.ndarray, "rows columns"]:
        glance = self._glance_at(Look(self._whole))
        return affordances.motion_affordance(glance, self._model.size, self._model.patch_size)

    def _affordance_at(self, point: Point) -> float | None:
        if self.settings.affordance_sure is None:
            return None
        values = self._patch_affordance
        x, y = (min(max(value, 0.0), self._model.size - 1) for value in self._crop.point_in(point))
        return float(values[int(y // self._model.patch_size), int(x // self._model.patch_size)])

    def _spread(self, values: np.ndarray) -> Float[np.ndarray, "height width"]:
        """A map over the patches of the whole view as one over the photo."""
        return self._crop.paste_map(torch.from_numpy(values)[None])[0].numpy()

    def _glance_at(self, look: Look) -> Glance:
        """Encode a look at the photo, or find it encoded; the whole photo is never forgotten."""
        whole = self._whole.key
        if look.key in self._glances:
            self._glances.move_to_end(look.key)
            return self._glances[look.key]
        self._glances[look.key] = self._model.look(look.picture())
        if len(self._glances) > GLANCES_KEPT:
            oldest = next(key for key in self._glances if key != (whole, False))
            del self._glances[oldest]
        return self._glances[look.key]

    def _query(self, pokes: Poke | Sequence[Poke], seed: int) -> Query:
        return query_of(
            (pokes,) if isinstance(pokes, Poke) else tuple(pokes),
            self._crop,
            self._model.patch_size,
            still_camera=self.settings.corner_pokes != "none",
            seed=seed,
        )

    def _checked(self, point: Point) -> Point:
        try:
            x, y = (float(value) for value in point)
        except (TypeError, ValueError):
            x = y = math.nan
        if not (math.isfinite(x) and math.isfinite(y)):
            raise InvalidInput(
                f"a point must be two finite numbers (x, y) in pixels, got {point!r}"
            )
        check_inside((x, y), self.image_size)
        return (x, y)
