"""The camera aims at what is there, and near enough that it is large in view."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spelke.worlds.camera import View, _step_back, draw_view, frame, look_at
from spelke.worlds.gl import load_mujoco
from spelke.worlds.render import Renderer


@settings(max_examples=50)
@given(st.integers(0, 10**6))
def test_a_view_lies_within_bounds_and_repeats(seed):
    view, again = (draw_view(np.random.default_rng(seed)) for _ in range(2))
    assert view == again
    assert 14 <= view.elevation <= 86
    assert 18 <= view.fovy <= 70.01
    assert 0.015 <= view.area <= 0.35
    assert np.hypot(*view.away) == pytest.approx(1)


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_the_target_is_in_the_middle_whatever_the_roll(seed):
    rng = np.random.default_rng(seed)
    target = rng.normal(0, 0.3, 3)
    camera = look_at(draw_view(rng), target, 0.7)
    np.testing.assert_allclose(camera.R.T @ camera.R, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(camera.R.T @ (target - camera.p), (0, 0, -0.7), atol=1e-9)


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_what_must_be_in_view_is(seed):
    rng = np.random.default_rng(seed)
    view, points = draw_view(rng), rng.normal(0, 0.2, (12, 3)) + rng.normal(0, 0.2, 3)
    camera = _step_back(view, np.zeros(3), float(rng.uniform(0.2, 2)), points)
    x, y, z = ((points - camera.p) @ camera.R).T
    reach = np.abs([x, y]).max(0) / -z / np.tan(np.deg2rad(view.fovy) / 2)
    assert (z < 0).all()
    assert reach.max() < 1


@pytest.fixture(scope="module")
def table(graphics):
    """Four cubes in a row that begins at the origin, of 6 cm."""
    boxes = "".join(
        f'<body pos="{0.12 * i} {0.05 * i} 0.03"><freejoint/>'
        '<geom type="box" size="0.03 0.03 0.03"/></body>'
        for i in range(4)
    )
    text = (
        '<mujoco><statistic extent="1"/><visual><map znear="0.02" zfar="30"/>'
        '<global offwidth="256" offheight="256"/></visual><worldbody>'
        f'<camera name="eye"/><geom type="plane" size="0 0 1"/>{boxes}</worldbody></mujoco>'
    )
    model = load_mujoco().MjModel.from_xml_string(text)
    data = load_mujoco().MjData(model)
    load_mujoco().mj_forward(model, data)
    with Renderer(model) as renderer:
        yield renderer, data


@pytest.mark.parametrize("fovy", [18.0, 40.0, 70.0])
@pytest.mark.parametrize("close_up", [False, True])
def test_things_have_the_wanted_area_about_the_middle(table, fovy, close_up):
    renderer, data = table
    areas, places = [], []
    for seed in range(8):
        view = View(0.8 * seed, 45.0, fovy, 3.0, 0.1 if close_up else 0.035, close_up)
        rng = np.random.default_rng(seed)
        camera = frame(rng, renderer, data, view, np.arange(1, 5), np.full(4, 0.052))
        ids = renderer.ids_and_depth(data, camera, 128)[0]
        counts = np.bincount(ids.ravel(), minlength=256)[1:5]
        areas.append((counts.max() if close_up else np.median(counts)) / ids.size / view.area)
        rows, columns = np.nonzero((ids > 0) & (ids < 5))
        places.append((columns.mean() / 128 - 0.5, rows.mean() / 128 - 0.5))
    assert 0.6 < np.median(areas) < 1.7
    assert np.abs(np.median(places, axis=0)).max() < 0.15
    if not close_up:
        assert np.abs(places).max() < 0.3
