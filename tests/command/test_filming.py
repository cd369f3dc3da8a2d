import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import texsynth
from texsynth import films
from texsynth.command import cli

pytestmark = pytest.mark.usefixtures("weights_read_once", "sand")
FAST = ["--size", "32", "-n", "4", "--layers", "conv1_1,pool1", "--levels", "2", "-q"]


@pytest.fixture
def told(folder, random_weights_file):
    def told(*arguments):
        options = [*FAST, "--weights", str(random_weights_file)]
        return CliRunner().invoke(cli.main, [*map(str, arguments), *options])

    return told


def frames(path):
    with Image.open(path) as image:
        found = []
        for number in range(image.n_frames):
            image.seek(number)
            found.append(np.asarray(image.convert("RGB")))
        return found


def test_a_film_ends_with_the_texture(told):
    assert told("stone.png", "--film", "png").exit_code == 0
    film, texture = frames("stone_film.png"), texsynth.read_image("stone_texture.png")
    np.testing.assert_array_equal(film[-1], texture)
    assert 4 < len(film) <= 13  # the first level takes twice as many steps
    assert len({frame.shape for frame in film}) == 1
    with Image.open("stone_texture.png") as image:
        assert films.text_of("stone_film.png") == image.text


def test_its_last_frame_has_what_is_done_after_the_last_step(told):
    assert told("stone.png", "--film", "png", "--match-colours").exit_code == 0
    texture = texsynth.read_image("stone_texture.png")
    np.testing.assert_array_equal(frames("stone_film.png")[-1], texture)


def test_the_texture_is_the_same_without_it(told, folder):
    assert told("stone.png", "--film", "other.gif", "--frames", 3, "--no-loop").exit_code == 0
    assert len(frames("other.gif")) <= 3
    filmed = (folder / "stone_texture.png").read_bytes()
    (folder / "stone_texture.png").unlink()
    assert told("stone.png").exit_code == 0
    assert (folder / "stone_texture.png").read_bytes() == filmed


def test_several_textures_have_a_film_each(told, folder):
    told("stone.png", "sand.png", "--variations", 2, "-o", "out/", "--film", "webp")
    names = {path.name for path in (folder / "out").glob("*_film.webp")}
    assert names == {
        f"{name}_seed{seed}_film.webp" for name in ("stone", "sand") for seed in (0, 1)
    }


def test_a_batch_makes_films_that_are_not_there(told, folder):
    told("stone.png", "sand.png", "--film", "gif")
    before = (folder / "stone_film.gif").stat().st_mtime_ns
    (folder / "sand_film.gif").unlink()
    assert told("stone.png", "sand.png", "--film", "gif").exit_code == 0
    assert (folder / "stone_film.gif").stat().st_mtime_ns == before
    assert (folder / "sand_film.gif").exists()


def test_a_film_of_the_same_texture_is_replaced_and_another_is_not(told, folder):
    assert told("stone.png", "--film", "gif").exit_code == 0
    assert told("stone.png", "--film", "gif", "--frames", 2).exit_code == 0
    film = (folder / "stone_film.gif").read_bytes()
    result = told("stone.png", "--film", "gif", "--seed", 1, "-o", "other.png", "--overwrite")
    assert result.exit_code == 0, result.output
    for path in ("stone_film.gif", "holiday.gif"):
        Image.new("RGB", (5, 5)).save("holiday.gif")
        before = (folder / path).read_bytes()
        result = told("stone.png", "--film", path, "--seed", 1, "-o", "third.png")
        assert result.exit_code == 2
        assert f"{path} already exists and is not the same texture" in result.output
        assert (folder / path).read_bytes() == before
    assert (folder / "stone_film.gif").read_bytes() == film


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--film", "avi"], "one of .gif, .webp, .png, .mp4, not avi"),
        (["--film", "none/f.gif"], "there is no folder none"),
        (["--film", "stone.png"], "would overwrite stone.png, which is an input"),
        (["--film", "stone_texture.png"], "is also another file that is written"),
        (["--frames", "9"], "--frames and --loop need --film"),
        (["--no-loop"], "--frames and --loop need --film"),
        (["--film", "gif", "--frames", "1"], "--frames"),
        (["sand.png", "--film", "f.gif"], "would be of several textures; a format in its place"),
        (["--variations", "2", "--film", "f.gif"], "would be of several textures"),
        (["--distributed", "--film", "gif"], "--film cannot be used when processes share"),
    ],
)
def test_what_cannot_be_is_one_line(told, folder, arguments, message):
    before = sorted(folder.iterdir())
    result = told("stone.png", *arguments)
    assert result.exit_code == 2
    assert message in result.output and result.output.count("\n") == 1
    assert sorted(folder.iterdir()) == before


def test_a_stopped_texture_leaves_the_film_of_a_finished_one(told, folder, monkeypatch):
    told("stone.png", "--film", "own.gif")
    finished = (folder / "own.gif").read_bytes()
    from texsynth.command.watch import Watch

    after_step = Watch.after_step
    monkeypatch.setattr(
        Watch, "after_step", lambda self, step: after_step(self, step) or step.step == 2
    )
    assert told("stone.png", "--film", "own.gif").exit_code == 0
    assert (folder / "own.gif").read_bytes() == finished
    assert films.text_of("own_stopped.gif")["texsynth:reason"] == "interrupted"


def test_a_repair_is_filmed_too(folder, random_weights_file):
    asked = ["repair", "stone.png", "--tile", "--band", "8", "--film", "png", *FAST[2:]]
    result = CliRunner().invoke(cli.main, [*asked, "--weights", str(random_weights_file)])
    assert result.exit_code == 0, result.output
    repaired = texsynth.read_image("stone_repaired.png")
    np.testing.assert_array_equal(frames("stone_film.png")[-1], repaired)
