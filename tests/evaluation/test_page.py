"""The page, and how it looks in a browser: it needs nothing but itself."""

import base64
import dataclasses
import io
import json
import re
from html import escape
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.conftest import make_texture
from tests.evaluation.conftest import HISTORY, view
from texsynth.evaluation import page, plots, record, verdict
from texsynth.evaluation.evaluated import Report

# Together: the page and the browser take a while.
pytestmark = pytest.mark.xdist_group("page")


def test_nothing_is_loaded_from_anywhere(text):
    assert re.findall(r'(?:src|href|action)="(?!data:)([^"]*)"', text) == []
    without_data = re.sub(r'"data:[^"]*"', "", text)
    assert len(without_data) < 60_000
    assert not re.search(r"url\(|@import|https?:|[\"'(]//", without_data)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'; img-src data:;") and "unsafe" not in policy


def test_the_pictures_are_those_that_were_measured(text, report):
    sources = re.findall(r'<img class="(\w+)[^"]*" src="data:image/png;base64,([^"]+)"', text)
    assert [kind for kind, _ in sources] == ["exemplar", "texture"] * 2
    for (_, data), pixels in zip(
        sources,
        [each for output in report.outputs for each in (output.exemplar, output.pixels)],
        strict=True,
    ):
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            np.testing.assert_array_equal(np.asarray(picture), pixels)


def test_pictures_of_a_pair_are_shown_at_one_scale(text, report):
    """Small ones are enlarged by a whole number, as far as 320 pixels allow."""
    first, second = (text[at.start() :] for at in re.finditer("<article>", text))
    shown = r'class="%s( enlarged)?" [^>]*width="(\d+)" height="(\d+)"'
    for article, sizes in (
        (first, [(192, 160), (240, 160), (240, 160)]),
        (second, [(288, 240), (288, 240), (288, 240)]),
    ):
        for kind, size in zip(("exemplar", "texture", "grey"), sizes, strict=True):
            found = re.search(shown % kind, article)
            assert found[1] == " enlarged" and (int(found[2]), int(found[3])) == size
    large = dataclasses.replace(
        report.outputs[0], pixels=make_texture(300, 200), exemplar=make_texture(640, 320)
    )
    article = page.render(Report("s.png", [large]))
    for kind, size in (("exemplar", ("320", "160")), ("texture", ("150", "100"))):
        assert re.search(shown % kind, article).groups() == (None, *size)
    assert text.count('alt="The texture, 120 by 80 pixels"') == 1
    assert text.count('alt="The exemplar, 96 by 80 pixels"') == 2
    assert text.count('<svg viewBox="0 0 120 80"') == 1


def test_each_output_has_its_verdict_and_each_that_failed_its_reason(text, report):
    assert text.index('class="verdicts"') < text.index("Which one is odd?")
    for output in report.outputs:
        told = f"<li><b>{escape(output.name)}</b>: {escape(verdict.sentence(output.measures))}</li>"
        assert told in text
    failed = page.render(Report("s.png", report.outputs[:1], failed=[("<b>", "it is & was")]))
    assert "<b>&lt;b&gt;</b> could not be measured: it is &amp; was</li>" in failed


def test_the_file_is_told_with_all_that_it_says():
    made = record.Record(
        losses=("gram", "spectrum"), layers=("conv1_1", "pool1"), pooling="max", engine="plain"
    )
    assert page._made(made) == (
        '<p class="made">According to the file: loss gram, spectrum; '
        "optimised at conv1_1, pool1; max pooling; engine plain.</p>"
    )
    assert "engine winograd in bf16." in page._made(
        record.Record(engine="winograd", precision="bf16")
    )
    assert "does not say how it was made" in page._made(record.Record(history=[[1.0]]))


def test_what_was_not_optimised_is_marked_and_the_mark_explained(text, report):
    assert text.count("* not optimised in this output</p>") == 1
    alone = page.render(Report(report.source, report.outputs[:1]))
    assert "* not optimised in this output</p>" not in alone


def test_names_are_text_and_nothing_else(text):
    assert text.count("<script>") == 1 and "document.title" in text
    assert "stone &amp; sand.png" in text and "engine &lt;b&gt;" in text
    assert "&lt;script&gt;document.title=&quot;run&quot;&lt;/script&gt;" in text
    assert "$source.png" in text  # a name with a dollar is no place to fill in


