"""The command ``studio``: its options, and how it ends; what it serves is in ``tests/live``."""

import socket
import sys

import pytest
from click.testing import CliRunner

from texsynth.command import cli
from texsynth.command.desk import Desk


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the command in an empty folder; the first thing to do ends it, as a signal does."""
    monkeypatch.chdir(tmp_path)
    desks = []

    def work(desk, quiet, page):
        desks.append(desk)
        return 130

    monkeypatch.setattr(Desk, "work", work)

    def run(*arguments):
        result = CliRunner().invoke(cli.main, ["studio", *arguments])
        return result, desks[-1] if desks else None

    return run


def test_it_tells_where_the_page_is_and_where_results_are(run, tmp_path):
    result, _ = run()
    assert result.exit_code == 0
    assert "texsynth: open http://127.0.0.1:" in result.stderr
    assert "texsynth: results are in studio/" in result.stderr
    assert (tmp_path / "studio/uploads").is_dir()
    result, _ = run("-q", "-o", "elsewhere/here")
    assert "results" not in result.stderr and "http://127.0.0.1:" in result.stderr
    assert (tmp_path / "elsewhere/here/uploads").is_dir()


@pytest.mark.parametrize(
    ("options", "passed"),
    [
        ([], []),
        (["--gpu", "1"], ["--gpu", "1"]),
        (["--device", "@cupy:2"], ["--gpu", "2"]),
        (["--engine", "plain", "--weights", "w x.npz"],
         ["--engine", "plain", "--weights", "w x.npz"]),
        (["--precision", "fp32", "--memory", "1.5GiB"],
         ["--precision", "fp32", "--memory", "1536MiB"]),
    ],
)  # fmt: skip
def test_options_for_all_runs_stand_on_each_command_line(run, options, passed):
    result, desk = run(*options)
    assert result.exit_code == 0 and desk._options == passed


def test_without_the_libraries_nothing_is_made(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "starlette", None)
    result, desk = run()
    assert result.exit_code == 1 and desk is None
    assert result.stderr.startswith("texsynth studio: error: the page needs starlette and uvicorn")
    assert list(tmp_path.iterdir()) == []


def test_what_is_in_its_way_is_a_line(run, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        result, _ = run("--port", str(other.getsockname()[1]))
    assert result.exit_code == 2 and "cannot be had: Address already in use" in result.stderr
    (tmp_path / "file").write_text("in the way")
    result, _ = run("-o", "file")
    assert result.exit_code == 2 and "is to be a folder, but there is a file" in result.stderr


def test_ctrl_c_while_it_waits_ends_it_in_good_order(run, monkeypatch):
    def work(desk, quiet, page):
        raise KeyboardInterrupt

    monkeypatch.setattr(Desk, "work", work)
    result, _ = run()
    assert result.exit_code == 0 and "results are in" in result.stderr


def test_the_help_of_the_command_names_the_word():
    told = " ".join(CliRunner().invoke(cli.main, ["--help"]).output.split())
    assert '"studio" for a page to do it all from' in told
    told = CliRunner().invoke(cli.main, ["studio", "--help"]).output
    for name in ("--port", "--out", "--gpu", "--weights", "--offline"):
        assert name in told
