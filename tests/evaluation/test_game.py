"""The page's game in a browser: three crops, two of one picture, and a tally."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

# Beside the other tests of the page, which have the same browser.
pytestmark = pytest.mark.xdist_group("page")


def choices(browser):
    return browser.find_elements("css selector", ".choice")


def verdicts(browser):
    """What each picture is said to be, once one was chosen."""
    return [each.text for each in browser.find_elements("css selector", ".choice .verdict")]


def crops(browser):
    """The three crops as they are drawn, pixel by pixel."""
    found = []
    for number in range(3):
        url = browser.execute_script(
            "return document.querySelectorAll('.choice canvas')[arguments[0]].toDataURL()", number
        )
        with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as picture:
            found.append(np.asarray(picture.convert("RGB")))
    return found


def places_in(pixels, crop):
    """Upper left corners, ``(n, 2)``, where a picture has exactly this crop."""
    height, width = crop.shape[:2]
    starts = (pixels == crop[0, 0]).all(axis=2)
    starts = starts[: len(pixels) - height + 1, : pixels.shape[1] - width + 1]
    return np.array(
        [
            (y, x)
            for y, x in np.argwhere(starts)
            if np.array_equal(pixels[y : y + height, x : x + width], crop)
        ]
    )


def kinds(browser, report):
    """What each crop is, after skipping to the first output.

    The second has the exemplar's own pixels, so that its crops may be of either.
    """
    while True:
        made = [len(places_in(report.outputs[0].pixels, crop)) > 0 for crop in crops(browser)]
        if any(made):
            return ["synthesised" if each else "real" for each in made]
        choices(browser)[0].click()
        browser.find_element("id", "next").click()


def test_two_crops_are_of_one_picture_and_one_is_of_another(opened, report):
    assert [crop.shape for crop in crops(opened)] == [(32, 32, 3)] * 3
    for _ in range(4):
        found = kinds(opened, report)
        assert sorted(map(found.count, ("real", "synthesised"))) == [1, 2]
        choices(opened)[0].click()
        assert verdicts(opened) == found
        opened.find_element("id", "next").click()


def test_crops_of_one_picture_have_no_pixel_in_common(opened, report):
    for _ in range(8):
        found = kinds(opened, report)
        common = max(set(found), key=found.count)
        output = report.outputs[0]
        picture = output.exemplar if common == "real" else output.pixels
        shown = zip(crops(opened), found, strict=True)
        (a,), (b,) = (places_in(picture, crop) for crop, kind in shown if kind == common)
        assert np.abs(a - b).max() >= 32
        choices(opened)[0].click()
        opened.find_element("id", "next").click()


def test_nothing_gives_the_answer_away(opened):
    shown = [choice.get_attribute("outerHTML") for choice in choices(opened)]
    for other, side in zip(shown[1:], ("Middle", "Right"), strict=True):
        assert shown[0] == other.replace(side, "Left")
    labels = opened.execute_script(
        "return [...document.querySelectorAll('[alt],[aria-label]')].map("
        "(e) => [e.alt, e.getAttribute('aria-label')].join())"
    )
    assert not any("real" in label.lower() for label in labels)


def test_pictures_look_like_what_they_are_buttons(opened):
    """Each has its name below it, a ring to choose it, and a border."""
    score = opened.find_element("id", "score")
    assert score.text == "Choose one of the three to begin."
    for choice, side in zip(choices(opened), ("Left", "Middle", "Right"), strict=True):
        assert choice.text == side
        ring, border, cursor = opened.execute_script(
            "const of = (pseudo) => getComputedStyle(arguments[0].querySelector('.side'), pseudo);"
            "const own = getComputedStyle(arguments[0]);"
            "return [of('::before').borderTopWidth, own.borderTopWidth, own.cursor]",
            choice,
        )
        assert (ring, border, cursor) == ("2px", "1px", "pointer")


def play(browser, report, rightly):
    """Chooses by mouse; returns the odd one's side and what it is."""
    found = kinds(browser, report)
    (odd,) = [number for number, kind in enumerate(found) if found.count(kind) == 1]
    choices(browser)[odd if rightly else (odd + 1) % 3].click()
    return ("left", "middle", "right")[odd], found[odd]


