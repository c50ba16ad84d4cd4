"""`spelke displace`: how everything in a photo moves if points of it are pushed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import tyro

from spelke.cli.parse import parse
from spelke.cli.photos import Answer, PhotoOptions, ask_photos, write_picture
from spelke.errors import InvalidInput
from spelke.types import Poke

if TYPE_CHECKING:
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


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    options = parse(DisplaceOptions, "displace", argv, _EXAMPLES)
    if not options.poke:
        raise InvalidInput("no poke was given; say what to push with --poke X1 Y1 X2 Y2")
    pokes = tuple(Poke((x1, y1), (x2 - x1, y2 - y1)) for x1, y1, x2, y2 in options.poke)

    def find(observer: Observer, scenes: Sequence[Scene]) -> list[np.ndarray]:
        return [scene.displacement(pokes, options.seed) for scene in scenes]

    return ask_photos(options, find, partial(_tell, pokes))


def _tell(
    pokes: Sequence[Poke],
    scene: Scene,
    flow: np.ndarray,
    photo: Path,
    place: Callable[[str], Path],
) -> Answer:
    from spelke.flow.files import write_flow
    from spelke.viz.arrows import draw_displacement

    picture, field = place(".displacement.png"), place(".displacement.flo")
    write_picture(picture, draw_displacement(scene.image, flow))
    write_flow(field, flow)
    lengths = np.hypot(*flow)
    record = {
        "size": list(lengths.shape),
        "pokes": [
            {"point": list(poke.point), "displacement": list(poke.displacement)} for poke in pokes
        ],
        "mean_px": round(float(lengths.mean()), 3),
        "max_px": round(float(lengths.max()), 3),
        "files": [str(picture), str(field)],
    }
    line = f"moves by {record['max_px']:.1f} pixels at most, {record['mean_px']:.2f} on average"
    return Answer((picture, field), (record,), (line,))
