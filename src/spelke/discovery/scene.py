"""One photo and the questions it answers; several photos answer theirs side by side.

Looking is the costly step and happens once for the whole photo; every question after it costs
only its pokes (and the crops it zooms into, which are kept too). Points, pokes, masks and flows
are all in pixels of the photo, whatever its size and shape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from spelke.discovery.affordance import motion_affordances
from spelke.discovery.discover import SearchSettings, discover
from spelke.discovery.displacement import expected_displacement, query_of
from spelke.discovery.memory import Memory, Sight, glances_at
from spelke.discovery.segment import Start, find_segments
from spelke.discovery.settings import DiscoverySettings
from spelke.discovery.view import ChainView, CropView, Look, View
from spelke.errors import InvalidInput
from spelke.geometry.crop import Crop
from spelke.geometry.points import check_inside
from spelke.rollout.base import Ask, WorldModel
from spelke.runtime.seed import generator
from spelke.types import Point, Poke, Segment, Segments


class Scene:
    """One photo under an observer's eye. Every method is deterministic in its arguments."""

    def __init__(
        self,
        world_model: WorldModel,
        image: Float[Tensor, "3 height width"],
        settings: DiscoverySettings,
    ) -> None:
        self.world_model = world_model
        self.image = image
        self.settings = settings
        self._affordance: Float[np.ndarray, "rows columns"] | None = None

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
        if len(points) == 0:
            raise InvalidInput("no point to segment; give at least one (x, y) in pixels")
        return segment_scenes([self], [points], seed)[0]

    def affordance(self) -> Float[np.ndarray, "height width"]:
        """Probability that something moves at each pixel, without a push (motion affordance)."""
        return self._spread(self.patch_affordance)

    def entropy(
        self, pokes: Poke | Sequence[Poke] = (), seed: int = 0
    ) -> Float[np.ndarray, "height width"]:
        """How unsure the model is of the motion at each pixel, nats, given pokes or none.

        Raises:
            InvalidInput: a poke starts outside the photo.
        """
        values = self.world_model.entropy([self._ask(pokes, seed)])[0]
        return self._spread(values.detach().float().cpu().numpy())

    def displacement(
        self, pokes: Poke | Sequence[Poke], seed: int = 0
    ) -> Float[np.ndarray, "2 height width"]:
        """Expected flow of every pixel, in pixels, if all the pokes happen together.

        Raises:
            InvalidInput: no poke, or one that starts outside the photo.
        """
        if not isinstance(pokes, Poke) and not pokes:
            raise InvalidInput(
                "no poke to displace by; give at least one Poke(point, displacement)"
            )
        return expected_displacement(self.world_model, self._ask(pokes, seed), self.crop)

    def discover(self, seed: int = 0, search: SearchSettings | None = None) -> Segments:
        """Find all Spelke segments of the photo without a prompt, the most confident first."""
        return discover_scenes([self], seed, search)[0]

    def checked(self, point: Point) -> Point:
        """The point as two floats.

        Raises:
            InvalidInput: the point is not finite or lies outside the photo.
        """
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

    def start(self, point: Point) -> Start:
        """Where probing of a point begins."""
        return Start(
            point,
            self._whole,
            self.crop.point_in(point),
            self.memory,
            self.image,
            self._affordance_at(point),
        )

    @cached_property
    def crop(self) -> Crop:
        """The smallest square that holds the photo."""
        return Crop.whole(self.image_size, self.world_model.size)

    @cached_property
    def memory(self) -> Memory:
        """What was encoded of the photo."""
        return Memory(Look(self._whole).key)

    @property
    def sight(self) -> Sight:
        """The look at the whole photo."""
        return Sight(self.memory, Look(self._whole))

    @property
    def patch_affordance(self) -> Float[np.ndarray, "rows columns"]:
        """Motion affordance of each patch of what `crop` shows."""
        return affordances_of([self])[0]

    @cached_property
    def _whole(self) -> View:
        kind = ChainView.of if self.settings.chain_crops else CropView.whole
        return kind(self.image, self.world_model.size)

    def _affordance_at(self, point: Point) -> float | None:
        if self.settings.affordance_sure is None:
            return None
        last, patch = self.world_model.size - 1, self.world_model.patch_size
        x, y = (min(max(value, 0.0), last) for value in self.crop.point_in(point))
        return float(self.patch_affordance[int(y // patch), int(x // patch)])

    def _spread(self, values: np.ndarray) -> Float[np.ndarray, "height width"]:
        """A map over the patches of the whole view as one over the photo."""
        return self.crop.paste_map(torch.from_numpy(values)[None])[0].numpy()

    def _ask(self, pokes: Poke | Sequence[Poke], seed: int) -> Ask:
        """What happens in the whole photo if all these pokes happen."""
        query = query_of(
            (pokes,) if isinstance(pokes, Poke) else tuple(pokes),
            self.crop,
            self.world_model.patch_size,
            corners=self.settings.corner_pokes,
            seed=seed,
        )
        return Ask(glances_at(self.world_model, [self.sight])[0], query)


def segment_scenes(
    scenes: Sequence[Scene], points: Sequence[Sequence[Point]], seed: int = 0
) -> list[Segments]:
    """Find what moves at points of several scenes of one observer, side by side.

    Args:
        scenes: photos.
        points: of each photo; there may be none.
        seed: decides whatever is drawn.

    Raises:
        InvalidInput: a point is not finite or lies outside its photo.
    """
    pairs = list(zip(scenes, points, strict=True))
    checked = [(scene, [scene.checked(point) for point in some]) for scene, some in pairs]
    asked = [scene for scene, some in checked if some]
    if not asked:
        return [Segments(scene.image_size) for scene in scenes]
    model, settings = asked[0].world_model, asked[0].settings
    if settings.affordance_sure is not None:
        affordances_of(asked)
    starts = [scene.start(point) for scene, some in checked for point in some]
    found = iter(find_segments(model, starts, settings, seed))
    return [Segments(scene.image_size, tuple(next(found) for _ in some)) for scene, some in checked]


def discover_scenes(
    scenes: Sequence[Scene], seed: int = 0, search: SearchSettings | None = None
) -> list[Segments]:
    """Find all Spelke segments of several scenes of one observer, side by side."""
    search = SearchSettings() if search is None else search
    maps = affordances_of(scenes)
    searches = [
        discover(values, scene.crop, search, generator(seed, keys=("discover",)))
        for scene, values in zip(scenes, maps, strict=True)
    ]
    kept = [Segments(scene.image_size) for scene in scenes]
    answers: dict[int, Segments | None] = dict.fromkeys(range(len(scenes)))
    while answers:
        wanted: dict[int, list[Point]] = {}
        for number, answer in answers.items():
            try:
                wanted[number] = searches[number].send(answer)  # type: ignore[arg-type]
            except StopIteration as end:
                kept[number] = Segments(scenes[number].image_size, tuple(end.value))
        found = segment_scenes([scenes[number] for number in wanted], list(wanted.values()), seed)
        answers = dict(zip(wanted, found, strict=True))
    return kept


def affordances_of(scenes: Sequence[Scene]) -> list[Float[np.ndarray, "rows columns"]]:
    """Motion affordance of each patch of each scene, asked once of a photo."""
    unknown = [scene for scene in scenes if scene._affordance is None]
    if unknown:
        model = unknown[0].world_model
        glances = glances_at(model, [scene.sight for scene in unknown])
        for scene, values in zip(unknown, motion_affordances(model, glances), strict=True):
            scene._affordance = values
    return [scene._affordance for scene in scenes if scene._affordance is not None]
