"""Both READMEs say the same, and each page in ``docs`` is found from them."""

import re
import shlex
from pathlib import Path

import click
import pytest

from texsynth.command import cli
from texsynth.command.words import command_of

ROOT = Path(__file__).parent.parent
ENGLISH = (ROOT / "README.md").read_text(encoding="utf-8")
JAPANESE = (ROOT / "README.ja.md").read_text(encoding="utf-8")
PAGES = sorted((ROOT / "docs").glob("*.md"))


def sections(text):
    """Yields the level of each heading (0 before the first), and what follows it."""
    level, lines, is_code = 0, [], False
    for line in text.splitlines():
        is_code ^= line.startswith("```")
        heading = re.match(r"(#+) ", line)
        if heading and not is_code:
            yield level, "\n".join(lines)
            level, lines = len(heading[1]), []
        else:
            lines.append(line)
    yield level, "\n".join(lines)


def code(section):
    """Returns the lines of code, without comments: all that is indented or fenced."""
    fenced = "".join(re.findall(r"^```.*?^```", section, re.M | re.S))
    indented = "\n".join(re.findall(r"^    .+", section, re.M))
    return [line for line in re.sub(r" *#.*", "", fenced + indented).splitlines() if line.strip()]


def tables(section):
    """Returns what of each row is the same in every language: names, values, and their number."""
    rows = re.findall(r"^\|.*\|$", section, re.M)
    return [(row.count("|"), sorted(re.findall(r"`([^`]+)`", row))) for row in rows]


def said(section):
    """Returns what a section says beside its words: by kind, to be compared."""
    prose = re.sub(r"^    .*|^```[^`]*```$", "", section, flags=re.M)
    links = re.findall(r"(?<!!)\[[^]]*\]\(([^)]+)\)", section)
    return {
        "pictures": re.findall(r"!\[[^]]*\]\(([^)]+)\)", section),
        "links": sorted(link for link in links if not link.startswith("README")),
        "code": code(section),
        "tables": tables(section),
        "names": sorted(set(re.findall(r"`([^`]+)`", prose))),
    }


def differences(english, japanese):
    """Returns in what the texts are not the same, as ``(section's number, kind)``."""
    pairs = list(sections(english)), list(sections(japanese))
    levels = [[level for level, _ in texts] for texts in pairs]
    if levels[0] != levels[1]:
        return [("all", "sections")]
    both = [[said(section) for _, section in texts] for texts in pairs]
    return [
        (number, kind)
        for number, (first, second) in enumerate(zip(*both, strict=True))
        for kind in first
        if first[kind] != second[kind]
    ]


def test_both_readmes_have_the_same_sections_options_and_pictures():
    assert differences(ENGLISH, JAPANESE) == []


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("sections", r"^## .+\n"),
        ("pictures", r"^!\[.*\n"),
        ("links", r"\[docs/\w+\.md\]\([^)]+\)"),
        ("code", r"^    mpiexec .*\n"),
        ("tables", r"^\| `--tile` .*\n"),
        ("names", r"`--json FILE`"),
    ],
)
def test_what_one_readme_lacks_is_found(kind, pattern):
    lacking, count = re.subn(pattern, "", JAPANESE, count=1, flags=re.M)
    assert count == 1
    assert kind in [found for _, found in differences(ENGLISH, lacking)]


@pytest.mark.parametrize("text", [ENGLISH, JAPANESE])
def test_the_first_screen_shows_picture_installation_and_one_command(text):
    screen = "\n".join(text.splitlines()[:20])
    assert "](samples/pebbles_comparison.png)" in screen
    assert code(screen) == ["    pip install .", "    python -m texsynth samples/pebbles.png"]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_found_from_both_readmes(page):
    for text in (ENGLISH, JAPANESE):
        assert f"(docs/{page.name}" in text


def test_the_japanese_readme_speaks_of_programs_as_is_usual():
    """A program shows a message, it does not say it; neither seeds nor penalties are translated."""
    assert not re.search("言う|言い|言っ|種を|罰", JAPANESE)
    assert "シード" in JAPANESE and "ペナルティ項" in JAPANESE


def commands(text):
    """Returns the command lines that begin with ``python -m texsynth``, in words."""
    lines = re.findall(r"^ *(?:mpiexec -n \d+ )?(python -m texsynth .*)$", text, re.M)
    return [shlex.split(line, comments=True) for line in lines]


@pytest.mark.parametrize("page", [*PAGES, *sorted(ROOT.glob("*.md"))])
def test_commands_that_are_shown_are_understood(page):
    """By the command's own parser, which the files need not be there for."""
    for words in commands(page.read_text(encoding="utf-8")):
        command, arguments = command_of(words[3:]), words[4:]
        if command is None:
            command, arguments = cli.main, words[3:]
        _, _, order = command.make_parser(click.Context(command)).parse_args(arguments)
        assert order or words[3:] == ["studio"], words  # which needs nothing more
    assert len(commands(ENGLISH)) >= 8


def test_a_command_with_an_option_that_is_not_there_is_found():
    context = click.Context(cli.main)
    (words,) = commands("    python -m texsynth --colour input.png  # no such option")
    with pytest.raises(click.NoSuchOption):
        cli.main.make_parser(context).parse_args(words[3:])


@pytest.mark.parametrize("page", [*PAGES, *sorted(ROOT.glob("*.md"))])
def test_links_of_the_pages_lead_somewhere(page):
    """Files are there, and so are the headings that a link names."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, heading = target.partition("#")
        path = page.parent / name if name else page
        assert path.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
            slugs = [re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings]
            assert heading in slugs, target
