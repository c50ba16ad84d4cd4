import pytest
import torch
from torch import nn

from spelke.errors import BadFile, InvalidInput
from spelke.training.state import restore_state, save_state


def parts(width=2, optimizer=torch.optim.AdamW):
    network = nn.Linear(width, 1)
    return network, nn.Linear(width, 1), [optimizer(network.parameters(), lr=0.1)]


def test_what_was_saved_comes_back(tmp_path):
    network, averaged, optimizers = parts()
    network(torch.ones(2)).backward()
    optimizers[0].step()
    save_state(tmp_path / "c.pt", network, averaged, optimizers, {"step": 3}, {})
    again = parts()
    assert restore_state(tmp_path / "c.pt", *again) == {"step": 3}
    assert torch.equal(again[0].weight, network.weight)
    assert torch.equal(again[1].weight, averaged.weight)
    first, second = (one[2][0].state_dict()["state"][0] for one in ((0, 0, optimizers), again))
    assert torch.equal(first["exp_avg"], second["exp_avg"])


def test_states_of_other_things_are_refused(tmp_path):
    save_state(tmp_path / "c.pt", *parts(), {"step": 3}, {})
    with pytest.raises(InvalidInput, match="another network"):
        restore_state(tmp_path / "c.pt", *parts(3))
    network, averaged, optimizers = parts()
    with pytest.raises(InvalidInput, match="optimiser"):
        restore_state(tmp_path / "c.pt", network, averaged, optimizers * 2)
    torch.save({"weights": torch.ones(2)}, tmp_path / "c.pt")
    with pytest.raises(BadFile, match="lacks averaged, objective, optimizers, progress"):
        restore_state(tmp_path / "c.pt", *parts())


def test_nothing_is_executed_while_loading(tmp_path):
    import pickle

    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "trapped"), "w"))

    (tmp_path / "c.pt").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(BadFile):
        restore_state(tmp_path / "c.pt", *parts())
    assert not (tmp_path / "trapped").exists()