def test_the_loss_is_drawn_or_its_absence_said(text):
    assert text.count("The file contains no loss history.") == 1
    assert text.count('aria-label="Loss over 6 steps in 3 levels, from 4 to 0.1,') == 1
    assert text.count('class="divider"') == 2


def test_copied_patches_are_drawn_where_they_are(report, text):
    for output in report.outputs:
        copies = output.measures.copies
        path = page._copies_path(copies)
        places = re.findall(r"M(\d+) (\d+)h", path)
        assert len(places) == copies.copied.sum()
        expected = {
            (int(copies.columns[c]), int(copies.rows[r])) for r, c in np.argwhere(copies.copied)
        }
        assert {(int(x), int(y)) for x, y in places} == expected
    assert "parts were copied" in text
    one = SimpleNamespace(
        rows=np.array([0, 5]), columns=np.array([0, 7]), patch=12,
        copied=np.array([[False, False], [False, True]]),
    )  # fmt: skip
    assert page._copies_path(one) == "M7 5h12v12h-12z"


def test_the_shares_of_copied_patches_are_told_each_in_its_place(report, text):
    assert report.outputs[1].measures.copied_share > report.outputs[1].measures.repetition_share
    for output in report.outputs:
        copied, own = output.measures.copied_share, output.measures.repetition_share
        patch = output.measures.copies.patch
        told = f"{100 * copied:.1f} % of the patches of {patch}\u00d7{patch} pixels appear"
        told += f" almost verbatim in the exemplar; {100 * own:.1f} % of the exemplar's own patches"
        told += " appear in it a second time"
        assert told in text


@pytest.mark.parametrize(
    ("copied", "repetition", "told"),
    [
        (None, 0.5, "too little contrast to tell"),
        (0.5, None, "too little contrast to tell"),
        (0.0, 0.0, "Nothing was copied."),
        (0.5, 0.49, "nothing points to copying"),
        (0.5, 0.6, "nothing points to copying"),
        (0.5, 0.47, "parts were copied"),
    ],
)
def test_copying_is_what_exceeds_the_repetition(copied, repetition, told):
    measures = SimpleNamespace(copied_share=copied, repetition_share=repetition)
    assert told in page._judgement(measures)


def test_the_spectra_are_those_that_were_measured(report, text):
    for output in report.outputs:
        frequency, own, source = output.measures.spectra
        assert plots.spectra(frequency, own, source) in text


def numbers_of(svg, kind):
    path = re.search(rf'class="line {kind}" d="M([^"]*)"', svg)[1]
    return [tuple(map(float, point.split())) for point in path.replace("h0", "").split("L")]


def test_curves_go_where_the_numbers_are():
    svg = plots.spectra(np.array([0.01, 0.1, 0.4]), np.array([1e4, 1e2, 1]), np.full(3, 1e2))
    output, source = numbers_of(svg, "output"), numbers_of(svg, "exemplar")
    assert len({y for _, y in source}) == 1
    assert output[0][1] < source[0][1] == output[1][1] < output[2][1]  # y goes down the page
    first, second = (abs(output[i + 1][0] - output[i][0]) for i in (0, 1))
    assert first / second == pytest.approx(np.log(10) / np.log(4), rel=0.01)
    assert output[0][0] < output[1][0] < output[2][0]
    across, up = labels_of(svg, "middle"), labels_of(svg, "end")
    assert across["0.1"][0] == pytest.approx(output[1][0], abs=0.11)
    assert [up[text][1] - 4 for text in ("10000", "100", "1")] == pytest.approx(
        [y for _, y in output], abs=0.11
    )


def labels_of(svg, kind):
    """Text and place of each label of an axis."""
    found = re.findall(rf'<text class="{kind}" x="([^"]*)" y="([^"]*)">([^<]*)</text>', svg)
    return {text: (float(x), float(y)) for x, y, text in found}


