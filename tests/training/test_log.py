import json
import math

import torch

from spelke.training.log import Log, Means, read_log


def test_means_leave_out_what_is_no_number():
    means = Means()
    means.add({"loss": torch.tensor(1.0), "follow": torch.tensor(math.nan)})
    means.add({"loss": 3.0, "follow": 0.5})
    means.add({"other": math.inf})
    assert means.take() == {"loss": 2.0, "follow": 0.5}
    assert means.take() == {}


def test_lines_reach_the_file_the_board_and_the_listener(tmp_path):
    told = []
    log = Log(tmp_path, told.append, 0)
    log.write({"step": 3, "loss": 1 / 3, "gone": math.nan})
    log.close()
    assert told == [{"step": 3, "loss": 0.33333}]
    assert [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()] == told
    assert list((tmp_path / "tensorboard").iterdir())
    assert read_log(tmp_path) == told


def test_lines_that_will_be_made_again_are_forgotten(tmp_path):
    text = '{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st'
    (tmp_path / "log.jsonl").write_text(text)
    log = Log(tmp_path, lambda line: None, 2)
    log.write({"step": 4})
    log.close()
    assert [line["step"] for line in read_log(tmp_path)] == [1, 2, 4]


def test_no_log_has_no_lines(tmp_path):
    assert read_log(tmp_path) == []
