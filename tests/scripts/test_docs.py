import json
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import docs

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://cdn.example/require.js"></script>',
        '<script async src=" //cdn.example/x.js">',
        '<link rel="stylesheet" href="https://fonts.example/css">',
        '<link rel="preconnect" href="http://fonts.example">',
        '<link href="https://fonts.example/css">',
        '<img src="https://img.example/badge.svg">',
        '<img srcset="a.png, https://img.example/b.png 2x">',
        '<video poster="https://img.example/b.png">',
        '<object data="http://x.example/a.svg">',
        "<p style=\"background: url('https://x.example/a.png')\">",
        "<style>@import 'https://fonts.example/css';</style>",
        "<style>p { src: url(//fonts.example/a.woff) }</style>",
    ],
)
def test_what_a_page_loads_from_elsewhere_is_found(tmp_path, html):
    (tmp_path / "deep").mkdir()
    page = tmp_path / "deep/page.html"
    page.write_text(f"<html><body>{html}</body></html>")
    ((path, address),) = docs.loaded_from_elsewhere(tmp_path)
    assert path == page and ".example" in address


def test_what_a_style_sheet_loads_from_elsewhere_is_found(tmp_path):
    sheet = '@import url("https://a.example/x.css");\np { background: url( http://b.example/y ) }'
    (tmp_path / "all.css").write_text(sheet)
    found = [address for _, address in docs.loaded_from_elsewhere(tmp_path)]
    assert found == ["https://a.example/x.css", "http://b.example/y"]


def test_links_and_what_lies_beside_a_page_are_no_loads(tmp_path):
    (tmp_path / "page.html").write_text(
        '<link rel="canonical" href="https://x.example/"><a href="https://x.example/">there</a>'
        '<script src="_static/a.js"></script><img src="data:image/png;base64,//8=">'
        '<img src="../a.png"><style>p { background: url(a.png) }</style><p>https://x.example</p>'
    )
    (tmp_path / "all.css").write_text("p { src: url(fonts/a.woff) } /* https://x.example */")
    assert docs.loaded_from_elsewhere(tmp_path) == []


def test_a_public_name_without_documentation_is_found():
    names = sorted(set(docs.texsynth.__all__) - {"__version__"})
    page = "".join(f'<dt id="texsynth.{name}"></dt>' for name in names)
    assert docs.undocumented(page) == []
    assert docs.undocumented(page.replace(".Config", ".Confih")) == ["Config"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[there](other.md#a-heading) and [back](index.md)", None),
        ("[nowhere](none.md)", "none.md"),
        ("[no such heading](other.md#another-heading)", "another-heading"),
        ("![no such picture](none.png)", "none.png"),
        ("```{eval-rst}\n.. autofunction:: texsynth.analyse\n```", "analyse"),
    ],
)
def test_what_leads_nowhere_ends_the_build(tmp_path, text, told):
    for name in ("furo", "myst_nb", "sphinx"):
        pytest.importorskip(name)
    folder = tmp_path / "docs"
    (folder / "site").mkdir(parents=True)
    shutil.copy(ROOT / "docs/conf.py", folder)
    toctree = "```{toctree}\nother.md\n```"
    (folder / "index.md").write_text(f"# Site\n\n{text}\n\n{toctree}\n")
    (folder / "other.md").write_text("# Other\n\n## A heading\n")
    done = subprocess.run(
        docs.command(tmp_path, tmp_path / "built"), capture_output=True, text=True
    )
    assert (done.returncode == 0) == (told is None), done.stderr
    assert told is None or told in done.stderr


@pytest.mark.slow
def test_a_notebook_is_run_in_whole_or_told_of(tmp_path):
    for name in ("nbclient", "ipykernel"):
        pytest.importorskip(name)
    path = tmp_path / "book.ipynb"
    cell = {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": []}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    book = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}}
    path.write_text(json.dumps({**book, "cells": [{**cell, "source": "6 * 7"}]}))
    ran = docs.run_notebook(path)
    assert ran["metadata"] == {"kernelspec": kernel} and ran["cells"][0]["metadata"] == {}
    assert ran["cells"][0]["outputs"][0]["data"] == {"text/plain": "42"}
    failing = {**book, "cells": [{**cell, "source": "1 / 0"}]}
    path.write_text(json.dumps(failing))
    with pytest.raises(click.ClickException, match="division by zero"):
        docs.run_notebook(path)
    assert json.loads(path.read_text()) == failing


def test_the_tutorial_is_kept_as_it_ran():
    """Whole and in order, without an error, with its pictures, and small."""
    cells = [
        c for c in json.loads(docs.TUTORIAL.read_text("utf-8"))["cells"] if c["cell_type"] == "code"
    ]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"display_data", "execute_result"}
    kinds = [kind for output in outputs for kind in output["data"]]
    assert sum(kind.startswith("image/") for kind in kinds) >= 6
    assert docs.TUTORIAL.stat().st_size < 400_000