def test_levels_follow_one_another_with_dividers_between():
    svg = plots.loss_curves(HISTORY)
    lines = re.findall(r'class="line output" d="M([^"]*)"', svg)
    levels = [[float(p.split()[0]) for p in line.replace("h0", "").split("L")] for line in lines]
    assert [len(level) for level in levels] == [3, 1, 2]
    steps = np.concatenate(levels)
    np.testing.assert_allclose(np.diff(steps), steps[1] - steps[0], atol=0.11)
    dividers = [float(x) for x in re.findall(r'class="divider" d="M([\d.]+) ', svg)]
    np.testing.assert_allclose(dividers, (steps[[2, 3]] + steps[[3, 4]]) / 2, atol=0.11)
    numbered = labels_of(svg, "middle")
    assert [numbered[str(n)][0] for n in range(1, 7)] == pytest.approx(list(steps), abs=0.11)


@pytest.mark.parametrize(
    ("history", "labels"),
    [
        ([[1e-8, 1e-6]], ["10⁻⁸", "10⁻⁷", "10⁻⁶"]),
        ([[1e9, 1e10, 1e11]], ["10⁹", "10¹⁰", "10¹¹"]),
        ([[2e-5, 5e-5]], ["2·10⁻⁵", "3·10⁻⁵", "4·10⁻⁵", "5·10⁻⁵"]),
        ([[1.0, 100.0]], ["1", "10", "100"]),
    ],
)
def test_the_labels_are_the_values(history, labels):
    assert list(labels_of(plots.loss_curves(history), "end")) == labels


@pytest.mark.parametrize(
    "history",
    [
        [[1.0]],
        [[0.0, 1.0]],
        [[], [3.0, 2.0]],
        [[1e-30, 1e30]],
        [[5.0] * 7],
        [list(range(1, 5000))],
        [[1], [2], [3]],
        [[1.32, 1.09]],
        [[1.32], [1.09]],
        [[5e-324, 1.7e308]],
        [[5e-324]],
        [[123456.0, 123457.0]],
    ],
    ids=lambda history: str(history)[:20],
)
def test_any_history_makes_a_plot_of_modest_size(history):
    svg = plots.loss_curves(history)
    assert "nan" not in svg and "inf" not in svg and len(svg) < 20_000
    assert 2 <= svg.count('class="end"') <= 9


losses = st.floats(0, allow_infinity=False, allow_nan=False)
near = st.floats(1e-12, 1e12).flatmap(
    lambda middle: st.lists(st.floats(middle, middle * 1.3), min_size=1, max_size=4)
)
histories = st.lists(st.lists(losses, max_size=6) | near, min_size=1, max_size=6)


def check_axis(svg, kind, which):
    """Two to nine labels, no two alike, in order and within the plot."""
    found = re.findall(rf'<text class="{kind}" x="([^"]*)" y="([^"]*)">([^<]*)</text>', svg)
    places = [float(each[which]) for each in found]
    assert 2 <= len(found) <= 9 and len({text for *_, text in found}) == len(found)
    assert places in (sorted(places), sorted(places, reverse=True))
    ends = (64, 428) if which == 0 else (30, 258.1)
    assert ends[0] - 0.1 <= min(places) and max(places) <= ends[1] + 0.1


@given(histories)
def test_axes_are_labelled_for_any_history(history):
    svg = plots.loss_curves(history)
    if not any(loss > 0 for level in history for loss in level):
        assert svg is None
        return
    assert "nan" not in svg and "inf" not in svg
    check_axis(svg, "middle", 0)
    check_axis(svg, "end", 1)
    drawn = "".join(re.findall(r'line output" d="([^"]*)', svg))
    for x, y in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", drawn):
        assert 63.9 <= float(x) <= 428.1 and 25.9 <= float(y) <= 254.1


@given(st.lists(st.tuples(losses | st.just(np.nan), losses | st.just(np.nan)), min_size=1))
def test_any_spectra_are_drawn(bands):
    powers = np.array(bands) + 1 / 12  # of 8-bit rounding, as they are measured
    frequency = np.geomspace(0.004, 0.49, len(bands))
    svg = plots.spectra(frequency, *powers.T)
    if np.isnan(powers).all():
        assert svg is None
        return
    assert "nan" not in svg and "inf" not in svg
    check_axis(svg, "middle", 0)
    check_axis(svg, "end", 1)


