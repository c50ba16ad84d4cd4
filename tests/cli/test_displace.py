from __future__ import annotations

import json

import numpy as np
from PIL import Image

from spelke.cli.main import BAD_INPUT, OK, main
from spelke.flow.files import read_flow


def test_arrows_are_drawn_and_the_flow_is_kept(photo, observer, capsys):
    assert main(["displace", str(photo), "--poke", "3", "4", "6", "8"]) == OK
    captured = capsys.readouterr()
    picture, field = captured.out.split()
    with Image.open(picture) as drawn:
        assert (drawn.format, drawn.mode) == ("PNG", "RGB")
    flow = read_flow(field).flow
    assert flow.shape == (2, 30, 40)
    assert np.all(flow[0] == 3)
    assert np.all(flow[1] == 4)
    assert "5.0 pixels at most" in captured.err


def test_several_pokes_happen_together(photo, observer, capsys):
    poke = ["--poke", "3", "4", "6", "8"]
    main(["displace", str(photo), *poke, "--poke", "9", "9", "9", "9", "--json"])
    record = json.loads(capsys.readouterr().out)
    assert record["pokes"] == [
        {"point": [3, 4], "displacement": [3, 4]},
        {"point": [9, 9], "displacement": [0, 0]},
    ]
    assert record["max_px"] == 5


def test_a_poke_may_end_outside_but_not_begin_there(photo, observer, capsys):
    assert main(["displace", str(photo), "--poke", "3", "4", "-6", "8"]) == OK
    assert main(["displace", str(photo), "--poke", "-3", "4", "6", "8"]) == BAD_INPUT


def test_no_poke_is_bad_input(photo, observer, capsys):
    assert main(["displace", str(photo)]) == BAD_INPUT
    assert "--poke X1 Y1 X2 Y2" in capsys.readouterr().err
