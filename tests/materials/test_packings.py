import re
from pathlib import Path

import pytest

from texsynth.errors import ConfigError
from texsynth.materials.packing import PackedFile, Packing, parse_channels
from texsynth.materials.packings import built_in, load

FILES = '[mine.files]\n"{name}_ao" = "ao"\n'


def test_the_packages_own():
    packings = built_in()
    assert list(packings) == ["unity", "unity-hdrp", "unreal", "godot", "blender"]
    assert {name for name, each in packings.items() if each.convention == "dx"} == {"unreal"}
    assert {name: each.document for name, each in packings.items() if each.document} == {
        "godot": "tres",
        "blender": "mtlx",
    }


def test_the_page_names_every_packing_and_its_files():
    page = (Path(__file__).parents[2] / "docs/exports.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([\w-]+)` \|(.*)$", page, re.M))
    assert rows.keys() == built_in().keys()
    for name, packing in built_in().items():
        for file in packing.files if name != "blender" else ():
            assert f"`{file.name.replace('{name}', 'm')}`" in rows[name]
        assert ("green down" in rows[name]) == (packing.convention == "dx")
        assert packing.document is None or f"`m.{packing.document}`" in rows[name]


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('[mine]\nnormals = "dx"\n[mine.files]\n"T {name}.1" = "ao,1-roughness|1"\n')
    file = PackedFile("T {name}.1", parse_channels("ao,1-roughness|1"))
    assert load(path) == {"mine": Packing("mine", (file,), "dx")}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[mine", "is no table of packings"),
        ("mine = 1", "mine must be a table with a table files"),
        ("[mine]", "mine must be a table with a table files"),
        ("[mine.files]", "mine has no files"),
        ('["my own".files]\na = "ao"', "a name must be letters, digits"),
        ("[mine]\nnormal = 1\n" + FILES, "mine has an unknown key normal"),
        ("[mine]\nnormals = 'up'\n" + FILES, "normals of mine must be gl or dx, not 'up'"),
        ("[mine]\ndocument = 3\n" + FILES, "document of mine must be tres or mtlx, not 3"),
        ('[mine.files]\n"../a" = "ao"', "is no name of a file"),
        ('[mine.files]\n"{kind}" = "ao"', "is no name of a file"),
        ("[mine.files]\na = 1", "channels of a must be a text"),
        ("[mine.files]\na = 'gloss'", "mine: gloss: gloss is none of the maps"),
        ("[mine.files]\na = 'ao'\nA = 'ao'", "mine has two files of one name"),
    ],
)
def test_what_is_wrong_with_a_table_is_told_in_one_line(tmp_path, text, told):
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load(path)
    assert told in str(error.value) and str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_table_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match="cannot read") as error:
        load(tmp_path / "none.toml")
    assert str(error.value).endswith("none.toml: No such file or directory")
    (tmp_path / "latin.toml").write_bytes(b"# \xe9")
    with pytest.raises(ConfigError, match="is no table of packings"):
        load(tmp_path / "latin.toml")
