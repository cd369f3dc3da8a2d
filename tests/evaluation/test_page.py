"""The page, and how it looks in a browser: it needs nothing but itself."""

import base64
import io
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.conftest import HISTORY, view
from texsynth.evaluation import page, plots, record
from texsynth.evaluation.report import Report

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
    sources = re.findall(r'<img class="(\w+)" src="data:image/png;base64,([^"]+)"', text)
    assert [kind for kind, _ in sources] == ["exemplar", "texture"] * 2
    for (_, data), pixels in zip(
        sources,
        [each for output in report.outputs for each in (output.exemplar, output.pixels)],
        strict=True,
    ):
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            np.testing.assert_array_equal(np.asarray(picture), pixels)


def test_the_sizes_are_those_of_the_pictures(text):
    assert text.count('width="120" height="80" alt="The texture, 120 by 80 pixels"') == 1
    assert text.count('width="96" height="80" alt="The source, 96 by 80 pixels"') == 2
    assert text.count('<svg viewBox="0 0 120 80"') == 1


def test_the_file_is_told_with_all_that_it_says():
    made = record.Record(
        losses=("gram", "spectrum"), layers=("conv1_1", "pool1"), pooling="max", engine="plain"
    )
    assert page._made(made) == (
        '<p class="made">According to the file: loss gram, spectrum; '
        "optimised at conv1_1, pool1; max pooling; engine plain.</p>"
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
        told += f" almost verbatim in the source; {100 * own:.1f} % of the source's own patches"
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
    output, source = numbers_of(svg, "output"), numbers_of(svg, "source")
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
    ],
    ids=lambda history: str(history)[:20],
)
def test_any_history_makes_a_plot_of_modest_size(history):
    svg = plots.loss_curves(history)
    assert "nan" not in svg and "inf" not in svg and len(svg) < 20_000
    assert 2 <= svg.count('class="end"') <= 9


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
    assert opened.title == "Which one is odd? stone & sand.png"
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
    # Twice each layer, ten others, three about how, and six titles.
    assert len(rows) == 2 * 6 + 10 + 3 + 6
