import numpy as np
import pytest
from PIL import Image

from tests.materials.stacks import stack
from texsynth import images
from texsynth.errors import ConfigError, TexsynthError
from texsynth.materials.exporting import export, paths
from texsynth.materials.packing import parse_one_file
from texsynth.materials.packings import built_in


@pytest.mark.parametrize("name", built_in())
def test_the_files_of_a_packing_are_those_that_were_foretold(tmp_path, name):
    maps = stack()
    written = export(maps, built_in()[name], tmp_path, "stone")
    assert written == paths(built_in()[name], tmp_path, "stone", maps)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(written)
    assert {path.parent for path in written} == {tmp_path / name}


def test_files_hold_the_values_in_8_bits_and_heights_in_16(tmp_path):
    maps = stack()
    export(maps, built_in()["godot"], tmp_path, "stone")
    orm = images.read_map(tmp_path / "godot/stone_orm.png")
    for channel, kind in enumerate(("ao", "roughness", "metallic")):
        assert np.abs(orm[..., channel] - maps[kind][..., 0]).max() <= 0.5001 / 255
    height = images.read_map(tmp_path / "godot/stone_height.png")
    assert height.shape == maps["height"].shape
    assert np.abs(height - maps["height"]).max() <= 0.5001 / 65535
    albedo = images.read_map(tmp_path / "godot/stone_albedo.png")
    assert np.abs(albedo[..., :3] - maps["albedo"]).max() <= 0.5001 / 255
    assert np.abs(albedo[..., 3:] - maps["opacity"]).max() <= 0.5001 / 255


def test_only_colours_say_that_they_are_srgb(tmp_path):
    written = export(stack(), built_in()["unity"], tmp_path, "stone", {"Software": "test"})
    for path in written:
        with Image.open(path) as file:
            file.load()
            assert ("srgb" in file.info) == ("BaseMap" in path.name)
            assert file.info["Software"] == "test"


def test_normals_of_unreal_are_turned_once(tmp_path):
    maps = stack("normal")
    export(maps, built_in()["unreal"], tmp_path, "stone")
    read = images.read_map(tmp_path / "unreal/T_stone_N.png")
    wanted = maps["normal"] * [1, -1, 1] + [0, 1, 0]
    assert np.abs(read - wanted).max() <= 0.5001 / 255


def test_a_file_of_ones_own_lies_beside_the_maps(tmp_path):
    written = export(stack(), parse_one_file("arm=ao,roughness,metallic"), tmp_path, "stone")
    assert written == [tmp_path / "stone_arm.png"]


def test_what_is_missing_is_told_before_anything_is_written(tmp_path):
    with pytest.raises(ConfigError, match="needs a map ao"):
        export(stack("albedo"), parse_one_file("arm=ao,albedo.r"), tmp_path, "stone")
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_no_text_cannot_be_told_by_a_document(tmp_path):
    name, maps = "st\udce9in", stack("albedo")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        paths(built_in()["godot"], tmp_path, name, maps)
    with pytest.raises(ConfigError, match="is not UTF-8"):
        export(maps, built_in()["godot"], tmp_path, name)
    assert not list(tmp_path.iterdir())
    assert [path.exists() for path in export(maps, built_in()["unity"], tmp_path, name)] == [True]


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "unity").touch()
    with pytest.raises(TexsynthError, match="cannot write"):
        export(stack(), built_in()["unity"], tmp_path, "stone")
