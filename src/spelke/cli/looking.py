"""What a worker does for the verbs that look at photos: load the model once, answer photo by photo.

Entry point: `make_looker`, for a pool.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spelke.data.pictures import Picture

if TYPE_CHECKING:
    from spelke.cli.photos import PhotoOptions
    from spelke.discovery.observer import Observer
    from spelke.discovery.scene import Scene

PHOTOS_AT_ONCE = 16
"""Photos that are asked side by side, except on the CPU, where that brings no speed and each is
better finished before the next."""


@dataclass(frozen=True, slots=True)
class LookerCard:
    """What a worker says of its model.

    Attributes:
        identity: of code, settings and weights together.
        at_once: photos that it is best asked about together.
        remarks: for people.
    """

    identity: str
    at_once: int
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """One photo to be answered.

    Attributes:
        picture: which.
        data: its file.
        question: a digest of it and of all else that the answer depends on.
    """

    picture: Picture
    data: bytes
    question: str


class Looker:
    """Answers photos: with files by their endings, or with what went wrong.

    Attributes:
        is_spent: whether its GPU has failed for good.
    """

    def __init__(self, observer: Observer, options: PhotoOptions):
        self.observer, self.options = observer, options
        self.is_spent = False

    def __call__(self, asks: list[Ask]) -> list[dict[str, bytes] | Exception]:
        """Look at some photos side by side; one that fails does not take others along."""
        from spelke.data.image import decode_image

        scenes: dict[int, Scene] = {}
        outcomes: dict[int, dict[str, bytes] | Exception] = {}
        for index, ask in enumerate(asks):
            try:
                scenes[index] = self.observer.look(decode_image(ask.data, ask.picture.name))
            except Exception as error:
                outcomes[index] = error
        outcomes |= self._found(asks, scenes)
        self.is_spent = any(
            "CUDA error" in str(outcome)
            for outcome in outcomes.values()
            if isinstance(outcome, Exception)
        )
        return [outcomes[index] for index in range(len(asks))]

    def _found(
        self, asks: Sequence[Ask], scenes: dict[int, Scene]
    ) -> dict[int, dict[str, bytes] | Exception]:
        """Ask about all together; where that fails, about each alone, to know which it was."""
        if not scenes:
            return {}
        try:
            points = [asks[index].picture.points for index in scenes]
            found = self.options.find(self.observer, list(scenes.values()), points)
            return {
                index: self.options.files_of(scenes[index], one, asks[index])
                for index, one in zip(scenes, found, strict=True)
            }
        except Exception as error:
            if len(scenes) == 1:
                return dict.fromkeys(scenes, error)
            alone = [self._found(asks, {index: scene}) for index, scene in scenes.items()]
            return {index: outcome for one in alone for index, outcome in one.items()}


def make_looker(options: PhotoOptions) -> tuple[Looker, LookerCard]:
    """Load the model, in a worker.

    Raises:
        SpelkeError: see `spelke.load`.
    """
    import spelke
    from spelke.benchmarks.identity import WORLD_MODEL_CODE, digest_of, digest_of_code
    from spelke.discovery.load import device_choice
    from spelke.weights.checkpoint_files import CONFIG
    from spelke.weights.load import find_folder

    choice = device_choice(options.device, options.parity)
    observer = spelke.load(options.model, device=str(choice.device), parity=options.parity)
    # The configuration holds the checksums of the weights, which were verified on loading.
    config = (find_folder(options.model) / CONFIG).read_bytes()
    at_once = 1 if choice.device.type == "cpu" else PHOTOS_AT_ONCE
    remarks = (f"{options.model} on {choice}", observer.world_model.batching)
    code = digest_of_code(*WORLD_MODEL_CODE, "spelke.cli.looking")
    return Looker(options.prepared(observer), options), LookerCard(
        digest_of(config, options.parity, code), at_once, remarks
    )
