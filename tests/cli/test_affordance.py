from __future__ import annotations

import json

import numpy as np
from PIL import Image

from spelke.cli.main import OK, main


def test_a_map_is_drawn_and_kept(photo, observer, capsys):
    assert main(["affordance", str(photo)]) == OK
    picture, array = capsys.readouterr().out.split()
    with Image.open(picture) as drawn:
        assert (drawn.format, drawn.mode) == ("PNG", "RGB")
    with np.load(array) as held:
        values = held["motion_affordance"]
    assert values.shape == (30, 40)
    assert values.dtype == np.float32
    assert values[2, 5] == 0.75


def test_json_says_where_most_could_move(photo, observer, capsys):
    main(["affordance", str(photo), "--json"])
    record = json.loads(capsys.readouterr().out)
    assert record["most_movable_point"] == [5, 2]
    assert record["max"] == 0.75
    assert record["size"] == [30, 40]
    assert record["image"] == str(photo)
