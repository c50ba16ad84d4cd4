"""A camera changes colours only, repeats for the same stream, and does what its numbers say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spelke.worlds.sensor import Sensor, draw_sensor, expose, vary_appearance

RNG = np.random.default_rng(0)
PICTURE = np.kron(RNG.integers(0, 255, (8, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8))


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_a_shot_is_a_picture_and_repeats(seed):
    shot, again = (vary_appearance(PICTURE, np.random.default_rng(seed)) for _ in range(2))
    assert shot.shape == PICTURE.shape
    assert shot.dtype == np.uint8
    np.testing.assert_array_equal(shot, again)


def test_a_perfect_sensor_changes_nothing():
    np.testing.assert_array_equal(expose(PICTURE, Sensor(), RNG), PICTURE)


def test_the_picture_itself_is_left_alone():
    before = PICTURE.copy()
    for seed in range(20):
        vary_appearance(PICTURE, np.random.default_rng(seed))
    np.testing.assert_array_equal(PICTURE, before)


def test_shots_differ():
    shots = {vary_appearance(PICTURE, np.random.default_rng(seed)).tobytes() for seed in range(9)}
    assert len(shots) == 9


def shot(grey=128, side=64, seed=0, **faults):
    plain = np.full((side, side, 3), grey, np.uint8)
    return expose(plain, Sensor(**faults), np.random.default_rng(seed)).astype(float)


def test_swapped_colours_are_the_same_three_in_another_order():
    np.testing.assert_array_equal(
        expose(PICTURE, Sensor(channels=(2, 0, 1)), RNG)[..., 0], PICTURE[..., 2]
    )
    orders = [draw_sensor(np.random.default_rng(seed), 0.5).channels for seed in range(400)]
    assert len(set(orders)) == 6
    # A sixth of those that are drawn are in the old order.
    assert np.mean([order != (0, 1, 2) for order in orders]) == pytest.approx(5 / 12, abs=0.08)


def test_a_camera_that_swaps_nothing_is_the_one_it_was():
    for seed in range(5):
        plain, swapping = np.random.default_rng(seed), np.random.default_rng(seed)
        assert draw_sensor(plain) == draw_sensor(swapping, 0.0)
        assert plain.random() == swapping.random()


def test_gain_gamma_and_lift_act_on_each_colour():
    assert shot(gain=(1.5, 1.0, 0.5))[0, 0] == pytest.approx([192, 128, 64], abs=1)
    assert shot(gamma=2.0).mean() == pytest.approx(255 * (128 / 255) ** 2, abs=1)
    assert shot(lift=0.1).mean() == pytest.approx(128 + 25.5, abs=1)


def test_no_saturation_is_grey():
    grey = expose(PICTURE, Sensor(saturation=0.0), RNG).astype(int)
    assert np.ptp(grey, axis=2).max() == 0


def test_noise_has_its_spread_and_grows_with_light():
    assert shot(noise=(0.03, 0.0)).std() == pytest.approx(0.03 * 255, rel=0.1)
    dark, light = (shot(grey, noise=(0.0, 0.05)).std() for grey in (20, 200))
    assert light > 2 * dark


def test_a_vignette_darkens_corners_and_leaves_the_middle():
    dim = shot(vignette=0.5)
    assert dim[32, 32].mean() == pytest.approx(128, abs=2)
    assert dim[0, 0].mean() == pytest.approx(64, abs=2)


@pytest.mark.parametrize(
    "fault", [{"blur": 20.0}, {"streak": (40.0, 0.7)}, {"coarse": 2.5}, {"quality": 20}]
)
def test_blur_streaks_few_pixels_and_jpeg_keep_the_mean_and_lose_detail(fault):
    fine = np.random.default_rng(1).integers(60, 200, (128, 128, 3), np.uint8)
    soft = expose(fine, Sensor(**fault), RNG).astype(float)
    assert soft.mean() == pytest.approx(fine.mean(), abs=3)
    assert soft.std() < 0.95 * fine.std()


def test_a_streak_blurs_along_its_angle_only():
    edge = np.zeros((64, 64, 3), np.uint8)
    edge[:, 32:] = 255
    along = expose(edge, Sensor(streak=(100.0, np.pi / 2)), RNG)
    across = expose(edge, Sensor(streak=(100.0, 0.0)), RNG)
    assert np.abs(along.astype(int) - edge).max() <= 60
    assert (np.abs(across.astype(int) - edge) > 60).any()


def test_most_shots_are_good_ones():
    sensors = [draw_sensor(np.random.default_rng(seed)) for seed in range(400)]
    assert 0.2 < np.mean([sensor.blur > 0 for sensor in sensors]) < 0.4
    assert np.mean([sensor.quality > 0 for sensor in sensors]) < 0.4
    assert 0.7 < np.median([np.mean(sensor.gain) for sensor in sensors]) < 1.4
