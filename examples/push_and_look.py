"""Push the cup on the bundled photo, and draw all that Spelke can say about it on one sheet.

Run from the root of the repository: `python examples/push_and_look.py`
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

import spelke
from spelke.viz.sheet import draw_sheet

PHOTO = Path(__file__).parent / "photos" / "coffee.jpg"
CUP = (330, 180)


def main(model_name: str = "spelke-small", out: str = "out/coffee.sheet.png") -> None:
    scene = spelke.load(model_name).look(PHOTO)
    push = spelke.Poke(point=CUP, displacement=(30, 0))
    sheet = draw_sheet(
        scene.image,
        affordance=scene.affordance(),
        displacement=scene.displacement(push),
        pokes=[push],
        segments=[scene.segment(CUP)],
        title="What moves when the cup is pushed",
    )
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(out)
    print(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
