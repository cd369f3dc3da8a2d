"""What tests of the command share: a folder with images, and the command as it is typed."""

import pytest
from click.testing import CliRunner
from PIL import Image

from tests.conftest import make_texture
from texsynth.command import cli


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to stand in, with ``stone.png``, 40x30."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(make_texture(40, 30)).save("stone.png")
    return tmp_path


@pytest.fixture
def sand(folder):
    """A second image in that folder, ``sand.png``, 32x32."""
    Image.fromarray(make_texture(32, 32, seed=1)).save("sand.png")


@pytest.fixture
def run_main():
    """Runs the command with no settings but those it is given, or finds in a file."""
    return lambda *arguments: CliRunner().invoke(cli.main, [*map(str, arguments)])


def names(folder):
    """Returns the names of what is in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())
