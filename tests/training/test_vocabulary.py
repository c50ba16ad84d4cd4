import pytest
import torch
from tests.training.scenes import SAMPLES, moving_squares, records

from spelke.errors import InvalidInput
from spelke.tokens.flow_codes import cell_displacements, nearest_codes
from spelke.training.samples import SceneSamples
from spelke.training.tasks import sample_batches
from spelke.training.vocabulary import choose_displacements


def batches(count, seed=0):
    stream = sample_batches(SceneSamples(records(4), SAMPLES, seed), 4)
    return [next(stream) for _ in range(count)]


def error(displacements, some):
    """Mean distance in pixels of moving cells from what they are written as."""
    cells = torch.cat([cell_displacements(b.flow.flatten(0, 1)).flatten(0, 2) for b in some])
    moving = cells[cells.norm(dim=1) > 1]
    return (displacements[nearest_codes(displacements, moving)] - moving).norm(dim=1).mean()


def test_as_many_codes_as_motions_lose_nothing():
    squares = moving_squares(40, 0)
    found = choose_displacements([squares], 5)
    assert found[0].tolist() == [0, 0]
    assert {tuple(row) for row in found[1:].round().tolist()} == {(6, 0), (-6, 0), (0, 6), (0, -6)}


def test_more_codes_lose_less_of_what_they_were_not_chosen_from():
    few, many = (choose_displacements(batches(6), count) for count in (8, 40))
    others = batches(3, seed=1)
    assert error(many, others) < 0.7 * error(few, others)


def test_the_choice_repeats_itself_and_is_in_order():
    first, second = (choose_displacements(batches(3), 12) for _ in range(2))
    assert torch.equal(first, second)
    lengths = first.norm(dim=1)
    assert torch.equal(lengths, lengths.sort().values)
    assert lengths[0] == 0 < lengths[1]


def test_too_few_motions_are_refused():
    with pytest.raises(InvalidInput, match=r"4 different displacements .* choose 6 codes"):
        choose_displacements([moving_squares(40, 0)], 6)
    still = moving_squares(3, 0)
    with pytest.raises(InvalidInput, match="0 different displacements"):
        choose_displacements([still._replace(flow=torch.zeros_like(still.flow))], 2)
