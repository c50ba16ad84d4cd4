"""`spelke affordance`: where in a photo something could move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spelke.cli.parse import parse
from spelke.cli.photos import PhotoOptions, Told, ask_photos
from spelke.cli.results import encode_results

if TYPE_CHECKING:
    from spelke.cli.looking import Ask
    from spelke.discovery.observer import Observer
    from spelke.discovery.scene import Scene

_EXAMPLES = """\
Examples:
  spelke affordance desk.jpg
  spelke affordance photos/ --out maps"""


@dataclass(frozen=True, kw_only=True)
class AffordanceOptions(PhotoOptions):
    """Map the probability that something moves, at each pixel of a photo.

    For each photo NAME this writes NAME.affordance.png (a heat map) and NAME.affordance.npz (the
    array `motion_affordance`, (height, width) float32 in [0, 1]).
    """

    endings = (".affordance.png", ".affordance.npz")

    def question(self) -> tuple[object, ...]:
        """See `PhotoOptions`."""
        return ("affordance",)

    def find(self, observer: Observer, scenes: Sequence[Scene], points: object) -> list[np.ndarray]:
        """The map of each photo; its points play no part."""
        return [scene.affordance() for scene in scenes]

    def files_of(self, scene: Scene, found: np.ndarray, ask: Ask) -> dict[str, bytes]:
        """See `PhotoOptions`."""
        from spelke.viz.heat import draw_heat

        picture, array = self.endings
        buffer = BytesIO()
        np.savez_compressed(buffer, motion_affordance=found.astype(np.float32))
        pixels = draw_heat(scene.image, found)
        return encode_results(ask.question, pixels, picture, {array: buffer.getvalue()})

    def tell(self, places: Sequence[Path]) -> Told:
        """See `PhotoOptions`."""
        with np.load(places[1], allow_pickle=False) as arrays:
            values = arrays["motion_affordance"]
        row, column = (int(i) for i in np.unravel_index(values.argmax(), values.shape))
        record = {
            "size": list(values.shape),
            "mean": round(float(values.mean()), 4),
            "max": round(float(values.max()), 4),
            "most_movable_point": [column, row],
            "files": list(map(str, places)),
        }
        most, mean = record["max"], record["mean"]
        line = f"most movable at ({column}, {row}): {most:.2f}; mean {mean:.2f}"
        return Told((record,), (line,))


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    return ask_photos(parse(AffordanceOptions, "affordance", argv, _EXAMPLES))
