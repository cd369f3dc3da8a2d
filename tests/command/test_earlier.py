"""What an earlier version saved is still gone on from, and made again.

``earlier/`` is of the last version whose package was one hall of modules, with the random weights
of these tests: ``texsynth stone.png --size 0 -n 6 --engine plain --layers conv1_1,pool1 --preset
gatys --levels 1 --checkpoint stone.ckpt --every 4 --record``. The checkpoint is the one of step 4.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest

from texsynth import images
from texsynth.files import checkpoint

EARLIER = Path(__file__).parent / "earlier"
FAST = ["-q"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    shutil.copytree(EARLIER, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check_texture(path):
    """As with golden images: the last bits are the machine's."""
    made, then = (images.read(each).astype(int) for each in (path, EARLIER / "stone_texture.png"))
    assert np.abs(made - then).max() <= 2


def test_a_checkpoint_is_gone_on_from(folder, run):
    assert len(checkpoint.load(folder / "stone.ckpt").fields["run"]["losses"]) == 4
    result = run("--resume", "stone.ckpt", "stone.png", "-o", "resumed.png")
    assert result.exit_code == 0, result.stderr
    assert len(checkpoint.load(folder / "stone.ckpt").fields["run"]["losses"]) == 6
    assert Path("resumed_record.json").is_file()  # which the checkpoint notes
    check_texture(folder / "resumed.png")


def test_a_record_is_made_again(folder, run):
    result = run("--replay", "stone_record.json", "-o", "again.png")
    if result.exit_code != 0:  # on another machine
        assert "error: the texture differs from that of" in result.stderr
    check_texture(folder / "again.png")
