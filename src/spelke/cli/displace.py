"""`spelke displace`: how everything in a photo moves if points of it are pushed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import tyro

from spelke.cli.parse import parse
from spelke.cli.photos import PhotoOptions, Told, ask_photos
from spelke.cli.results import encode_results
from spelke.errors import InvalidInput
from spelke.types import Poke

if TYPE_CHECKING:
    from spelke.cli.looking import Ask
    from spelke.discovery.observer import Observer
    from spelke.discovery.scene import Scene

_EXAMPLES = """\
Examples:
  spelke displace desk.jpg --poke 312 205 340 205
  spelke displace desk.jpg --poke 312 205 340 205 --poke 90 60 90 60   (the second holds still)"""


@dataclass(frozen=True, kw_only=True)
class DisplaceOptions(PhotoOptions):
    """Predict how everything in a photo moves after given pokes.

    For each photo NAME this writes NAME.displacement.png (arrows) and NAME.displacement.flo (the
    expected flow in pixels, Middlebury format).
    """

    poke: Annotated[
        tuple[tuple[float, float, float, float], ...],
        tyro.conf.UseAppendAction,
        tyro.conf.arg(metavar="X1 Y1 X2 Y2"),
    ] = ()
    """X1 Y1 X2 Y2 in pixels: what is at (X1, Y1) is pushed to (X2, Y2); may be given several
    times; all happen together."""

    endings = (".displacement.png", ".displacement.flo")

    def question(self) -> tuple[object, ...]:
        """See `PhotoOptions`."""
        return ("displace", self.poke)

    def find(self, observer: Observer, scenes: Sequence[Scene], points: object) -> list[np.ndarray]:
        """How everything moves in each photo; its own points play no part."""
        pokes = [Poke((x1, y1), (x2 - x1, y2 - y1)) for x1, y1, x2, y2 in self.poke]
        return [scene.displacement(pokes, self.seed) for scene in scenes]

    def files_of(self, scene: Scene, found: np.ndarray, ask: Ask) -> dict[str, bytes]:
        """See `PhotoOptions`."""
        from spelke.flow.files import encode_flow
        from spelke.viz.arrows import draw_displacement

        picture, field = self.endings
        pixels = draw_displacement(scene.image, found)
        return encode_results(ask.question, pixels, picture, {field: encode_flow(field, found)})

    def tell(self, places: Sequence[Path]) -> Told:
        """See `PhotoOptions`."""
        from spelke.flow.files import read_flow

        lengths = np.hypot(*read_flow(places[1]).flow)
        record = {
            "size": list(lengths.shape),
            "pokes": [
                {"point": [x1, y1], "displacement": [x2 - x1, y2 - y1]}
                for x1, y1, x2, y2 in self.poke
            ],
            "mean_px": round(float(lengths.mean()), 3),
            "max_px": round(float(lengths.max()), 3),
            "files": list(map(str, places)),
        }
        most, mean = record["max_px"], record["mean_px"]
        return Told((record,), (f"moves by {most:.1f} pixels at most, {mean:.2f} on average",))


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    options = parse(DisplaceOptions, "displace", argv, _EXAMPLES)
    if not options.poke:
        raise InvalidInput("no poke was given; say what to push with --poke X1 Y1 X2 Y2")
    return ask_photos(options)
