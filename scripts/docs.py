"""Builds the site of docs/ by Sphinx, with warnings as errors, and looks at what was built.

Its pages load nothing from elsewhere, so that they are the same without a network, and nobody
learns who reads them.
"""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import click

import texsynth

ROOT = Path(__file__).resolve().parent.parent
TUTORIAL = ROOT / "docs/tutorial.ipynb"
PATIENCE = 600  # seconds, for a cell or the start of a kernel, where much else is going on
ELSEWHERE = re.compile(r"\s*(?:https?:)?//")
LINKS = {"a", "area"}  # go elsewhere when someone asks for it
NAMING = {"canonical", "author", "license"}  # relations of a <link> that no browser loads


class _Loads(HTMLParser):
    """Collects the addresses that a page loads by itself from elsewhere."""

    def __init__(self):
        super().__init__()
        self.found, self._is_style = [], False

    def handle_starttag(self, tag, attrs):
        values = {name: value or "" for name, value in attrs}
        self._is_style = tag == "style"
        if tag in LINKS or (tag == "link" and values.get("rel") in NAMING):
            return
        for name in ("src", "href", "data", "poster", "srcset", "style"):
            text = values.get(name, "")
            parts = text.split(",") if name == "srcset" else [text]
            self.found += styled(text) if name == "style" else filter(ELSEWHERE.match, parts)

    def handle_endtag(self, tag):
        self._is_style = False

    def handle_data(self, data):
        if self._is_style:
            self.found += styled(data)


def styled(css):
    """Returns the addresses elsewhere that a style sheet loads."""
    found = re.findall(r"(?:@import\s+|url\(\s*)(?:url\()?\s*[\"']?([^\"')\s]+)", css)
    return [address for address in found if ELSEWHERE.match(address)]


def loaded_from_elsewhere(folder):
    """Returns ``(file, address)`` of all that pages and style sheets load from elsewhere.

    Args:
        folder (pathlib.Path): Where they are, and in folders below it.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".html":
            page = _Loads()
            page.feed(path.read_text("utf-8"))
            found += [(path, address) for address in page.found]
        elif path.suffix == ".css":
            found += [(path, address) for address in styled(path.read_text("utf-8"))]
    return found


def command(root, folder):
    """Returns the command that builds a site.

    Args:
        root (pathlib.Path): The checkout, with ``docs/conf.py``.
        folder (pathlib.Path): What to write to.
    """
    options = ["--quiet", "--fail-on-warning", "--keep-going", "--conf-dir", str(root / "docs")]
    return [sys.executable, "-m", "sphinx", *options, str(root), str(folder)]


def undocumented(page):
    """Returns the public names that the page of the API does not have.

    Args:
        page (str): Its HTML.
    """
    names = set(texsynth.__all__) - {"__version__"}
    return sorted(names - set(re.findall(r'id="texsynth\.(\w+)"', page)))


def run_notebook(path):
    """Runs a notebook, and returns it with what came of it, without times and versions.

    Args:
        path (pathlib.Path): The notebook, which is left as it is; it runs in its folder.

    Raises:
        click.ClickException: A cell failed.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    book = nbformat.read(path, 4)
    kept = dict(book.metadata)
    resources = {"metadata": {"path": str(path.parent)}}
    limits = {"timeout": PATIENCE, "startup_timeout": PATIENCE, "record_timing": False}
    try:
        NotebookClient(book, resources=resources, **limits).execute()
    except CellExecutionError as error:
        raise click.ClickException(f"{path}: {error}") from error
    book.metadata = nbformat.from_dict(kept)
    return book


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=ROOT / "build/site")
@click.option("--tutorial", is_flag=True, help="Only run the tutorial, and keep its pictures.")
def main(folder, tutorial):
    """Run the tutorial, then build the site in FOLDER."""
    book = run_notebook(TUTORIAL)
    if tutorial:
        import nbformat

        nbformat.write(book, TUTORIAL)
        return
    if subprocess.run(command(ROOT, folder)).returncode:
        raise click.ClickException("the site could not be built; the reasons are above")
    wrong = [
        f"{path} loads {address}: no page may load anything from elsewhere"
        for path, address in loaded_from_elsewhere(folder)
    ]
    missing = undocumented((folder / "docs/api.html").read_text("utf-8"))
    wrong += [f"docs/api.md lacks texsynth.{name}" for name in missing]
    if wrong:
        raise click.ClickException("\n".join(wrong))
    click.echo(folder / "index.html")


if __name__ == "__main__":
    main()
