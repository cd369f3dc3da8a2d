import json

import numpy as np
import pytest
from PIL import Image

import texsynth
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


def names(folder):
    return sorted(path.name for path in folder.iterdir())


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
        ([*GUIDED, "sand.png"], 2, "--target-guide takes one IMAGE with a guide"),
        ([*GUIDED, "--variations", "2"], 2, "--target-guide cannot be combined with --variations"),
        ([*GUIDED, "--checkpoint", "x"], 2, "--target-guide cannot be combined with --checkpoint"),
        ([*GUIDED, "--record"], 2, "--target-guide cannot be combined with --record"),
        ([*GUIDED, "--target", "a.npz"], 2, "--target-guide cannot be combined with --target"),
        ([*GUIDED, "--components", "2"], 2, "loss gram along components cannot be mixed"),
        ([*GUIDED, "--region", "#c80000=sand.png"], 2, "--region: #c80000 is in guide.png too"),
        ([*REGIONS, *REGIONS[2:4]], 2, "--region: a colour is given twice"),
        ([*GUIDED, "--region", "sand.png"], 2, "a region must look like red=grass.jpg or"),
        ([*GUIDED, "--match-colours"], 2, "colours cannot be matched where the texture varies"),
        ([*GUIDED, "--loss", "histogram"], 2, "loss histogram counts all positions of an image"),
        ([*REGIONS[:4]], 1, "wanted.png asks for #0000c8, but --region has only #c80000"),
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
