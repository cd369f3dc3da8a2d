import sys
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner

from texsynth.command import cli, shared, words


@pytest.fixture
def word(monkeypatch):
    """``heal`` is a word, whose command tells its arguments."""

    @click.command("texsynth heal", cls=shared.OneLineErrors)
    @click.argument("paths", nargs=-1)
    def main(paths):
        click.echo(f"healed {paths}")

    monkeypatch.setitem(sys.modules, "texsynth.command.healing", SimpleNamespace(main=main))
    monkeypatch.setitem(words.MODULES, "heal", "healing")


def told(*arguments):
    return CliRunner().invoke(cli.main, arguments)


def test_a_word_before_the_images_asks_for_its_command(word):
    assert told("heal", "a.png", "b.png").output == "healed ('a.png', 'b.png')\n"


def test_its_errors_name_the_word(word):
    result = told("heal", "--nothing")
    assert result.exit_code == 2
    assert result.output.startswith("texsynth heal: error: ")


@pytest.mark.parametrize("arguments", [["./heal"], ["--quiet", "heal"], ["other.png", "heal"]])
def test_elsewhere_it_is_the_name_of_an_image(word, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = told(*arguments)
    assert "no such file" in result.output
    assert "healed" not in result.output


def test_the_command_line_of_the_process_is_looked_at_too(word, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["texsynth", "heal", "a.png"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code in (None, 0)
    assert capsys.readouterr().out == "healed ('a.png',)\n"
