"""Which materials there are in folders, and among files."""

from pathlib import Path

import pytest

from texsynth.errors import ImageError
from texsynth.materials.listing import materials

KINDS = "albedo", "height"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(*paths):
    for path in map(Path, paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def stack(*stems):
    put(*(f"{stem}_{kind}.png" for stem in stems for kind in KINDS))


def names(*wheres):
    return {
        each.name: sorted(taken.path.name for taken in each.found.maps.values())
        for each in materials(wheres)
    }


def test_a_folder_is_a_material(folder):
    stack("wall/a")
    assert names("wall") == {"wall": ["a_albedo.png", "a_height.png"]}
    put("wall/b_ao.png")  # of another name, but none of them is there twice
    assert names("wall/") == {"wall": ["a_albedo.png", "a_height.png", "b_ao.png"]}


def test_several_in_one_folder_are_known_by_their_names(folder):
    stack("all/Wall 2", "all/floor", "all/x_floor")
    put("all/notes.png", "all/albedo.png", "all/roughness.png")
    found = materials(["all"])
    assert [each.name for each in found] == ["Wall 2", "all", "floor", "x_floor"]
    assert [each.where for each in found][2] == "all (floor)"
    assert [len(each.found.maps) for each in found] == [2, 2, 2, 2]
    told = [[path.name for path in each.found.unknown] for each in found]
    assert told == [["notes.png"], [], [], []]  # once
    assert names("all/f*") == {"f": ["floor_albedo.png", "floor_height.png"]}


def test_one_map_twice_is_no_second_material(folder):
    stack("all/wall")
    put("all/b_disp.png")
    with pytest.raises(ImageError, match=r"more than one height map: b_disp\.png and wall_height"):
        materials(["all"])
    put("all/wall_disp.png", "all/b_albedo.png")  # two, but of one it is not clear which
    with pytest.raises(ImageError, match="more than one"):
        materials(["all"])


def test_a_folder_of_folders_stands_for_them(folder):
    stack("all/floor/f", "all/wall/w", "all/deep/er/x", "all/.hidden/h")
    put("all/empty/readme.txt")
    assert list(names("all")) == ["floor", "wall"]
    assert list(names("all/*")) == ["floor", "wall"]
    stack("all/both/a", "all/both/b")
    assert list(names("all")) == ["a", "b", "floor", "wall"]


def test_files_that_a_shell_names_are_taken_together(folder):
    stack("all/a", "all/b", "wall/w")
    files = sorted(map(str, Path("all").iterdir()))
    assert list(names(*files, "wall")) == ["a", "b", "wall"]
    both = ["a_albedo.png", "a_height.png"]
    assert names("all/a_albedo.png", "all/a_height.png") == {"a": both}
    put("all/c_ao.png")
    assert names("all/a_albedo.png", "all/a_height.png", "all/c_ao.png") == {
        "all": [*both, "c_ao.png"]
    }


def test_what_is_none_is_told_beside_others_and_alone_an_error(folder):
    stack("wall/w")
    put("other/photo.png")
    first, second = materials(["other", "wall"])
    assert first.found is None and "no file's name says what map" in first.problem
    assert second.problem is None
    with pytest.raises(ImageError, match="no file's name says what map"):
        materials(["other"])
    for gone in ("nothing", "nothing*", "nothing.png"):
        with pytest.raises(ImageError, match="is no folder, and names no images"):
            materials(["wall", gone])
    Path("empty").mkdir()
    with pytest.raises(ImageError, match="the folder empty has no images"):
        materials(["empty"])