def asked(browser):
    """How many answers were right, and of how many."""
    told = re.match(r"(\d+) of (\d+) right: ", browser.find_element("id", "score").text)
    return int(told[1]), int(told[2])


def test_a_right_answer_and_a_wrong_one(opened, report):
    side, kind = play(opened, report, rightly=True)
    answer = opened.find_element("id", "answer")
    assert answer.text == f"Yes, the {side} one is odd: it is {kind}, the others are not."
    right, total = asked(opened)
    assert right >= 1
    assert sorted(told == kind for told in verdicts(opened)) == [False, False, True]
    choices(opened)[0].click()
    assert asked(opened) == (right, total)  # a second choice does not count
    opened.find_element("id", "next").click()
    assert answer.text == "" and verdicts(opened) == ["", "", ""]
    right, total = asked(opened)
    side, kind = play(opened, report, rightly=False)
    assert answer.text == f"No, the {side} one is odd: it is {kind}, the others are not."
    assert asked(opened)[1] > total


def wilson(right, total):
    """The shares that are 1.96 standard deviations from what was seen, by their own deviation."""
    shares = np.linspace(0, 1, 100_001)
    inside = (right / total - shares) ** 2 <= 1.96**2 * shares * (1 - shares) / total
    return shares[inside][[0, -1]]


def test_the_tally_has_the_interval_of_wilson(opened):
    told = r"(\d+) of (\d+) right: (\d+) % "
    told += r"\(95 % confidence: (\d+) to (\d+) %; by chance 33 %\)\. (.*)"
    for total in range(1, 13):
        choices(opened)[total % 3].click()
        found = re.fullmatch(told, opened.find_element("id", "score").text)
        right = int(found[1])
        low, high = wilson(right, total)
        assert int(found[2]) == total
        assert int(found[3]) == pytest.approx(100 * right / total, abs=0.5)
        assert int(found[4]) == pytest.approx(100 * low, abs=0.51)
        assert int(found[5]) == pytest.approx(100 * high, abs=0.51)
        can = "You can tell them apart." if low > 1 / 3 else "No sign so far that you can tell"
        assert found[6].startswith(can)
        opened.find_element("id", "next").click()


def test_who_always_knows_can_tell_after_a_few(opened):
    """The answer is looked up: the odd verdict comes only after the choice."""
    opened.execute_script(
        "window.drawn = []; const draw = CanvasRenderingContext2D.prototype.drawImage;"
        "CanvasRenderingContext2D.prototype.drawImage = function (image, ...rest) {"
        "  window.drawn.push(image.className); return draw.call(this, image, ...rest); };"
    )
    choices(opened)[0].click()
    first, _ = asked(opened)
    for _ in range(8):
        opened.execute_script("window.drawn = []")
        opened.find_element("id", "next").click()
        drawn = opened.execute_script("return window.drawn")
        (odd,) = [number for number, kind in enumerate(drawn) if drawn.count(kind) == 1]
        choices(opened)[odd].click()
    assert asked(opened) == (first + 8, 9)
    assert opened.find_element("id", "score").text.endswith("You can tell them apart.")


def test_pictures_and_their_order_change(opened):
    seen, odd, kinds = set(), set(), set()
    for _ in range(24):
        seen.add(b"".join(crop.tobytes() for crop in crops(opened)))
        choices(opened)[0].click()
        words = opened.find_element("id", "answer").text.split()
        odd.add(words[2])
        kinds.add(words[8])
        opened.find_element("id", "next").click()
    assert len(seen) > 18 and odd == {"left", "middle", "right"}
    assert kinds == {"real,", "synthesised,"}
    assert asked(opened)[1] == 24


def test_it_can_be_played_by_keyboard(opened):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    def press(*keys):
        ActionChains(opened).send_keys(*keys).perform()

    def focused():
        return opened.execute_script(
            "return document.activeElement.id || document.activeElement.className"
        )

    press(Keys.TAB)
    assert focused() == "choice"
    style = opened.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    assert style == "solid"
    press(Keys.TAB, Keys.ENTER)
    assert opened.find_element("id", "answer").text.endswith(", the others are not.")
    assert asked(opened)[1] == 1
    press(Keys.TAB, Keys.TAB)
    assert focused() == "next"
    press(Keys.SPACE)
    assert focused() == "choice" and opened.find_element("id", "answer").text == ""
