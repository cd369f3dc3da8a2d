"""What the tests of the page share: a report, its page, and Chromium to look at it."""

import shutil

import numpy as np
import pytest

from tests.conftest import make_texture
from texsynth import files
from texsynth.evaluation import page, record
from texsynth.evaluation.report import Evaluated, Report
from texsynth.metrics import Evaluator

NASTY = '<script>document.title="run"</script>"&\'$source.png'
HISTORY = [[4.0, 2.0, 1.0], [0.5], [0.2, 0.1]]


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


SWITCHES = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    chromium = shutil.which("chromium")
    chromedriver = shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        pytest.skip(
            "needs chromium and chromedriver, which scripts/test does not bring: "
            "apt-get install chromium chromium-driver (.ci/run does, as root)"
        )
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for switch in SWITCHES.split():
        options.add_argument(switch)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(chromedriver)
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


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


def view(browser, width, scheme="light"):
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def wait_for(browser, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 20).until(lambda b: b.execute_script(f"return {condition}"))
