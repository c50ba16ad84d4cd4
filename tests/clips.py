"""Two made-up clips: a square that walks past a parked one, and one filmed from a boat."""

import numpy as np
from PIL import Image

SIZE = (96, 128)
FRAMES = 10


def textured(shape, generator, low, high):
    """Something that optical flow can hold on to."""
    coarse = generator.integers(low, high, (shape[0] // 4 + 1, shape[1] // 4 + 1, 3))
    return coarse.repeat(4, 0).repeat(4, 1)[: shape[0], : shape[1]].astype(np.uint8)


def draw_clip(folder, camera, stops_at):
    """A textured square moves right by 4 pixels a frame until it stops; 255 in the masks, with a
    rim of 170. A second one, in the masks too, stays."""
    generator = np.random.default_rng(0)
    wall = textured((SIZE[0], SIZE[1] + 3 * FRAMES), generator, 90, 160)
    thing, parked = (textured((size, size), generator, 0, 255) for size in (20, 16))
    for name in ("frames", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(FRAMES):
        picture = wall[:, camera * number : camera * number + SIZE[1]].copy()
        left = 8 + 4 * min(number, stops_at)
        mask = np.zeros(SIZE, np.uint8)
        mask[19:41, left - 1 : left + 21] = 170
        mask[20:40, left : left + 20] = 255
        picture[20:40, left : left + 20] = thing
        if not camera:
            picture[60:76, 20:36] = parked
            mask[60:76, 20:36] = 255
        Image.fromarray(picture).save(folder / "frames" / f"{number:02d}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number:02d}.png")


def draw_clips(folder):
    """The folder that `read_moments` takes."""
    draw_clip(folder / "street" / "walk", camera=0, stops_at=FRAMES)
    draw_clip(folder / "street" / "wait", camera=0, stops_at=0)
    draw_clip(folder / "boat" / "pass", camera=3, stops_at=FRAMES)
    return folder
