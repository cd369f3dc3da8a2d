import numpy as np
import pytest

from tests.materials.stacks import stack
from texsynth.errors import ConfigError
from texsynth.materials.kinds import KINDS
from texsynth.materials.packing import (
    Channel,
    Packing,
    pack,
    parse_channels,
    parse_one_file,
    place,
    resolved,
)
from texsynth.materials.packings import built_in


def packed(name, maps):
    return {file.name: file for file in pack(maps, built_in()[name], "x")}


def test_channels_of_all_sorts():
    assert parse_channels("ao, 1-roughness|0.5,0.25,opacity?") == (
        Channel("ao"),
        Channel("roughness", is_inverted=True, value=0.5),
        Channel(None, value=0.25),
        Channel("opacity", is_optional=True),
    )
    assert parse_channels("normal") == tuple(Channel("normal", part) for part in range(3))
    assert parse_channels("albedo.g,normal.y") == (Channel("albedo", 1), Channel("normal", 1))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not ''"),
        ("ao,", "not ''"),
        ("ao+metallic", "not 'ao+metallic'"),
        ("gloss", "gloss is none of the maps albedo"),
        ("2", "not '2'"),
        ("nan", "nan is none of the maps"),
        ("-1", "not '-1'"),
        ("ao|2", "must be from 0 to 1, not 2"),
        ("ao.g", "ao has no channel g"),
        ("albedo.a", "albedo has no channel a"),
        ("albedo,normal", "at most 4 channels, not 6"),
        ("2-ao", "not '2-ao'"),
    ],
)
def test_channels_that_cannot_be_read_are_told(text, told):
    with pytest.raises(ConfigError, match=told.replace("+", r"\+").replace("|", r"\|")):
        parse_channels(text)


@pytest.mark.parametrize("text", ["=ao", "a/b=ao", "..=ao", "-=ao"])
def test_an_ending_is_no_path(text):
    with pytest.raises(ConfigError, match="must be letters, digits"):
        parse_one_file(text)


def test_a_file_of_ones_own_holds_what_it_says():
    maps = stack()
    (file,) = pack(maps, parse_one_file("arm=ao,1-roughness,metallic,0.5"), "stone")
    assert file.name == "stone_arm" and not file.is_colour
    assert file.values.shape == (5, 7, 4) and file.values.dtype == np.float32
    for row in range(5):
        for column in range(7):
            ao, rough, metal = (
                maps[kind][row, column, 0] for kind in ("ao", "roughness", "metallic")
            )
            assert file.values[row, column].tolist() == [ao, np.float32(1) - rough, metal, 0.5]


def test_unity_has_smoothness_in_alpha():
    maps = stack()
    files = packed("unity", maps)
    values = files["x_MetallicSmoothness"].values
    for channel in range(3):
        assert (values[..., channel] == maps["metallic"][..., 0]).all()
    assert (values[..., 3] == 1 - maps["roughness"][..., 0]).all()
    assert (files["x_BaseMap"].values[..., :3] == maps["albedo"]).all()
    assert (files["x_BaseMap"].values[..., 3] == maps["opacity"][..., 0]).all()
    assert (files["x_Normal"].values == maps["normal"]).all()
    assert files["x_BaseMap"].is_colour and not files["x_Normal"].is_colour
    mask = packed("unity-hdrp", maps)["x_MaskMap"].values
    assert (mask[..., 1] == maps["ao"][..., 0]).all() and (mask[..., 2] == 0).all()
    assert (mask[..., 0] == values[..., 0]).all() and (mask[..., 3] == values[..., 3]).all()


def test_unreal_has_green_down_and_the_stack_stays_as_it_is():
    maps = stack()
    before = maps["normal"].copy()
    files = packed("unreal", maps)
    assert sorted(files) == ["T_x_BC", "T_x_H", "T_x_N", "T_x_ORM"]
    vectors, ours = (2 * values - 1 for values in (files["T_x_N"].values, maps["normal"]))
    np.testing.assert_allclose(vectors, ours * [1, -1, 1], atol=2e-7)
    assert (maps["normal"] == before).all()
    for channel, kind in enumerate(("ao", "roughness", "metallic")):
        assert (files["T_x_ORM"].values[..., channel] == maps[kind][..., 0]).all()


@pytest.mark.parametrize("name", built_in())
def test_every_map_of_a_whole_material_is_found_or_is_inverted(name):
    files = pack(stack(), built_in()[name], "x")
    held = {channel.kind for file in files for channel in file.channels}
    assert held - {None} == KINDS.keys()
    found = {kind for kind in KINDS if place(files, kind) is not None}
    inverted = {channel.kind for file in files for channel in file.channels if channel.is_inverted}
    assert found | inverted == KINDS.keys()


def test_place_says_file_and_channel():
    files = pack(stack(), built_in()["godot"], "x")
    assert place(files, "metallic") == ("x_orm", 2, False)
    assert place(files, "albedo") == ("x_albedo", 0, False)  # opacity is there too
    assert place(files, "height") == ("x_height", 0, True)


def test_what_a_material_lacks_is_left_out_or_a_number():
    maps = stack("albedo", "roughness")
    files = packed("unreal", maps)
    assert sorted(files) == ["T_x_BC", "T_x_ORM"]
    assert files["T_x_BC"].values.shape[2] == 3
    orm = files["T_x_ORM"].values
    assert (orm[..., 0] == 1).all() and (orm[..., 2] == 0).all()
    assert (orm[..., 1] == maps["roughness"][..., 0]).all()
    smooth = packed("unity", stack("metallic"))["x_MetallicSmoothness"].values[..., 3]
    assert (smooth == 0.5).all()
    (file,) = pack(maps, parse_one_file("a=1-ao|1,roughness"), "x")
    assert (file.values[..., 0] == 0).all()  # 1 - 1, not 1


def test_a_map_without_a_number_in_its_place_is_missed():
    with pytest.raises(ConfigError, match="packing arm needs a map ao, which the material lacks"):
        resolved(parse_one_file("arm=ao,roughness"), ["roughness"])
    with pytest.raises(ConfigError, match="packing arm needs a map ao"):
        resolved(parse_one_file("arm=ao"), ["roughness"])
    with pytest.raises(ConfigError, match="packing few has no use for height"):
        resolved(Packing("few", built_in()["unity"].files[:2]), ["height"])
