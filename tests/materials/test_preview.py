import numpy as np
import pytest

from tests.materials.stacks import stack
from texsynth.materials import preview as module
from texsynth.materials.kinds import KINDS
from texsynth.materials.preview import FORMS, SPHERE, preview


def even(**values):
    return {
        kind: np.full((8, 8, KINDS[kind].channels), values[kind], np.float32) for kind in values
    }


def towards(x, y):
    """A stack of grey whose normals all point that way."""
    vector = np.array([x, y, 1]) / np.sqrt(x * x + y * y + 1)
    encoded = np.broadcast_to(vector / 2 + 0.5, (8, 8, 3)).astype(np.float32)
    return even(albedo=0.6, roughness=0.9) | {"normal": encoded}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kinds", [(kind,) for kind in KINDS] + [tuple(KINDS)])
def test_any_maps_give_a_picture(form, kinds, monkeypatch):
    monkeypatch.setattr(module, "SPHERE", 48)
    picture = preview(stack(*kinds, size=(6, 10)), form)
    assert picture.dtype == np.uint8
    assert picture.shape == ((12, 20, 3) if form == "plane" else (48, 48, 3))


@pytest.mark.parametrize("form", FORMS)
def test_golden_preview(form, golden, monkeypatch):
    monkeypatch.setattr(module, "SPHERE", 64)
    golden(f"preview-{form}.png", preview(stack(size=(16, 24)), form))


def test_a_plane_is_the_tile_twice_each_way():
    picture = preview(stack(size=(6, 10)), "plane")
    assert (picture == np.tile(picture[:6, :10], (2, 2, 1))).all()


def test_what_faces_the_lamp_at_the_upper_left_is_brighter():
    flat, facing, away = (
        preview(towards(*way), "plane").mean() for way in ((0, 0), (-0.5, 0.5), (0.5, -0.5))
    )
    assert facing > flat + 5 > away + 10


def test_dark_maps_darken_and_metal_has_no_diffuse_light():
    grey = even(albedo=0.6, roughness=0.5, metallic=0.0, ao=1.0)
    light = preview(grey, "plane").mean()
    assert preview(grey | even(ao=0.0), "plane").mean() < light - 10
    assert preview(grey | even(albedo=0.3), "plane").mean() < light - 30
    assert preview(grey | even(metallic=1.0), "plane").mean() < light - 20


def test_height_casts_shadows():
    column = np.mgrid[:32, :32][1]
    height = 0.5 + 0.5 * np.sin(column * np.pi / 8)
    down, right = np.gradient(height * 12)
    vectors = np.stack([-right, down, np.ones_like(height)], axis=2)
    normal = vectors / np.linalg.norm(vectors, axis=2, keepdims=True) / 2 + 0.5
    hills = {"normal": normal.astype(np.float32), "albedo": np.full((32, 32, 3), 0.6, np.float32)}
    without = preview(hills, "plane").astype(int)
    shadowed = preview(hills | {"height": height[..., None].astype(np.float32)}, "plane")
    assert (shadowed <= without).all() and (shadowed < without - 20).mean() > 0.1


def test_upright_normals_are_as_none_and_the_sphere_is_lit_from_the_upper_left():
    plain, upright = even(albedo=0.6), even(albedo=0.6) | towards(0, 0)
    upright["roughness"][:] = 0.5
    difference = preview(plain, "sphere").astype(int) - preview(upright, "sphere")
    assert np.abs(difference).max() <= 1
    picture = preview(plain, "sphere").astype(int)
    half = SPHERE // 2
    assert picture[half - 120, half - 120].sum() > picture[half + 120, half + 120].sum() + 100
    assert (picture[0, 0] == picture[-1, -1]).all()  # what is behind it


def test_on_a_sphere_a_normal_to_the_right_turns_the_light_as_the_sphere_itself_would():
    """Where the sphere faces 30 degrees left and the map 30 degrees right, the surface faces us."""
    turned = preview(towards(np.tan(np.pi / 6), 0), "sphere").astype(int)
    plain = preview(towards(0, 0), "sphere").astype(int)
    half, radius = SPHERE // 2, 0.94 * SPHERE / 2
    left = round(half - radius * np.sin(np.pi / 6))
    assert np.abs(turned[half, left] - plain[half, half]).max() <= 2
    raised = preview(towards(0, np.tan(np.pi / 6)), "sphere").astype(int)
    low = round(half + radius * np.sin(np.pi / 6))
    assert np.abs(raised[low, half] - plain[half, half]).max() <= 2


def test_the_sphere_shows_the_tile_twice_each_way_upright():
    red = np.zeros((8, 8, 3), np.float32)
    red[:4, :4, 0] = 1  # the upper left quarter of the tile
    picture = preview({"albedo": red}, "sphere").astype(int)
    half, radius = SPHERE // 2, 0.94 * SPHERE / 2

    def at(longitude, latitude):
        x, y = np.sin(longitude) * np.cos(latitude), np.sin(latitude)
        return picture[round(half - radius * y), round(half + radius * x)]

    eighth = np.pi / 8
    for quarter in (0, -np.pi / 2):  # the tiles to the right and to the left of the middle
        inside, beside = at(quarter + eighth, 3 * eighth), at(quarter + 3 * eighth, 3 * eighth)
        assert inside[0] > inside[1] + 20
        assert abs(beside[0] - beside[1]) < 5
        assert abs(at(quarter + eighth, eighth)[0] - at(quarter + eighth, eighth)[1]) < 5