@pytest.mark.parametrize(
    ("history", "labels"),
    [
        (HISTORY, ["level 1", "level 2", "level 3"]),
        ([[1.0] * 95, [1.0] * 5], ["level 1", "2"]),
        ([[1.0] * 1000, [1.0] * 5], ["level 1"]),
        ([[1.0] * 5], []),
    ],
    ids=lambda value: str(value)[:20],
)
def test_levels_are_numbered_where_there_is_room(history, labels):
    svg = plots.loss_curves(history)
    found = re.findall(r'class="middle level" x="([\d.]+)" y="17">([^<]*)<', svg)
    assert [text for _, text in found] == labels
    dividers = [float(x) for x in re.findall(r'class="divider" d="M([\d.]+) ', svg)]
    places = [float(x) for x, _ in found]
    if len(labels) == len(history) > 1:  # each between its dividers
        for left, divider, right in zip(places[:-1], dividers, places[1:], strict=True):
            assert left < divider < right


@pytest.mark.parametrize(("steps", "points"), [(600, 600), (5000, 600)])
def test_a_long_history_is_drawn_from_its_first_step_to_its_last(steps, points):
    drawn = numbers_of(plots.loss_curves([np.geomspace(1, 1e-3, steps).tolist()]), "output")
    assert len(drawn) == points
    assert [drawn[0], drawn[-1]] == numbers_of(plots.loss_curves([[1.0, 1e-3]]), "output")


def test_a_loss_of_zero_is_no_plot():
    assert plots.loss_curves([[0.0, 0.0]]) is None


# From here on in Chromium.


def screenshot(browser):
    with Image.open(io.BytesIO(browser.get_screenshot_as_png())) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def test_pictures_are_shown_and_nothing_is_fetched(opened):
    widths = opened.execute_script("return [...document.images].map((i) => i.naturalWidth)")
    assert widths == [96, 120, 120, 96, 96, 96]
    entries = opened.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert [name for name in entries if not name.startswith("data:")] == []
    assert opened.title == "Textures of stone & sand.png"
    assert len(np.unique(screenshot(opened).reshape(-1, 3), axis=0)) > 1000


@pytest.mark.parametrize("width", [320, 400, 700, 1400])
def test_nothing_is_wider_than_the_window(opened, width):
    view(opened, width)
    widths = opened.execute_script(
        "const page = document.documentElement;"
        "return [page.scrollWidth, page.clientWidth, innerWidth]"
    )
    assert widths[0] <= widths[1] and widths[2] == width
    buttons = opened.find_elements("css selector", ".choice")
    left, middle, right = (button.rect for button in buttons)
    assert left["y"] == middle["y"] == right["y"] and left["x"] < middle["x"] < right["x"]
    shares = [button["width"] for button in (left, middle, right)]
    assert np.ptp(shares) < 1 and shares[0] > 0.3 * min(width, 1000) - 30


def test_dark_and_light(opened):
    bright = screenshot(opened)[5, 5].sum()
    view(opened, 1000, "dark")
    assert screenshot(opened)[5, 5].sum() < 150 < 600 < bright


def test_answers_are_announced_and_controls_have_names(opened):
    answer = opened.find_element("id", "answer")
    assert (
        answer.get_attribute("role") == "status" and answer.get_attribute("aria-live") == "polite"
    )
    tree = opened.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    buttons = [node for node in tree if node.get("role", {}).get("value") == "button"]
    sides = ("Left", "Middle", "Right")
    assert [button["name"]["value"] for button in buttons] == [f"{side} picture" for side in sides]
    images = [node for node in tree if node.get("role", {}).get("value") == "image"]
    assert images and all(node["name"]["value"] for node in images)


def test_all_measures_are_in_the_table(opened, report):
    rows = opened.find_elements("css selector", "tbody tr")
    told = {row.text.split(" ")[0]: row.text for row in rows}
    first = report.outputs[0].measures.as_dict()
    assert f"{first['colour_distance']:.2f}" in json.dumps(told)
    assert all(row.text.endswith(" 0") for row in rows if re.match(r"pool\d", row.text))
    # Twice each layer, ten others, four about how, and six titles.
    assert len(rows) == 2 * 6 + 10 + 4 + 6
