from pathlib import Path

import pytest

from texsynth.errors import ImageError
from texsynth.materials.finding import Taken, find, listed, stem_of
from texsynth.materials.kinds import KINDS

_NAMES = {
    "albedo": ("a_albedo.png", "a_BaseColor.png", "a_base_color.tif", "Wood_Diffuse.jpg"),
    "roughness": ("a_roughness.png", "a-rough.png", "roughness.png"),
    "metallic": ("a_metallic.png", "a_Metalness.png"),
    "height": ("a_height.png", "a_displacement.exr", "a_disp.png", "a.height.png"),
    "ao": ("a_ao.png", "a_occlusion.png", "a_AmbientOcclusion.png", "a_Ambient Occlusion.png"),
    "opacity": ("a_opacity.png",),
    "normal": ("a_normal.png", "a_normalgl.png", "a_NormalDX.png", "a_normal_directx.png"),
}


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k, names in _NAMES.items() for n in names])
def test_usual_names(kind, name):
    assert find([Path(name)]).maps == {kind: Taken(Path(name))}


@pytest.mark.parametrize(
    ("name", "convention"),
    [
        ("a_normal.png", None),
        ("a_normalgl.png", "gl"),
        ("a_NormalDX.png", "dx"),
        ("a_nor_dx_4k.exr", "dx"),
        ("a_normal-ogl.png", "gl"),
    ],
)
def test_convention(name, convention):
    found = find([Path(name), Path("albedo.png")])
    assert found.convention == convention


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((f"Bricks001_1K-JPG_{end}.jpg", kind) for end, kind in [
            ("Color", "albedo"), ("NormalGL", "normal"), ("Roughness", "roughness"),
            ("Displacement", "height"), ("AmbientOcclusion", "ao"), ("Metalness", "metallic"),
        ]),
        *((f"brick_wall_{end}_1k.jpg", kind) for end, kind in [
            ("diff", "albedo"), ("nor_gl", "normal"), ("rough", "roughness"), ("disp", "height"),
            ("ao", "ao"),
        ]),
        ("rock_albedo_2048x1024.png", "albedo"),
    ],
)  # fmt: skip
def test_libraries(name, kind):
    assert list(find([Path(name)]).maps) == [kind]


def test_each_kind_says_its_own_name():
    assert all(name in kind.suffixes for name, kind in KINDS.items())


def test_no_suffix_says_two_kinds():
    suffixes = [suffix for kind in KINDS.values() for suffix in kind.suffixes]
    assert len(suffixes) == len(set(suffixes))


def test_order_is_the_tables():
    found = find(map(Path, ("a_ao.png", "a_height.png", "a_normal.png", "a_albedo.png")))
    assert list(found.maps) == ["albedo", "normal", "height", "ao"]


def test_packed_file_has_what_others_lack():
    found = find(map(Path, ("a_arm_1k.png", "a_diff_1k.png", "a_rough_1k.png")))
    arm = Path("a_arm_1k.png")
    assert found.maps["ao"] == Taken(arm, 0)
    assert found.maps["roughness"] == Taken(Path("a_rough_1k.png"))
    assert found.maps["metallic"] == Taken(arm, 2)


def test_packed_file_is_spare_beside_its_maps():
    found = find(map(Path, ("arm.png", "ao.png", "rough.png", "metal.png")))
    assert found.spare == (Path("arm.png"),)


def test_one_of_two_conventions_is_taken():
    found = find(map(Path, ("a_NormalDX.png", "a_NormalGL.png")))
    assert found.maps["normal"].path.name == "a_NormalGL.png"
    assert (found.convention, found.spare) == ("gl", (Path("a_NormalDX.png"),))


def test_what_is_said():
    found = find(map(Path, ("a_orm.png", "a_col.png", "a_NormalGL.png", "a_NormalDX.png", "a.png")))
    assert list(found.told()) == [
        "albedo: a_col.png",
        "normal: a_NormalGL.png",
        "roughness: a_orm.png, green",
        "metallic: a_orm.png, blue",
        "ao: a_orm.png, red",
        "left out: a_NormalDX.png; its maps are there as other files",
        "left out: a.png; its name says no kind of map",
    ]


@pytest.mark.parametrize(
    "names",
    [("a_albedo.png", "b_diffuse.png"), ("a_normal.png", "a_normalgl.png"), ("arm.png", "orm.png")],
)
def test_doubles(names):
    with pytest.raises(ImageError, match=rf"more than one \w+ map: {names[0]} and {names[1]}; a"):
        find(map(Path, names))


def test_nothing_known():
    with pytest.raises(ImageError, match=r"no file's name says .*: photo.png, scan.jpg"):
        find([Path("photo.png"), Path("scan.jpg")])


def test_folder_and_pattern(tmp_path):
    for name in ("b_albedo.png", "a_albedo.PNG", "notes.txt", ".hidden_albedo.png"):
        (tmp_path / name).touch()
    assert [path.name for path in listed(tmp_path)] == ["a_albedo.PNG", "b_albedo.png"]
    assert [path.name for path in listed(f"{tmp_path}/b_*")] == ["b_albedo.png"]


def test_nothing_there(tmp_path):
    with pytest.raises(ImageError, match=r"the folder .* has no images"):
        listed(tmp_path)
    with pytest.raises(ImageError, match=r"is no folder, and names no images"):
        listed(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("wall_albedo.png", "wall"),
        ("Wall 2 - Base_Color.png", "Wall 2"),
        ("Bricks001_1K-JPG_NormalGL.jpg", "Bricks001_1K-JPG"),
        ("brick_wall_nor_gl_1k.jpg", "brick_wall"),
        ("brick_wall_arm_4k.png", "brick_wall"),
        ("a_ambient_occlusion.png", "a"),
        ("albedo.png", ""),
        ("wall.png", None),
    ],
)
def test_what_stands_before_the_kind(name, stem):
    assert stem_of(Path(name)) == stem
