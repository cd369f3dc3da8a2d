"""What the tests of the page share: a report, its page, and Chromium to look at it."""

import numpy as np
import pytest
from click.testing import CliRunner

from tests import browser as chromium
from tests.browser import view, wait_for
from tests.conftest import make_texture
from texsynth import evaluate, files
from texsynth.evaluation import page, record
from texsynth.evaluation.evaluated import Evaluated, Report
from texsynth.metrics import Evaluator

NASTY = '<script>document.title="run"</script>"&\'$source.png'
HISTORY = [[4.0, 2.0, 1.0], [0.5], [0.2, 0.1]]


@pytest.fixture
def run(random_weights_file):
    """Runs the command in this process, with random weights before the arguments."""

    def run(*arguments):
        options = ["--weights", str(random_weights_file), *map(str, arguments)]
        return CliRunner().invoke(evaluate.main, options)

    return run


@pytest.fixture(scope="session")
def report(random_weights):
    exemplar = make_texture(96, 80)
    evaluator = Evaluator(exemplar, random_weights)
    outputs = []
    for name, pixels, made in (
        ("one.png", make_texture(120, 80, seed=1), record.Record(history=HISTORY)),
        (NASTY, np.roll(exemplar, 9, axis=1), record.Record(layers=("pool1",), engine="<b>")),
    ):
        measures = evaluator.measure(pixels)
        outputs.append(Evaluated(name, pixels, exemplar, made, "average", measures))
    return Report("stone & sand.png", outputs)


@pytest.fixture(scope="session")
def text(report):
    return page.render(report)


browser = chromium.browser


@pytest.fixture
def opened(browser, text, tmp_path):
    """The page, freshly loaded, 1000 pixels wide."""
    path = tmp_path / "page with space.html"
    files.write_text(path, text)
    view(browser, 1000)
    browser.get(path.as_uri())
    wait_for(browser, "!document.getElementById('game').hidden")
    yield browser
    assert browser.get_log("browser") == []
