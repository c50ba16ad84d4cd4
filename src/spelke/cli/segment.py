"""`spelke segment`: what moves when a photo is pushed at a point, or all that could move."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from spelke.cli.parse import parse
from spelke.cli.photos import Answer, PhotoOptions, ask_photos, write_picture

if TYPE_CHECKING:
    from spelke.discovery.observer import Observer
    from spelke.discovery.scene import Scene
    from spelke.types import Segment, Segments

_EXAMPLES = """\
Examples:
  spelke segment desk.jpg --point 312 205
  spelke segment desk.jpg --point 312 205 --point 90 60 --out found
  spelke segment photos/ "more/**/*.png" --out found --json > found.jsonl
  spelke segment photos/ --settle 0.9 --out found"""


@dataclass(frozen=True, kw_only=True)
class SegmentOptions(PhotoOptions):
    """Find what moves together when a photo is pushed.

    For each photo NAME this writes NAME.overlay.png (a picture) and NAME.segments.json (masks,
    boxes, confidences). Without a point, everything that could move is looked for.
    """

    point: Annotated[
        tuple[tuple[float, float], ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="X Y")
    ] = ()
    """X Y in pixels, from the top-left corner, x to the right; may be given several times."""
    all: bool = False
    """Look for everything that could move, besides the points."""

    settle: float | None = None
    """Stop pushing a point as soon as its segment is expected to overlap with that of all pushes
    by this much, for instance 0.9; push as often as the model's settings say if not given."""

    def prepared(self, observer: Observer) -> Observer:
        """See `PhotoOptions`."""
        if self.settle is None:
            return observer
        from spelke.discovery.observer import Observer

        return Observer(observer.world_model, replace(observer.settings, settle=self.settle))


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    options = parse(SegmentOptions, "segment", argv, _EXAMPLES)
    return ask_photos(options, partial(_find, options), partial(_tell, options))


def _find(
    options: SegmentOptions, observer: Observer, scenes: Sequence[Scene]
) -> list[list[Segment]]:
    parts: list[list[Segments]] = []
    if options.point:
        points = [options.point] * len(scenes)
        parts.append(observer.segments(scenes, points, options.seed))
    if options.all or not options.point:
        parts.append(observer.discover(scenes, options.seed))
    return [[segment for part in some for segment in part] for some in zip(*parts, strict=True)]


def _tell(
    options: SegmentOptions,
    scene: Scene,
    found: list[Segment],
    photo: Path,
    place: Callable[[str], Path],
) -> Answer:
    from spelke.export.coco import segment_record, write_segments
    from spelke.types import Segments
    from spelke.viz.overlay import draw_segment, draw_segments

    segments = Segments(scene.image_size, tuple(found))
    pixels = (
        draw_segment(scene.image, segments.items[0])
        if len(segments) == 1
        else draw_segments(scene.image, segments, numbered=True)
    )
    overlay, document = place(".overlay.png"), place(".segments.json")
    write_picture(overlay, pixels)
    write_segments(document, photo.name, segments, model=options.model)
    records = tuple(segment_record(segment) for segment in segments)
    lines = tuple(_describe(segment) for segment in segments)
    return Answer((overlay, document), records, lines or ("nothing here would move",))


def _describe(segment: Segment) -> str:
    x, y = segment.point
    share = segment.area / segment.mask.size
    pokes = "1 poke" if len(segment.pokes) == 1 else f"{len(segment.pokes)} pokes"
    remark = f"; {segment.remark}" if segment.remark else ""
    return (
        f"at ({x:g}, {y:g}): {segment.area} pixels ({share:.1%}), confidence "
        f"{segment.confidence:.2f} after {pokes}{remark}"
    )
