"""The page in Chromium: a run is started, watched, stopped and kept; and anybody can use it."""

import importlib.util
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image

from tests.browser import view, wait_for
from tests.conftest import ONE_THREAD, make_texture
from tests.live.conftest import picture, step
from texsynth.command import on_page
from texsynth.live import Board, Exemplar, Status, server

# Together: the browser takes a while.
pytestmark = pytest.mark.xdist_group("live page")

AXE = Path(importlib.util.find_spec("axe_core_python").origin).with_name("axe.min.js")


def errors(browser):
    return [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def text(browser, name):
    return browser.execute_script(f"return document.getElementById('{name}').textContent")


@pytest.fixture
def shown(browser, board, tmp_path):
    """A page of three textures, of which the second is under way."""
    Image.fromarray(make_texture(64, 48)).save(tmp_path / "stone.png")
    with server.served(board) as where:
        first, second, third = (board.entry(n, f"{n}.png") for n in ("one", "two", "three"))
        first.begin([Exemplar(tmp_path / "stone.png", None, 32)])
        first.step(step(1), {"gram": 0.4, "range": 0.1}, picture)
        Image.fromarray(make_texture(32, 24)).save(tmp_path / "one.png")
        first.end(Status.DONE, [tmp_path / "one.png"], "3.2 s", (32, 24))
        browser.get(where.address)
        wait_for(browser, "document.getElementById('connection').textContent === 'Connected'")
        second.begin([Exemplar(tmp_path / "stone.png", None, 32)])
        for number in range(1, 8):
            terms = {"gram": 0.4 / number, "spectrum": 0.1, "range": 0.001}
            losses = {"loss": sum(terms.values()), "level": 1 + number // 5}
            second.step(step(number, **losses), terms, lambda: make_texture(16, 12))
        wait_for(browser, "document.getElementById('pixels').textContent.startsWith('16')")
        yield SimpleNamespace(browser=browser, board=board, second=second, third=third)
        assert errors(browser) == []


def test_it_shows_image_exemplar_loss_and_time(shown):
    browser = shown.browser
    assert text(browser, "name") == "two.png"
    assert text(browser, "state") == "Level 2 of 2, 8 \u00d7 6 pixels"
    assert text(browser, "step") == "step 7 of 10 · loss 0.158 · 35 % · 3 s left"
    rows = [row.text for row in browser.find_elements("css selector", "#terms tbody tr")]
    assert rows == ["all together 0.501 0.158", "gram 0.4 0.0571", "spectrum 0.1 0.1",
                    "range 0.001 0.001"]  # fmt: skip
    assert (
        browser.execute_script(
            "return [...document.querySelectorAll('#chart .line, #chart .divider')].length"
        )
        == 4 + 1
    )
    told = "Loss over 7 steps in 2 levels, from 0.501 to 0.158"
    assert browser.find_element("css selector", "#chart title").get_attribute("textContent") == told
    wait_for(
        browser, "document.getElementById('other-size').textContent.startsWith('32 \u00d7 24')"
    )


def test_the_canvas_has_the_pixels_once_or_nine_times(shown):
    browser = shown.browser
    pixels = make_texture(16, 12)

    def canvas():
        width, height, data = browser.execute_script(
            "const c = document.getElementById('image');"
            "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            "return [c.width, c.height, [...d]]"
        )
        return np.array(data, np.uint8).reshape(height, width, 4)[..., :3]

    np.testing.assert_array_equal(canvas(), pixels)
    tiling = browser.find_element("id", "tiling")
    tiling.click()
    assert tiling.get_attribute("aria-pressed") == "true"
    np.testing.assert_array_equal(canvas(), np.tile(pixels, (3, 3, 1)))
    browser.find_element("id", "tiling").click()


def test_it_is_magnified_by_buttons_and_by_keys(shown):
    from selenium.webdriver.common.keys import Keys

    browser = shown.browser
    width = "return document.getElementById('image').getBoundingClientRect().width"
    for _ in range(3):
        browser.find_element("id", "larger").click()
    assert text(browser, "zoom") == "300 %" and browser.execute_script(width) == 48
    place = browser.find_element("id", "view")
    place.send_keys("-")
    assert text(browser, "zoom") == "200 %" and browser.execute_script(width) == 32
    place.send_keys("0")
    assert text(browser, "zoom") == "fits" and browser.execute_script(width) > 200
    browser.find_element("id", "view").send_keys(Keys.TAB)
    assert browser.execute_script("return document.activeElement.id") == "other-view"


def test_any_texture_is_shown_beside_any_other(shown):
    from selenium.webdriver.support.ui import Select

    browser = shown.browser
    choices = [option.text for option in browser.find_elements("css selector", "#beside option")]
    assert choices == ["Exemplar", "one.png", "Nothing"]
    beside = Select(browser.find_element("id", "beside"))
    beside.select_by_visible_text("one.png")
    wait_for(browser, "document.getElementById('other-name').textContent === 'one.png'")
    beside.select_by_visible_text("Nothing")
    wait_for(browser, "document.getElementById('other').hidden")


def test_the_wall_leads_to_each(shown):
    browser = shown.browser
    cards = browser.find_elements("css selector", ".card")
    assert [card.text.split("\n") for card in cards] == [
        ["one.png", "done"], ["two.png", "35 %"], ["three.png", "waiting"]
    ]  # fmt: skip
    cards[0].click()
    wait_for(browser, "document.getElementById('name').textContent === 'one.png'")
    assert text(browser, "state") == "Done in 3.2 s."
    assert not browser.find_element("id", "stop").is_displayed()
    links = browser.find_elements("css selector", "#files a")
    assert [link.text for link in links] == ["one.png"]
    browser.find_element("id", "real").click()
    wait_for(browser, "!document.getElementById('game').hidden")
    browser.find_elements("css selector", ".choice")[0].click()
    assert "is odd" in text(browser, "answer")


def test_the_button_stops_the_one_that_is_shown(shown):
    browser = shown.browser
    browser.find_element("id", "stop").click()
    assert text(browser, "stop") == "Stopping…"
    for _ in range(100):
        if shown.second.is_to_end:
            break
        time.sleep(0.05)
    assert shown.second.is_to_end and not shown.third.is_to_end


def test_the_end_of_the_program_is_told(shown):
    shown.board.is_over = True
    wait_for(shown.browser, "document.getElementById('connection').textContent.includes('ended')")
    assert "the program ended before" in text(shown.browser, "state")


@pytest.mark.parametrize("width", [320, 360, 700, 1280])
def test_nothing_is_wider_than_the_window(shown, width):
    view(shown.browser, width)
    page, inner = shown.browser.execute_script(
        "return [document.documentElement.scrollWidth, innerWidth]"
    )
    assert page <= inner == width
    view(shown.browser, 1280)


def audited(browser):
    """Returns what axe-core finds that is serious, or worse."""
    if not browser.execute_script("return Boolean(window.axe)"):
        browser.execute_script(AXE.read_text())
    found = browser.execute_async_script(
        "const done = arguments[arguments.length - 1]; axe.run().then(done)"
    )
    assert len(found["passes"]) > 15
    return [
        (each["id"], [node["target"] for node in each["nodes"]])
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing_serious(shown, scheme, width):
    view(shown.browser, width, scheme)
    assert audited(shown.browser) == []
    view(shown.browser, 1280)


def test_what_changes_often_is_not_read_out(shown):
    live = shown.browser.execute_script(
        "return [...document.querySelectorAll('[role=status],[role=alert],[aria-live]')]"
        ".map((e) => e.id)"
    )
    assert live == ["connection", "state"]


@pytest.fixture
def studio(browser, tmp_path, random_weights_file):
    """The command ``studio`` in a folder with a photograph, opened in the browser."""
    (tmp_path / "photos").mkdir()
    Image.fromarray(make_texture(72, 60)).save(tmp_path / "photos/stone.png")
    arguments = ["--weights", str(random_weights_file), "--engine", "plain"]
    process = subprocess.Popen(
        [sys.executable, "-m", "texsynth", "studio", *arguments],
        cwd=tmp_path,
        env={**os.environ, **ONE_THREAD},
        stderr=subprocess.PIPE,
        text=True,
    )
    address = re.search(r"http://\S+", process.stderr.readline())[0]
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(process.stderr))
    reader.start()
    browser.get_log("browser")
    view(browser, 1280)
    browser.get(address)
    wait_for(browser, "document.querySelector('#photographs input') !== null")
    yield SimpleNamespace(
        browser=browser, address=address, folder=tmp_path, weights=arguments, process=process
    )
    process.send_signal(signal.SIGINT)
    code = process.wait(60)
    reader.join()
    process.stderr.close()
    assert code == 0 and "Traceback" not in "".join(lines)


def fill(browser, **values):
    for name, value in values.items():
        field = browser.find_element("id", name)
        field.clear()
        field.send_keys(str(value))


@pytest.mark.slow
def test_from_a_file_to_a_texture_that_is_stopped_kept_and_downloaded(studio, tmp_path):
    """And it is the one that the command makes in so many steps."""
    browser = studio.browser
    source = tmp_path / "bark (1).png"
    Image.fromarray(make_texture(80, 64, seed=4)).save(source)
    browser.find_element("id", "file").send_keys(str(source))
    wait_for(browser, "document.getElementById('upload-told').textContent.includes('is chosen')")
    fill(browser, size=64, iterations=5000, seed=2)
    assert audited(browser) == []
    browser.find_element("id", "make").click()
    seen = set()
    for _ in range(4):
        wait_for(
            browser,
            "/^step ([5-9]|\\d\\d)/.test(document.getElementById('step').textContent) && "
            f"!{json.dumps(sorted(seen))}.includes(document.getElementById('image').toDataURL())",
            60,
        )
        seen.add(browser.execute_script("return document.getElementById('image').toDataURL()"))
    assert len(seen) == 4
    assert text(browser, "state") == "Level 1 of 1, 64 \u00d7 51 pixels"
    browser.find_element("id", "stop").click()
    wait_for(browser, "document.querySelector('#files a') !== null", 60)
    assert text(browser, "state").startswith("Stopped after")
    steps = int(re.match(r"step (\d+) of 5000", text(browser, "step"))[1])
    line = text(browser, "command")
    assert line.startswith("python -m texsynth studio/uploads/0001.png ") and "--seed 2" in line
    link = browser.find_element("css selector", "#files a")
    assert link.get_attribute("download") == "0001_texture.png"
    with urlopen(link.get_attribute("href")) as answer:
        downloaded = answer.read()
    assert downloaded == (studio.folder / "studio/0001/0001_texture.png").read_bytes()
    again = ["studio/uploads/0001.png", "--size", "64", "--seed", "2", "-n", str(steps)]
    subprocess.run(
        [sys.executable, "-m", "texsynth", *again, "-o", "again.png", "-q", *studio.weights],
        cwd=studio.folder,
        env={**os.environ, **ONE_THREAD},
        check=True,
    )
    with Image.open(io.BytesIO(downloaded)) as kept, Image.open(tmp_path / "again.png") as made:
        assert kept.size == (64, 51)
        np.testing.assert_array_equal(np.asarray(kept), np.asarray(made))
    assert errors(browser) == []


@pytest.mark.slow
def test_a_photograph_of_the_folder_by_keys_alone_and_what_is_wrong_is_told(studio):
    from selenium.webdriver.common.keys import Keys

    browser = studio.browser
    browser.find_element("id", "file").send_keys(__file__)
    wait_for(browser, "document.getElementById('upload-told').textContent.includes('not taken')")
    assert "test_page.py is not an image" in text(browser, "upload-told")
    browser.find_element("css selector", "#photographs input").send_keys(Keys.SPACE)
    fill(browser, size=32, iterations=2, variations=2)
    browser.find_element("id", "variations").send_keys(Keys.ENTER)
    wait_for(browser, "document.querySelectorAll('.card .how')[1]?.textContent === 'done'", 60)
    made = (studio.folder / "studio/0001").glob("*_texture.png")
    assert {path.name for path in made} == {"stone_seed0_texture.png", "stone_seed1_texture.png"}
    (refused,) = errors(browser)
    assert refused["message"].endswith("422 (Unprocessable Entity)")


@pytest.mark.slow
def test_ten_pages_come_and_go_and_the_run_neither_changes_nor_waits(
    browser, tmp_path, random_weights_file
):
    """What is done for them on the run's thread is less than a twentieth of its time."""
    from texsynth import Config
    from texsynth.synthesis.loop import synthesize

    exemplar = make_texture(64, 64)
    settings = {"iterations": 150, "levels": 1, "preset": "gatys", "engine": "plain"}
    losses = {"layers": {"conv1_1": 1, "pool1": 1}}
    config = Config(weights=random_weights_file, size=64, **settings, **losses)
    alone = synthesize(exemplar, config)
    board = Board("Textures")
    spent = []

    def timed(shown):
        def show(progress):
            began = time.thread_time()
            shown.show(progress)
            spent.append(time.thread_time() - began)

        return show

    with server.served(board) as where:
        browser.get(where.address)
        first = browser.current_window_handle
        made = []

        def work():
            shown = on_page._Shown(board.entry("a", "a.png"), [])
            began = time.thread_time()
            with shown:
                made.append(synthesize(exemplar, config, callback=timed(shown)))
            spent.append(-(time.thread_time() - began))

        thread = threading.Thread(target=work)
        thread.start()
        opened = []
        for _ in range(10):
            browser.switch_to.new_window("tab")
            browser.get(where.address)
            opened.append(browser.current_window_handle)
        for handle in opened:
            browser.switch_to.window(handle)
            browser.close()
        browser.switch_to.window(first)
        thread.join()
    np.testing.assert_array_equal(made[0].image, alone.image)
    assert made[0].history == alone.history
    whole = -spent.pop()
    assert len(spent) == 150 and sum(spent) < 0.05 * whole
