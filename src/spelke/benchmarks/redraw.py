"""Held-out scenes drawn again: the same things in the same places, in other pictures.

One scene, several pictures of it, the same points asked: what a score changes by is then owed to
the picture alone. `RENDERERS` are other programs that draw it; `TEXTURES` dress it otherwise.
Blender's Cycles draws in a process of its own: `CyclesFolder` writes scenes down for
`tools/cycles_render.py` and reads what that drew. Entry points: `redraw`, `CyclesFolder`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from spelke.benchmarks.held_out import HeldOutSettings, default_cache, seed_and_options, set_name
from spelke.benchmarks.identity import digest_of_code
from spelke.benchmarks.test_set import TestItem, read_test_set, write_test_set
from spelke.data.image import read_image
from spelke.errors import InvalidInput
from spelke.runtime.seed import numpy_generator
from spelke.worlds.appearance import mirrored
from spelke.worlds.cycles import Textures, dressed_model, export_cycles
from spelke.worlds.generate import SceneOptions, make_scene
from spelke.worlds.gl import load_mujoco
from spelke.worlds.layout import FAMILIES, SPRITES
from spelke.worlds.photos import Photos
from spelke.worlds.physics import restore_state
from spelke.worlds.raycast import View
from spelke.worlds.render import Camera
from spelke.worlds.renderers import open_renderer
from spelke.worlds.scene import WorldScene
from spelke.worlds.scenery import describe
from spelke.worlds.textures import draw_texture

WITH_SHAPES = tuple(family for family in FAMILIES if family != SPRITES)
"""Families that can be drawn again; flat cut-outs have no shapes."""
PLAIN = 0.15
"""Share of textures that are one colour, the same ones in every dress."""
_TILES = ("floor", "ground", "wall")
_FINGERPRINT = "fingerprint.txt"


@dataclass(frozen=True, slots=True, eq=False)
class Again:
    """A scene of a test set made again, without the drags that decided its truth."""

    scene: WorldScene
    options: SceneOptions
    seed: int


Draw = Callable[[Again], np.ndarray]
"""Gives (size, size, 3) uint8, RGB."""


def make_again(settings: HeldOutSettings, item: TestItem) -> Again:
    """Make the scene of an item again.

    Raises:
        InvalidInput: it has no shapes, or the item is not of these settings and this code.
    """
    family, _, number = item.key.rpartition("-")
    seed, options = seed_and_options(settings, family, int(number))
    scene = make_scene(seed, replace(options, groups=0))
    if not scene.mjcf:
        raise InvalidInput(f"{item.key} is made of flat cut-outs and cannot be drawn otherwise")
    if not np.array_equal(scene.rgb, item.image):
        raise InvalidInput(f"{item.key} is another scene than it was: make the set again")
    return Again(scene, options, seed)


def redraw(
    settings: HeldOutSettings,
    items: Iterable[TestItem],
    versions: Mapping[str, Draw],
    cache: str | os.PathLike[str] | None = None,
) -> tuple[dict[str, list[TestItem]], dict[str, str]]:
    """Draw every scene in every version; what was drawn before is read from the cache.

    Args:
        settings: those that the items were made with.
        items: of a set by `held_out.make_test_set`.
        versions: name to what draws it.
        cache: folder for finished pictures; None takes `held_out.default_cache()`.

    Returns:
        Version to items, the same ones in each; and key to reason of those that cannot be drawn.
    """
    code = digest_of_code("spelke.benchmarks.redraw")
    folder = Path(default_cache() if cache is None else cache) / f"{set_name(settings)}-{code}"
    drawn: dict[str, list[TestItem]] = {name: [] for name in versions}
    left_out = {}
    for item in items:
        paths = {name: folder / name / f"{item.key}.h5" for name in versions}
        try:
            again = None
            for name, path in paths.items():
                if not path.is_file():
                    again = make_again(settings, item) if again is None else again
                    write_test_set(path, [replace(item, image=versions[name](again))])
        except InvalidInput as error:
            left_out[item.key] = str(error)
            continue
        for name, path in paths.items():
            drawn[name] += read_test_set(path)
    return drawn, left_out


def by_raycast(again: Again) -> np.ndarray:
    """The picture that the torch ray caster draws."""
    return picture(again, dressed_model(again.scene, again.options), "raycast")


def dressed_in(source: str) -> Draw:
    """What draws a scene in textures of one source: "procedural", or one of `photos.SOURCES`."""

    def draw(again: Again) -> np.ndarray:
        def change(textures: Textures) -> Textures:
            return other_textures(textures, source, again.options.split, again.seed)

        return picture(again, dressed_model(again.scene, again.options, change), "gl")

    return draw


def picture(again: Again, model: Any, renderer: str) -> np.ndarray:
    """Draw the first frame of a scene with a model that has its shapes."""
    data = load_mujoco().MjData(model)
    restore_state(model, data, again.scene.state0)
    with open_renderer(renderer, model) as opened:
        return opened.colour(data, camera_of(again.scene), again.options.size)


def camera_of(scene: WorldScene) -> Camera:
    """The camera of the first frame."""
    half = scene.ids.shape[0] / 2
    return Camera(scene.R, scene.p, float(2 * np.rad2deg(np.arctan(half / scene.K[1, 1]))))


def other_textures(textures: Textures, source: str, split: str, seed: int) -> Textures:
    """Other pixels for every texture but the sky.

    Each texture draws from a stream of its own, so that the same ones are plain whatever the
    source. What was in the floor's look stays so. Prints on things are lost.

    Args:
        textures: as the scene wears them.
        source: "procedural" (patterns), or one of `photos.SOURCES` (photographs, no patterns).
        split: whose patterns, palettes and photographs.
        seed: of the scene.
    """
    is_photo = source != "procedural"
    photos = Photos(split, (source,)) if is_photo else None
    changed = {}
    for name, old in textures.items():
        if name in ("sky", "camouflage"):
            changed[name] = old
            continue
        rng, side = numpy_generator(seed, "texture", name), old.shape[1]
        _, pixels = draw_texture(rng, split, side, PLAIN, 1.0 if is_photo else 0.0, photos)
        pixels = mirrored(pixels) if name in _TILES else pixels
        changed[name] = (np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    if "camouflage" in changed:
        side = changed["camouflage"].shape[1]
        changed["camouflage"] = changed["floor"][:side, :side]
    return changed


RENDERERS: dict[str, Draw] = {"gl": lambda again: again.scene.rgb, "raycast": by_raycast}
"""Renderers that run here; the first is the one that decides the truth."""
TEXTURES: dict[str, Draw] = {
    "procedural": dressed_in("procedural"),
    "wheels": dressed_in("wheels"),
    "wallpapers": dressed_in("wallpapers"),
}
"""Dresses; the first is what others are compared with."""


@dataclass(frozen=True, slots=True)
class CyclesFolder:
    """A folder with one folder for each scene, written here and drawn by Blender."""

    path: Path

    def export(self, item: TestItem, again: Again) -> None:
        """Write a scene down for `tools/cycles_render.py`; a picture of it is out of date."""
        folder = self.path / item.key
        (folder / "cycles.png").unlink(missing_ok=True)
        scene = again.scene
        poses = np.concatenate([scene.body_pos, scene.body_quat], axis=1)
        scenery = describe(dressed_model(scene, again.options))
        export_cycles(folder, scenery, View(poses, camera_of(scene)), again.options.size)
        (folder / _FINGERPRINT).write_text(item.fingerprint, encoding="utf-8")

    def is_written(self, item: TestItem) -> bool:
        """Whether exactly this scene was written down."""
        path = self.path / item.key / _FINGERPRINT
        return path.is_file() and path.read_text(encoding="utf-8") == item.fingerprint

    def read(self, item: TestItem) -> TestItem | None:
        """The item with the picture that Cycles drew; None if there is none of this scene.

        Raises:
            InvalidInput: the picture has another size.
        """
        path = self.path / item.key / "cycles.png"
        if not self.is_written(item) or not path.is_file():
            return None
        pixels = (read_image(path).permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        return replace(item, image=pixels)
