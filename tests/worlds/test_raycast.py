"""The ray caster against MuJoCo's rays, against OpenGL, and against the flow of the poses."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.worlds.test_flow import residuals

from spelke.errors import InvalidInput
from spelke.worlds.generate import SceneOptions, make_scene
from spelke.worlds.gl import load_mujoco
from spelke.worlds.layout import FAMILIES
from spelke.worlds.model import compile_model
from spelke.worlds.raycast import CastRenderer, RayCaster, View
from spelke.worlds.render import SKY, SKY_PART, Camera, Renderer, body_ids
from spelke.worlds.renderers import open_renderer
from spelke.worlds.replay import revive
from spelke.worlds.scenery import describe

pytest.importorskip("mujoco")

PYRAMIDS = "-.3 -.3 0  .3 -.3 0  .3 .3 0  -.3 .3 0  0 0 -.4  0 0 .4"
FACES = "0 1 5 1 2 5 2 3 5 3 0 5 1 0 4 2 1 4 3 2 4 0 3 4"
DENTED = "0 1 5 1 2 5 2 3 5 3 0 5 0 1 4 1 2 4 2 3 4 3 0 4"
"""With the lower tip lifted to just below the upper one: a shape that is not convex."""
KINDS = {
    "box": 'type="box" size=".3 .2 .4"',
    "sphere": 'type="sphere" size=".4"',
    "ellipsoid": 'type="ellipsoid" size=".2 .3 .4"',
    "cylinder": 'type="cylinder" size=".3 .4"',
    "capsule": 'type="capsule" size=".2 .3"',
    "mesh": 'type="mesh" mesh="solid"',
    "dented": 'type="mesh" mesh="dented"',
    "mapped": 'type="mesh" mesh="mapped"',
}
EYE = Camera(np.eye(3), np.array([0, 0, 5.0]), 40.0)


def build(geoms, size=96, texture="2d", light="", material=""):
    """A model whose visible things all wear one coloured noise, in nothing but ambient light."""
    dented = PYRAMIDS.replace("0 0 -.4", "0 0 .2")
    uv = "0 0 1 0 1 1 0 1 .5 .5 .5 .5"
    ambient = ".4 .4 .4" if light else "1 1 1"
    pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 3)).repeat(8, 0).repeat(8, 1)
    mjcf = f"""<mujoco><statistic extent="1"/><visual><map znear=".02" zfar="30"/>
    <headlight ambient="{ambient}" diffuse="0 0 0" specular="0 0 0"/>
    <quality offsamples="4" numslices="200" numstacks="100"/>
    <global offwidth="{size}" offheight="{size}"/></visual>
    <asset><texture name="t" type="{texture}" builtin="flat" width="64" height="64"/>
    <material name="m" texture="t" specular="0" {material}/><material name="plain" specular=".5"/>
    <mesh name="solid" vertex="{PYRAMIDS}" face="{FACES}"/>
    <mesh name="dented" vertex="{dented}" face="{DENTED}"/>
    <mesh name="mapped" vertex="{PYRAMIDS}" face="{FACES}" texcoord="{uv}"/></asset>
    <worldbody><camera name="eye"/>{light}{geoms}</worldbody></mujoco>"""
    model = compile_model(mjcf, {"t": pixels.astype(np.uint8)})
    data = load_mujoco().MjData(model)
    load_mujoco().mj_forward(model, data)
    return model, data


def poses(data):
    return np.concatenate([data.xpos, data.xquat], axis=1)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_every_ray_hits_what_mujocos_rays_hit(seed):
    rng = np.random.default_rng(seed)
    geoms = '<geom type="plane" size="0 0 1" pos="0 0 -1" euler="10 5 0"/>'
    for kind in KINDS.values():
        x, y, z = rng.uniform(-1, 1, 3)
        turn = " ".join(f"{angle:.3f}" for angle in rng.uniform(-180, 180, 3))
        geoms += f'<geom {kind} pos="{x:.3f} {y:.3f} {z:.3f}" euler="{turn}"/>'
    model, data = build(geoms)
    caster = RayCaster([describe(model)])
    _, parts, depth = caster.ids_parts_depth([View(poses(data), EYE)], 24)
    focal = EYE.intrinsics(24, 24)[0, 0]
    agree, errors = [], []
    for y, x in np.ndindex(24, 24):
        ray = np.array([(x + 0.5 - 12) / focal, -(y + 0.5 - 12) / focal, -1.0])
        geom = np.zeros(1, np.int32)
        far = load_mujoco().mj_ray(model, data, EYE.p, ray, None, 1, -1, geom)
        agree.append(parts[0, y, x] == (geom[0] if far > 0 else SKY_PART))
        if agree[-1] and far > 0:
            errors.append(abs(far - depth[0, y, x]))
    assert np.mean(agree) > 0.995
    assert np.max(errors) < 1e-3
    assert np.median(errors) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "test"])
def test_ids_and_depth_are_those_of_opengl_in_every_family(graphics, split):
    shares, errors = [], []
    for family in FAMILIES:
        if family == "sprites":
            continue  # flat layers, drawn by no renderer
        for seed in range(2):
            options = SceneOptions((family,), split, size=128, pokes=1, after_frames=False)
            scene = make_scene(seed, options)
            ids, depth = drawn_again(scene)
            same = ids == scene.ids
            shares.append(same.mean())
            here = same & (ids != SKY)
            errors.append(np.median(np.abs(depth[here] - scene.depth[here])))
    assert np.mean(shares) >= 0.998
    assert min(shares) >= 0.995  # OpenGL draws round things with facets
    assert max(errors) < 1e-4


def test_ids_and_depth_are_those_of_opengl(scene):
    ids, depth = drawn_again(scene)
    same = ids == scene.ids
    here = same & (ids != SKY)
    assert same.mean() >= 0.998
    assert np.median(np.abs(depth[here] - scene.depth[here])) < 1e-4
    assert np.array_equal(np.isinf(depth), ids == SKY)


def drawn_again(scene):
    model, data = revive(scene)
    fovy = 2 * np.rad2deg(np.arctan(scene.ids.shape[0] / 2 / scene.K[0, 0]))
    camera = Camera(scene.R, scene.p, fovy)
    return CastRenderer(model).ids_and_depth(data, camera, scene.ids.shape[0])


@pytest.mark.slow
def test_flow_has_no_residual_displacement_between_cast_pictures(graphics, monkeypatch):
    monkeypatch.setattr("spelke.worlds.render.Renderer", CastRenderer)
    options = SceneOptions(pokes=3, size=128, families=("primitives", "stacks", "mixed"))
    residual = [one.frame for seed in range(5) for one in residuals(make_scene(seed, options))]
    assert len(residual) >= 5, residual
    assert np.median(residual) < 0.05


@pytest.mark.parametrize("texture", ["2d", "cube"])
@pytest.mark.parametrize("material", ["", 'texrepeat="2 3" texuniform="true"'])
def test_textures_lie_as_in_opengl(graphics, texture, material):
    geoms = ""
    for number, (name, kind) in enumerate(KINDS.items()):
        if name == "mapped" and texture == "cube":
            continue  # OpenGL draws these white
        x, y = number % 4 - 1.5, number // 4 - 0.5
        turn = f"{20 * number} {10 * number - 30} 15"
        geoms += f'<geom {kind} material="m" pos="{x} {y} 0" euler="{turn}"/>'
    worn = "m" if texture == "2d" else "plain"
    geoms += f'<geom type="plane" size="0 0 1" material="{worn}" pos="0 0 -1"/>'
    model, data = build(geoms, texture=texture, material=material)
    with Renderer(model) as renderer:
        wanted = renderer.colour(data, EYE, 96).astype(int)
    difference = np.abs(CastRenderer(model).colour(data, EYE, 96) - wanted).mean(-1)
    assert np.median(difference) < 8
    assert np.mean(difference < 40) > 0.95  # the rest lies on edges of texels


LIGHT = '<light type="directional" pos="1 1 4" dir="-1 -1 -4" diffuse=".6 .5 .4"/>'
UNSHADED = '<light castshadow="false"'
SPOT = '<light type="spot" pos="1 -1 3" dir="-.3 .3 -1" cutoff="40" exponent="3"/>'


@pytest.mark.parametrize("light", [LIGHT, LIGHT + SPOT])
def test_light_and_shadows_are_those_of_opengl(graphics, light):
    floor = '<geom type="plane" size="0 0 1" material="plain"/>'
    things = (
        '<body><geom type="box" size=".3 .3 .3" pos="0 0 .3" material="plain"/>'
        '<geom type="sphere" size=".3" pos=".6 .7 .3" rgba=".8 .2 .2 1"/>'
        '<geom type="mesh" mesh="solid" pos="-.8 .3 .4" rgba=".2 .2 .8 1"/></body>'
    )
    model, data = build(floor + things, light=light)
    with Renderer(model) as renderer:
        wanted = renderer.colour(data, EYE, 96).astype(int)
    picture = CastRenderer(model).colour(data, EYE, 96).astype(int)
    assert np.mean(np.abs(picture - wanted).max(-1) < 6) > 0.95
    lit = CastRenderer(build(floor + things, light=light.replace("<light", UNSHADED))[0])
    without = lit.colour(data, EYE, 96).astype(int)
    assert ((without - picture).sum(-1) > 60).mean() > 0.02  # something casts a shadow


@pytest.mark.parametrize(
    "floor", ['type="plane" size="0 0 1"', 'type="box" size="3 3 1" pos="0 0 -1"']
)
@pytest.mark.parametrize("towards", [(0, 0, 1), (0.02, 0.01, 1), (0, -1, 1), (0.4, 0.3, 0.9)])
def test_floors_and_walls_cast_no_shadows_and_are_even(graphics, towards, floor):
    """No specks on a bare floor and a bare wall, and light goes through the wall."""
    x, y, z = towards
    light = f'<light type="directional" pos="{x} {y} {z}" dir="{-x} {-y} {-z}"/>'
    planes = (
        f'<geom {floor} rgba=".4 .4 .4 1"/>'
        '<geom type="plane" size="0 0 1" pos="0 -1 0" zaxis="0 1 0" rgba=".4 .4 .4 1"/>'
    )
    model, data = build(planes, light=light)
    model.vis.headlight.specular[:] = model.light_specular[:] = 0
    axes = np.array([[-1, 0, 0], [0, -0.28, 0.96], [0, 0.96, 0.28]]).T
    seen = Camera(axes, np.array([0, 2, 1.0]), 60)
    with Renderer(model) as renderer:
        parts = renderer.parts_and_depth(data, seen, 96)[0]
        picture = renderer.colour(data, seen, 96).astype(int)
    assert set(np.unique(parts)) >= {0, 1}
    inner = [(parts == part) & (np.roll(parts, 2, 0) == part) for part in (0, 1)]
    for where in inner:
        assert np.ptp(picture[where], axis=0).max() <= 2
    cast = CastRenderer(model).colour(data, seen, 96).astype(int)
    assert np.abs(cast - picture)[inner[0] | inner[1]].max() <= 2


def test_a_mirror_shows_what_stands_on_it(graphics):
    floor = '<geom type="plane" size="0 0 1" material="m"/>'
    thing = '<geom type="box" size=".3 .3 .3" pos="0 .6 .5" rgba="1 0 0 1"/>'
    model, data = build(floor + thing, material='reflectance=".5"')
    low = Camera(np.array([[1, 0, 0], [0, 0.6, -0.8], [0, 0.8, 0.6]]), np.array([0, -3, 3.0]), 40.0)
    with Renderer(model) as renderer:
        wanted = renderer.colour(data, low, 96).astype(int)
    picture = CastRenderer(model).colour(data, low, 96).astype(int)
    assert np.mean(np.abs(picture - wanted).max(-1) < 40) > 0.95


def test_frames_of_many_scenes_at_once_are_those_drawn_alone():
    boxes = [
        "".join(f'<geom {kind} pos="{i - 1} 0 {0.2 * i}" material="m"/>' for i, kind in some)
        for some in (enumerate(list(KINDS.values())[:3]), enumerate(list(KINDS.values())[3:]))
    ]
    built = [build(geoms, light=LIGHT) for geoms in boxes]
    sceneries = [describe(model) for model, _ in built]
    near = Camera(EYE.R, EYE.p - (0, 0, 1), 50.0)
    views = [
        View(poses(data), camera, scene)
        for scene, (_, data) in enumerate(built)
        for camera in (EYE, near)
    ]
    together = RayCaster(sceneries)
    ids, parts, depth = together.ids_parts_depth(views, 50)
    rgb = together.colour(views, 50)
    for number, view in enumerate(views):
        alone = RayCaster([sceneries[view.scene]])
        own = View(view.poses, view.camera)
        one = alone.ids_parts_depth([own], 50)
        for here, there in zip((ids, parts, depth), one, strict=True):
            np.testing.assert_array_equal(here[number], there[0])
        assert np.abs(rgb[number].astype(int) - alone.colour([own], 50)[0]).max() <= 1


def test_few_rays_where_the_picture_is_even_are_as_good_as_many_everywhere(monkeypatch):
    geoms = "".join(
        f'<geom {kind} pos="{i % 3 - 1} {i // 3 - 1} 0" material="m" euler="{40 * i} 20 0"/>'
        for i, kind in enumerate(KINDS.values())
    )
    floor = '<geom type="plane" size="0 0 1" pos="0 0 -1"/>'
    model, data = build(f"{floor}<body>{geoms}</body>", light=LIGHT)
    caster, views = RayCaster([describe(model)]), [View(poses(data), EYE)]
    some = caster.colour(views, 96).astype(int)
    monkeypatch.setattr("spelke.worlds.raycast._EDGE", -1.0)
    every = caster.colour(views, 96).astype(int)
    assert np.abs(some - every).mean() < 0.5
    assert np.abs(some - caster.colour(views, 96, samples=1)).mean() > 2


def test_geoms_for_contacts_alone_are_not_drawn():
    model, data = build(
        '<geom type="box" size=".3 .3 .3" group="3"/><geom type="sphere" size=".1" group="2"/>'
        '<geom type="box" size=".4 .4 .4" rgba="1 1 1 0"/>'
    )
    _, parts, _ = RayCaster([describe(model)]).ids_parts_depth([View(poses(data), EYE)], 32)
    assert set(np.unique(parts)) == {1, SKY_PART}


@pytest.mark.gpu
def test_cuda_draws_what_the_cpu_draws(scene):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    model, data = revive(scene)
    views, scenery = [View(poses(data), Camera(scene.R, scene.p, 40.0))], describe(model)
    here, there = RayCaster([scenery]), RayCaster([scenery], "cuda")
    same = here.ids_parts_depth(views, 128)[1] == there.ids_parts_depth(views, 128)[1]
    assert same.mean() > 0.999
    colours = [caster.colour(views, 128).astype(int) for caster in (here, there)]
    assert np.abs(colours[0] - colours[1]).mean() < 0.5


def test_renderers_are_chosen_by_name():
    model, data = build('<geom type="sphere" size=".4"/>')
    with open_renderer("raycast", model) as renderer:
        ids, depth = renderer.ids_and_depth(data, EYE, 32)
        parts, again = renderer.parts_and_depth(data, EYE, 32)
    np.testing.assert_array_equal(body_ids(parts, model.geom_bodyid), ids)
    np.testing.assert_array_equal(depth, again)
    with pytest.raises(InvalidInput, match="gl, raycast"):
        open_renderer("cycles", model)


def test_bad_questions_are_refused():
    with pytest.raises(InvalidInput, match="scenery"):
        RayCaster([])
    model, data = build('<geom type="sphere" size=".1"/>')
    caster = RayCaster([describe(model)])
    with pytest.raises(InvalidInput, match="samples"):
        caster.colour([View(poses(data), EYE)], 32, samples=3)
    with pytest.raises(InvalidInput, match="view"):
        caster.colour([], 32)
