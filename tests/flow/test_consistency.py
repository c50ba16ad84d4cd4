"""What is hidden by a moving square is found, and little else."""

import torch

from spelke.flow.consistency import find_visible, round_trip_error


def _moving_square():
    """Flows there and back of a square that moves 6 pixels to the right, and what stays seen."""
    forward, backward = torch.zeros(2, 40, 40), torch.zeros(2, 40, 40)
    forward[0, 10:20, 10:20] = 6
    backward[0, 10:20, 16:26] = -6
    hidden = torch.zeros(40, 40, dtype=torch.bool)
    hidden[10:20, 20:26] = True
    return forward, backward, ~hidden


def test_exactly_what_the_square_covers_is_hidden():
    forward, backward, truth = _moving_square()
    assert torch.equal(find_visible(forward, backward), truth)


def test_the_round_trip_error_is_the_distance_in_pixels():
    forward, backward, truth = _moving_square()
    error = round_trip_error(forward, backward)
    assert (error[truth] == 0).all()
    assert (error[~truth] == 6).all()


def test_what_leaves_the_image_is_not_visible():
    forward = torch.full((2, 8, 8), 3.0)
    visible = find_visible(forward, -forward)
    assert visible[:5, :5].all()
    assert visible.sum() == 25
    assert round_trip_error(forward, -forward)[7, 7] == torch.inf


def test_longer_flows_are_allowed_larger_errors():
    forward = torch.zeros(2, 8, 64)
    forward[0, :, :20] = 40
    backward = torch.full((2, 8, 64), 0.0)
    backward[0] = -38.5
    assert find_visible(forward, backward)[:, :20].all()
    assert not find_visible(forward, backward, relative=0.0)[:, :20].any()
