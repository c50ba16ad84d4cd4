"""`spelke segment`: what moves when a photo is pushed at a point, or all that could move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from spelke.cli.parse import parse
from spelke.cli.photos import PhotoOptions, Told, ask_photos
from spelke.cli.results import encode_results
from spelke.runtime.files import encode_json

if TYPE_CHECKING:
    from spelke.cli.looking import Ask
    from spelke.data.picture_lists import Points, PointTable
    from spelke.discovery.observer import Observer
    from spelke.discovery.scene import Scene
    from spelke.types import Segment

_EXAMPLES = """\
Examples:
  spelke segment desk.jpg --point 312 205
  spelke segment desk.jpg --point 312 205 --point 90 60 --out found
  spelke segment photos/ "more/**/*.png" --out found --json > found.jsonl
  spelke segment photos/ --settle 0.9 --out found
  spelke segment photos/ --points points.csv --workers 4 --out found
  spelke segment "photos-{000..009}.tar" --engine ray --workers 8 --gpus-per-worker 1 --out found"""


@dataclass(frozen=True, kw_only=True)
class SegmentOptions(PhotoOptions):
    """Find what moves together when a photo is pushed.

    For each photo NAME this writes NAME.overlay.png (a picture) and NAME.segments.json (masks,
    boxes, confidences). Without a point, everything that could move is looked for. Photos that are
    answered already are not asked again.
    """

    endings = (".overlay.png", ".segments.json")

    point: Annotated[
        tuple[tuple[float, float], ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="X Y")
    ] = ()
    """X Y in pixels, from the top-left corner, x to the right; may be given several times."""
    all: bool = False
    """Look for everything that could move, besides the points."""

    settle: float | None = None
    """Stop pushing a point as soon as its segment is expected to overlap with that of all pushes
    by this much, for instance 0.9; push as often as the model's settings say if not given."""

    points: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Points of the photos, besides --point: a list (.txt, .csv, .json)."""

    def prepared(self, observer: Observer) -> Observer:
        """See `PhotoOptions`."""
        if self.settle is None:
            return observer
        from spelke.discovery.observer import Observer

        return Observer(observer.world_model, replace(observer.settings, settle=self.settle))

    def point_table(self) -> PointTable | None:
        """See `PhotoOptions`."""
        from spelke.data.picture_lists import PointTable

        return None if self.points is None else PointTable(self.points)

    def question(self) -> tuple[object, ...]:
        """See `PhotoOptions`."""
        return ("segment", self.model, self.point, self.all, self.settle)

    def find(
        self, observer: Observer, scenes: Sequence[Scene], points: Sequence[Points]
    ) -> list[list[Segment]]:
        """Segments at the points of each photo; where it has none, all that could move."""
        asked = [(*self.point, *own) for own in points]
        at_points = (
            observer.segments(scenes, asked, self.seed) if any(asked) else [()] * len(scenes)
        )
        whole = [index for index, some in enumerate(asked) if self.all or not some]
        rest = observer.discover([scenes[index] for index in whole], self.seed) if whole else []
        found = [list(some) for some in at_points]
        for index, some in zip(whole, rest, strict=True):
            found[index] += some
        return found

    def files_of(self, scene: Scene, found: list[Segment], ask: Ask) -> dict[str, bytes]:
        """See `PhotoOptions`."""
        from spelke.export.coco import segments_document
        from spelke.types import Segments
        from spelke.viz.overlay import draw_segment, draw_segments

        segments = Segments(scene.image_size, tuple(found))
        pixels = (
            draw_segment(scene.image, segments.items[0])
            if len(segments) == 1
            else draw_segments(scene.image, segments, numbered=True)
        )
        picture, document = self.endings
        name = Path(ask.picture.name).name
        text = encode_json(segments_document(name, segments, model=self.model))
        return encode_results(ask.question, pixels, picture, {document: text})

    def tell(self, places: Sequence[Path]) -> Told:
        """See `PhotoOptions`."""
        from spelke.export.coco import read_segments, segment_record

        segments = read_segments(places[1]).segments
        records = tuple(segment_record(segment) for segment in segments)
        lines = tuple(_describe(segment) for segment in segments)
        return Told(records, lines or ("nothing here would move",))


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    return ask_photos(parse(SegmentOptions, "segment", argv, _EXAMPLES))


def _describe(segment: Segment) -> str:
    x, y = segment.point
    share = segment.area / segment.mask.size
    pokes = "1 poke" if len(segment.pokes) == 1 else f"{len(segment.pokes)} pokes"
    remark = f"; {segment.remark}" if segment.remark else ""
    return (
        f"at ({x:g}, {y:g}): {segment.area} pixels ({share:.1%}), confidence "
        f"{segment.confidence:.2f} after {pokes}{remark}"
    )
