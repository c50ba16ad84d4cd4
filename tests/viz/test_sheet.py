"""A sheet holds all panels, aligned and inside the page."""

import subprocess
import sys

import numpy as np
import pytest

from spelke.errors import InvalidInput
from spelke.types import Poke
from spelke.viz.sheet import Panel, arrange, draw_contact_sheet, draw_sheet


def test_pictures_stand_in_rows_of_one_height():
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    sizes = [(20, 40), (100, 50), (10, 10)]
    panels = [
        Panel(np.full((*size, 3), colour, np.uint8), "title", "note")
        for size, colour in zip(sizes, colours, strict=True)
    ]
    page = arrange(panels, columns=2, cell_height=60)
    boxes = []
    for size, colour in zip(sizes, colours, strict=True):
        places = np.argwhere((page == colour).all(-1))
        height, width = np.ptp(places, 0) + 1
        assert height == 60
        assert width == round(size[1] * 60 / size[0])
        boxes.append(places.min(0))
    assert boxes[0][0] == boxes[1][0]
    assert boxes[2][1] == boxes[0][1]
    assert (page[0] == 255).all()
    assert (page[:, -1] == 255).all()


def test_a_page_grows_with_what_is_found(photo, segment):
    flow = np.zeros((2, 60, 80), np.float32)
    pages = [
        draw_sheet(photo),
        draw_sheet(photo, segments=[segment]),
        draw_sheet(photo, segments=[segment], affordance=np.ones((4, 4), np.float32)),
        draw_sheet(
            photo,
            segments=[segment, segment],
            affordance=np.ones((4, 4), np.float32),
            displacement=flow,
            pokes=[Poke((5.0, 5.0), (9.0, 9.0))],
            title="All of it",
        ),
    ]
    areas = [page.shape[0] * page.shape[1] for page in pages]
    assert areas == sorted(set(areas))
    assert all(page.dtype == np.uint8 for page in pages)


def test_a_long_caption_takes_more_lines_and_stays_on_the_page():
    picture = np.zeros((60, 60, 3), np.uint8)
    short = draw_contact_sheet([("a caption", picture)], cell_height=120)
    long = draw_contact_sheet([("a caption that is a little longer", picture)], cell_height=120)
    endless = draw_contact_sheet([("a caption without an end " * 9, picture)], cell_height=120)
    word = draw_contact_sheet([("Donaudampfschifffahrtsgesellschaft", picture)], cell_height=120)
    assert short.shape[0] < long.shape[0] < endless.shape[0] < 2 * short.shape[0]
    assert short.shape[1] == long.shape[1] == endless.shape[1] == word.shape[1]
    assert all((page[:, -3:] == 255).all() for page in (short, long, endless, word))


def test_many_pictures_make_a_page_wider_than_high(photo):
    page = draw_contact_sheet([(f"picture {n}", photo) for n in range(24)], cell_height=50)
    assert page.shape[1] > page.shape[0]


def test_a_sheet_needs_pictures():
    with pytest.raises(InvalidInput, match="at least one picture"):
        draw_contact_sheet([])
    with pytest.raises(InvalidInput, match="at least 1"):
        arrange([Panel(np.zeros((4, 4, 3), np.uint8))], columns=0, cell_height=10)


def test_pictures_are_drawn_without_torch_and_without_matplotlib():
    code = (
        "import sys, spelke.viz.sheet, spelke.export.coco, spelke.flow.files; "
        "print([name for name in ('torch', 'matplotlib') if name in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "[]"
