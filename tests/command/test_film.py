import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from texsynth.command import cli


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to stand in, with images ``1.png`` to ``9.png``, the last one the largest."""
    monkeypatch.chdir(tmp_path)
    for number in range(1, 10):
        size = (16, 12) if number == 9 else (8, 6)
        Image.new("RGB", size, (20 * number,) * 3).save(f"{number}.png")
    return tmp_path


def told(*arguments):
    return CliRunner().invoke(cli.main, ["film", *map(str, arguments)])


IMAGES = [f"{number}.png" for number in range(1, 10)]


def frames(path):
    with Image.open(path) as image:
        for number in range(image.n_frames):
            image.seek(number)
            yield np.asarray(image.convert("RGB"))


def test_images_become_a_film(folder):
    result = told(*IMAGES, "-o", "f.png")
    assert (result.exit_code, result.output) == (0, "f.png\n"), result.output
    found = list(frames("f.png"))
    assert [frame.shape for frame in found] == [(12, 16, 3)] * 9
    assert [int(frame.max()) for frame in found] == [20 * number for number in range(1, 10)]


def test_few_frames_can_be_asked_for(folder):
    assert told(*IMAGES, "-o", "f.gif", "--frames", 3, "--no-loop", "-q").output == ""
    found = [int(frame.max()) for frame in frames("f.gif")]
    assert len(found) <= 3 and abs(found[0] - 20) < 3 and abs(found[-1] - 180) < 3
    with Image.open("f.gif") as film:
        assert "loop" not in film.info


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["1.png", "-o", "1.png"], "would overwrite 1.png, which is an input"),
        (["1.png", "-o", "2.png"], "2.png already exists; --overwrite replaces it"),
        (["1.png", "-o", "f.avi"], "of one of .gif, .webp, .png, .mp4, not f.avi"),
        (["none.png", "-o", "f.gif"], "no such file: none.png"),
        (["1.png", "none.png", "-o", "f.gif"], "no such file: none.png"),
        (["1.png", "-o", "none/f.gif"], "none"),
        (["1.png", "-o", "f.gif", "--frames", "1"], "--frames"),
        (["1.png"], "--out"),
        ([], "IMAGE"),
    ],
)
def test_what_cannot_be_is_one_line(folder, arguments, message):
    before = sorted(folder.iterdir())
    result = told(*arguments)
    assert result.exit_code in (1, 2)
    assert result.output.startswith("texsynth film: error: ") and result.output.count("\n") == 1
    assert message in result.output
    assert sorted(folder.iterdir()) == before


def test_what_is_there_is_replaced_if_that_is_asked_for(folder):
    result = told("1.png", "2.png", "-o", "9.png", "--overwrite")
    assert result.exit_code == 0, result.output
    assert len(list(frames("9.png"))) == 2
