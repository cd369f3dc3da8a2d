"""The Python that the pages show is executed, in order, on a small exemplar and random weights."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import texsynth
from tests.conftest import make_texture
from tests.materials.drawn import drawn
from texsynth import images, weights

ROOT = Path(__file__).parent.parent

SMALLER = {
    "docs/library.md": {
        "Config(size=256, seed=1)": "Config(size=40, seed=1, preset='gatys', iterations=2)",
        "Config())": "Config(size=40, preset='gatys', iterations=2))",
        'Config(size=256, layers=["conv1_1", "pool1", "pool2"])': "Config(size=40, iterations=2,"
        ' preset="gatys", layers=["conv1_1", "pool1", "pool2"])',
        'Config(size=0, tile="xy")': "Config(size=0, tile='xy', preset='gatys', iterations=2,"
        " layers=['conv1_1'])",
        "Config(size=256)": "Config(size=40, preset='gatys', iterations=2, layers=['conv1_1'])",
        '(100, "iteration")': '(4, "iteration")',
        '(50, "iteration")': '(2, "iteration")',
        # Which it takes by default as it was when Chainer was imported.
        '"main/MeanLoss"])': '"main/MeanLoss"], out=__import__("sys").stdout)',
    },
    "docs/statistics.md": {},
}
"""What is shown, and what is done in its place, so that it takes seconds."""


def code(page):
    """The blocks of Python of a page, as one program with smaller numbers."""
    text = (ROOT / page).read_text(encoding="utf-8")
    program = "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.M | re.S))
    for shown, done in SMALLER[page].items():
        assert shown in program, f"{page} does not show {shown}"
        program = program.replace(shown, done)
    return program


@pytest.fixture
def execute(tmp_path, monkeypatch, random_weights_file):
    """Executes a page's program in a folder with an exemplar; returns its names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(weights, "find_or_fetch", lambda network: random_weights_file)
    Image.fromarray(make_texture(40, 32)).save("input.png")
    Path("wall").mkdir()
    for name in ("albedo", "height"):
        images.write_map(f"wall/{name}.png", drawn(32)[name])

    def execute(page):
        names = {}
        exec(compile(code(page), page, "exec"), names)
        return names

    return execute


def test_the_page_on_the_library(execute, capsys):
    names = execute("docs/library.md")
    assert Path("output.png").is_file() and Path("result/texture.png").is_file()
    assert len(names["results"]) == 4
    assert names["activations"]["pool3"].shape == (2, 256, 4, 5)
    # The loss of one's own is what was asked for.
    assert len(names["result"].history[0]) == 2
    log = names["trainer"].get_extension("LogReport").log
    assert [entry["iteration"] for entry in log] == [1, 2, 3, 4]
    for entry in log:
        terms = entry["main/gram"] + entry["main/MeanLoss"]
        assert entry["main/loss"] == pytest.approx(terms, rel=1e-5)
    assert log[-1]["main/loss"] < log[0]["main/loss"]
    table = capsys.readouterr().out
    assert re.search(r"iteration +main/loss +main/gram +main/MeanLoss", table)
    assert Path("result/snapshot_iter_4").is_file()
    np.testing.assert_allclose([names["link"].x.array, names["link"].y.array], 1, atol=1e-6)
    assert 20 < names["optimizer"].t < 100


def test_the_loss_of_ones_own_has_ten_lines():
    (block,) = (
        each
        for each in re.findall(
            r"^```python\n(.*?)^```", (ROOT / "docs/library.md").read_text(), re.M | re.S
        )
        if "class MeanLoss" in each
    )
    assert len([line for line in block.splitlines() if line.strip()]) <= 10


def test_the_page_on_statistics(execute, random_weights_file):
    config = texsynth.Config(size=40, preset="gatys", iterations=2, weights=random_weights_file)
    texsynth.measure(make_texture(40, 32), config).save("both.npz")
    execute("docs/statistics.md")
    before, edited = (texsynth.Statistics.load(name) for name in ("both.npz", "edited.npz"))
    np.testing.assert_allclose(
        edited.layers["pool1"].gram, 1.1 * before.layers["pool1"].gram, rtol=1e-6
    )
    assert texsynth.synthesize(edited, config).is_finished


def test_both_readmes_end_with_a_picture(execute, monkeypatch):
    monkeypatch.setitem(SMALLER, "README.md", {"Config(size=256": "Config(iterations=1, size=40"})
    names = execute("README.md")
    assert names["result"].image.shape == (32, 40, 3)
