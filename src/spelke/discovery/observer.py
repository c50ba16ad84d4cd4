"""The front door: `Observer(world_model).look(photo)` gives a `Scene` that answers questions.

An observer also takes many photos at once, whose looks and pokes then share their batches. On a
GPU that is much faster than one after another; the answers are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spelke.data.image import ImageSource, read_image
from spelke.discovery.discover import SearchSettings
from spelke.discovery.scene import Scene, discover_scenes, segment_scenes
from spelke.discovery.settings import DiscoverySettings, embedded
from spelke.errors import InvalidInput
from spelke.rollout.base import WorldModel
from spelke.types import Point, Segments

PHOTOS_AT_ONCE = 32
"""Photos that are asked side by side; more are taken in turn, to bound memory."""


class Observer:
    """A world model that looks at photos to find what moves together in them."""

    def __init__(self, world_model: WorldModel, settings: DiscoverySettings | None = None) -> None:
        self.world_model = world_model
        self.settings = embedded() if settings is None else settings

    def look(self, image: ImageSource) -> Scene:
        """Look at a photo: a path, a PIL image, an HWC array or a CHW tensor."""
        return Scene(self.world_model, read_image(image), self.settings)

    def segments(
        self,
        photos: Sequence[ImageSource | Scene],
        points: Sequence[Sequence[Point]],
        seed: int = 0,
    ) -> list[Segments]:
        """Find what moves at points of many photos, side by side.

        Args:
            photos: pictures, or scenes that `look` gave.
            points: for each photo its points `(x, y)`; there may be none.
            seed: decides whatever is drawn.

        Returns:
            For each photo what `Scene.segments` gives for it alone.

        Raises:
            InvalidInput: not one list of points for each photo, or a point that is not finite or
                lies outside its photo.
        """
        if len(points) != len(photos):
            raise InvalidInput(
                f"{len(photos)} photos came with {len(points)} lists of points; give one list of "
                "(x, y) for each photo"
            )
        found: list[Segments] = []
        for some in _groups(len(photos)):
            found += segment_scenes(self._scenes(photos[some]), points[some], seed)
        return found

    def discover(
        self,
        photos: Sequence[ImageSource | Scene],
        seed: int = 0,
        search: SearchSettings | None = None,
    ) -> list[Segments]:
        """Find all Spelke segments of many photos without a prompt, side by side.

        Args:
            photos: pictures, or scenes that `look` gave.
            seed: decides whatever is drawn.
            search: when to stop and what to keep.

        Returns:
            For each photo what `Scene.discover` gives for it alone.
        """
        found: list[Segments] = []
        for some in _groups(len(photos)):
            found += discover_scenes(self._scenes(photos[some]), seed, search)
        return found

    def _scenes(self, photos: Sequence[ImageSource | Scene]) -> list[Scene]:
        scenes = [photo if isinstance(photo, Scene) else self.look(photo) for photo in photos]
        for scene in scenes:
            if scene.world_model is not self.world_model or scene.settings != self.settings:
                raise InvalidInput(
                    "a scene is another observer's: it has another world model or other settings; "
                    "look at the photo with this observer"
                )
        return scenes


def _groups(count: int) -> Iterator[slice]:
    """Parts of a list of photos."""
    for first in range(0, count, PHOTOS_AT_ONCE):
        yield slice(first, first + PHOTOS_AT_ONCE)
