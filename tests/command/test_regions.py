import json

import numpy as np
import pytest
from PIL import Image

import texsynth
from tests.command.conftest import names
from tests.conftest import make_texture
from texsynth.command.regions import parse_region
from texsynth.errors import ConfigError

pytestmark = pytest.mark.usefixtures("weights_read_once")
FAST = ["--size", "32", "-n", "2", "--layers", "conv1_1,pool1", "--preset", "gatys"]
RED, BLUE = (200, 0, 0), (0, 0, 200)


def halves(first, second, size=(32, 32)):
    pixels = np.empty((size[1], size[0], 3), np.uint8)
    pixels[:, : size[0] // 2], pixels[:, size[0] // 2 :] = first, second
    return Image.fromarray(pixels)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """``stone.png`` with a guide, what is wanted, and ``sand.png``."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(make_texture(32, 32)).save("stone.png")
    Image.fromarray(make_texture(32, 32, seed=1)).save("sand.png")
    halves(RED, BLUE).save("guide.png")
    halves(RED, BLUE).rotate(90).resize((40, 36), Image.Resampling.NEAREST).save("wanted.png")
    return tmp_path


GUIDED = ["stone.png", "--guide", "guide.png", "--target-guide", "wanted.png"]
REGIONS = ["--target-guide", "wanted.png", "--region", "#c80000=stone.png", "--region"]
REGIONS = [*REGIONS, "#0000c8=sand.png"]


def test_an_image_with_a_guide_is_painted(folder, run):
    result = run(*GUIDED)
    assert result.exit_code == 0, result.output
    assert texsynth.read_image("stone_texture.png").shape == (36, 40, 3)
    told = json.loads(Image.open("stone_texture.png").text["texsynth:settings"])
    assert told["image"] == "stone.png by wanted.png" and told["output_size"] == [40, 36]
    assert run(*GUIDED).exit_code == 0  # the same again


def test_a_guide_beside_the_image_is_found(folder, run):
    assert run(*GUIDED, "--out", "named.png").exit_code == 0
    (folder / "guide.png").rename("stone_sem.png")
    assert run("stone.png", "--target-guide", "wanted.png", "--out", "found.png").exit_code == 0
    found, named = (texsynth.read_image(name) for name in ("found.png", "named.png"))
    np.testing.assert_array_equal(found, named)


def test_regions_are_of_several_images(folder, run):
    result = run(*REGIONS)
    assert result.exit_code == 0, result.output
    assert {"wanted_texture.png", "wanted_comparison.png"} < set(names(folder))


def test_another_map_is_not_written_over(folder, run):
    assert run(*GUIDED).exit_code == 0
    halves(BLUE, RED, (40, 36)).save("wanted.png")
    result = run(*GUIDED)
    assert result.exit_code == 2
    assert "stone_texture.png already exists and is not the same texture" in result.output


@pytest.mark.parametrize("path", ["wanted.png", "guide.png", "stone.png"])
def test_an_input_is_not_written_over(folder, run, path):
    result = run(*GUIDED, "--out", path, "--overwrite")
    assert result.exit_code == 2
    assert f"--out: {path} would overwrite {path}, which is an input" in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["stone.png", "--guide", "guide.png"], 2, "--guide and --region need --target-guide"),
        (["--target-guide", "wanted.png"], 2, "Missing argument 'IMAGE...'"),
        (["stone.png", "--target-guide", "wanted.png"], 2, "called stone_sem.png"),
        ([*REGIONS, "--guide", "guide.png"], 2, "--guide needs IMAGE, whose parts it names"),
        ([*GUIDED, "sand.png"], 2, "--guide is the map of one IMAGE; of several, each has its own"),
        ([*GUIDED, "--variations", "2", "--checkpoint", "x"], 2, "--checkpoint is for one texture"),
        ([*GUIDED, "--replay", "x"], 2, "--replay takes IMAGE and settings only from the record"),
        ([*GUIDED, "--target", "a.npz"], 2, "--target-guide cannot be combined with --target"),
        ([*GUIDED, "--components", "2"], 2, "loss gram along components cannot be mixed"),
        ([*GUIDED, "--region", "#c80000=sand.png"], 2, "--region: #c80000 is in guide.png too"),
        ([*REGIONS, *REGIONS[2:4]], 2, "--region: a colour is given twice"),
        ([*GUIDED, "--region", "sand.png"], 2, "a region must look like red=grass.jpg or"),
        ([*GUIDED, "--match-colours"], 2, "colours cannot be matched where the texture varies"),
        ([*GUIDED, "--loss", "histogram"], 2, "loss histogram counts all positions of an image"),
        ([*REGIONS[:4]], 2, "wanted.png asks for #0000c8, but --region has only #c80000"),
        (["stone.png", "--guide", "sand.png", *GUIDED[3:]], 1, "a map has at most 16, one for"),
        (["stone.png", "--guide", "none.png", *GUIDED[3:]], 1, "no such file: none.png"),
    ],
)
def test_what_cannot_be_is_one_line(folder, run, arguments, code, told):
    before = names(folder)
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert result.output.startswith("texsynth: error: ") and told in result.output
    assert result.output.count("\n") == 1
    assert names(folder) == before


@pytest.mark.parametrize("asked", [GUIDED, REGIONS])
def test_a_record_makes_it_again(folder, run, run_main, asked):
    result = run(*asked, "--record")
    assert result.exit_code == 0, result.output
    name = "stone" if asked is GUIDED else "wanted"
    again = ["--replay", f"{name}_record.json", "-o", "again.png", "--overwrite"]
    result = run_main(*again)
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(*map(texsynth.read_image, ("again.png", f"{name}_texture.png")))
    halves(BLUE, RED, (40, 36)).save("wanted.png")
    result = run_main(*again)
    assert result.exit_code == 1
    assert f"wanted.png is not the image that {name}_record.json was made from" in result.output


@pytest.mark.parametrize("asked", [GUIDED, REGIONS])
def test_it_goes_on_from_a_checkpoint_bit_for_bit(folder, run, run_main, asked):
    name = "stone" if asked is GUIDED else "wanted"
    assert run(*asked, "-n", "5", "-o", "whole.png").exit_code == 0
    result = run(*asked, "-n", "3", "--checkpoint", "run.ckpt", "--snapshots", "2")
    assert result.exit_code == 0, result.output
    assert (folder / f"{name}_texture_level1_step00002.png").exists()
    result = run_main("--resume", "run.ckpt", "-n", "5")
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(*map(texsynth.read_image, (f"{name}_texture.png", "whole.png")))
    halves(BLUE, RED, (40, 36)).save("wanted.png")
    result = run_main("--resume", "run.ckpt", "-n", "6")
    assert result.exit_code == 2 and "belongs to a different job: another exemplar" in result.output


def test_its_text_tells_of_what_it_is_made(folder, run):
    assert run(*GUIDED).exit_code == 0
    told = json.loads(Image.open("stone_texture.png").text["texsynth:composition"])
    sums = told.pop("sha256")
    assert sums.keys() == {"stone.png", "guide.png", "wanted.png"}
    assert told == {
        "kind": "regions",
        "image": "stone.png",
        "guide": "guide.png",
        "target_guide": "wanted.png",
        "regions": [],
    }


def test_several_seeds_are_several_textures(folder, run):
    assert run(*REGIONS, "--variations", "2", "--no-comparison").exit_code == 0
    first, second = (texsynth.read_image(f"wanted_seed{seed}_texture.png") for seed in (0, 1))
    assert (first != second).any()
    assert run(*REGIONS, "--seed", "1", "-o", "alone.png").exit_code == 0
    np.testing.assert_array_equal(second, texsynth.read_image("alone.png"))


def test_several_images_have_guides_of_their_own(folder, run):
    (folder / "guide.png").rename("stone_sem.png")
    halves(BLUE, RED).save("sand_sem.png")
    result = run("stone.png", "sand.png", "--target-guide", "wanted.png", "-o", "made")
    assert result.exit_code == 0, result.output
    made = [
        f"{name}_{kind}.png" for name in ("sand", "stone") for kind in ("comparison", "texture")
    ]
    assert names(folder / "made") == made
    result = run("sand.png", "--target-guide", "wanted.png", "-o", "alone.png")
    assert result.exit_code == 0, result.output
    found, alone = map(texsynth.read_image, ("made/sand_texture.png", "alone.png"))
    np.testing.assert_array_equal(found, alone)


def test_a_folder_of_images_with_guides(folder, run):
    (folder / "guide.png").rename("wanted2.png")
    (folder / "in").mkdir()
    for name in ("stone", "sand"):
        (folder / f"{name}.png").rename(f"in/{name}.png")
        halves(RED, BLUE).save(f"in/{name}_sem.png")
    result = run("in", "--target-guide", "wanted.png", "--no-comparison", "-o", "made")
    assert result.exit_code == 0, result.output
    assert names(folder / "made") == ["sand_texture.png", "stone_texture.png"]


def test_a_guide_has_the_shape_of_its_image(folder, run):
    halves(RED, BLUE, (32, 24)).save("guide.png")
    result = run(*GUIDED)
    assert result.exit_code == 2
    assert "guide.png is 32x24, and stone.png 32x32: a guide has the shape" in result.output


def test_a_part_of_which_there_is_too_little_is_named(folder, run):
    guide = np.array(halves(RED, RED))
    guide[:5, :5] = BLUE
    Image.fromarray(guide).save("guide.png")
    result = run(*GUIDED, "--layers", "pool4", "--output-size", "48")
    assert result.exit_code == 2
    assert "the part #0000c8 of stone.png is too little: layer " in result.output


def test_regions_are_read():
    assert parse_region("red=a=b.jpg")[0] == (255, 0, 0)
    assert str(parse_region("#00f=grass.jpg")[1]) == "grass.jpg"
    for text in ("red", "red=", "reddish=a.jpg", "=a.jpg"):
        with pytest.raises(ConfigError, match="a region must look like red="):
            parse_region(text)
