"""Spelke finds the things in a picture: what moves together when something is pushed.

    import spelke

    scene = spelke.load("spelke-small").look("desk.jpg")
    segment = scene.segment(point=(312, 205))

Names are imported when they are first used, so `import spelke` is quick and silent.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spelke.data.image import read_image
    from spelke.discovery.load import load
    from spelke.discovery.observer import Observer
    from spelke.discovery.scene import Scene
    from spelke.errors import SpelkeError
    from spelke.export.coco import read_segments, write_segments
    from spelke.types import Point, Poke, Segment, Segments
    from spelke.viz.overlay import draw_segment, draw_segments

_PLACES = {
    "Observer": "spelke.discovery.observer",
    "Point": "spelke.types",
    "Poke": "spelke.types",
    "Scene": "spelke.discovery.scene",
    "Segment": "spelke.types",
    "Segments": "spelke.types",
    "SpelkeError": "spelke.errors",
    "draw_segment": "spelke.viz.overlay",
    "draw_segments": "spelke.viz.overlay",
    "load": "spelke.discovery.load",
    "read_image": "spelke.data.image",
    "read_segments": "spelke.export.coco",
    "write_segments": "spelke.export.coco",
}

__all__ = [  # noqa: RUF022 - in the order in which a newcomer needs them
    "load",
    "Observer",
    "Scene",
    "Point",
    "Poke",
    "Segment",
    "Segments",
    "SpelkeError",
    "read_image",
    "draw_segment",
    "draw_segments",
    "read_segments",
    "write_segments",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("spelke")
    if name not in _PLACES:
        raise AttributeError(f"module 'spelke' has no attribute {name!r}")
    value = getattr(import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES, "__version__"})
