import importlib
import pkgutil

import click
import pytest
from click.testing import CliRunner

import texsynth.command
import texsynth.evaluation
from texsynth.command import OneLineErrors, device_options
from texsynth.command.cli import main
from texsynth.command.device import parse
from texsynth.errors import ConfigError

USAGE = 2


@click.command("probe", cls=OneLineErrors)
@click.argument("name")
@device_options
def probe(name, gpu):
    click.echo(f"{name} on {gpu}")


def on(*arguments):
    result = CliRunner().invoke(probe, ["work", *arguments])
    assert result.exit_code == 0, result.output
    return int(result.output.removeprefix("work on "))


@pytest.mark.parametrize(
    ("text", "gpu"),
    [("@numpy", -1), ("-1", -1), ("0", 0), ("7", 7), ("@cupy:0", 0), ("@cupy:12", 12)],
)
def test_a_device_is_a_number(text, gpu):
    """As ``chainer.get_device`` reads them."""
    assert parse(text) == on("--device", text) == on("-d", text) == gpu


@pytest.mark.parametrize(
    ("text", "why"),
    [
        *((text, "; ChainerX is not used here") for text in ("native", "native:0", "cuda:0")),
        ("@chainerx:cuda:1", "; ChainerX is not used here"),
        ("@intel64", "; iDeep is not used here"),
        ("@cupy", "; a GPU has a number"),
        *((text, "") for text in ("", "-2", "gpu", "@cupy:", "@cupy:-1", "@numpy:0", "0.5", "٣")),
        *((text, "") for text in ("cuda:0\n", "cuda:x", " 0", "1" * 10)),
    ],
)
def test_other_devices_are_refused_in_one_line(text, why):
    allowed = "device must be @numpy, @cupy:0 (or another number) or a number (-1 is the CPU)"
    with pytest.raises(ConfigError) as refusal:
        parse(text)
    assert str(refusal.value) == f"{allowed}, not {text!r}{why}"
    result = CliRunner().invoke(probe, ["work", "--device", text])
    assert result.exit_code == USAGE and result.stderr.count("\n") == 1
    assert "'-d' / '--device': device must be" in result.stderr


def test_both_options_may_say_the_same_and_the_default_says_nothing():
    assert on() == on("-g", "-1") == on("-g", "-1", "-d", "@numpy") == -1
    assert on("-g", "2", "-d", "@cupy:2") == on("-d", "2") == 2


@pytest.mark.parametrize(("gpu", "device", "number"), [("0", "@numpy", -1), ("-1", "@cupy:1", 1)])
def test_two_that_say_different_things_are_refused(gpu, device, number):
    for command in (probe, main):
        result = CliRunner().invoke(command, ["work", "-g", gpu, "-d", device])
        assert result.exit_code == USAGE and result.stderr.count("\n") == 1
        assert f"--gpu {gpu} and --device {number} are different devices" in result.stderr


def commands():
    """All commands of the package."""
    for room in (texsynth.command, texsynth.evaluation):
        for module in pkgutil.iter_modules(room.__path__, f"{room.__name__}."):
            for item in vars(importlib.import_module(module.name)).values():
                if isinstance(item, click.Command):
                    yield item
                    yield from getattr(item, "commands", {}).values()


def test_every_command_with_a_gpu_has_a_device():
    found = {command.name: {option.name for option in command.params} for command in commands()}
    assert {"texsynth", "texsynth.evaluate", "texsynth.statistics"} <= found.keys()
    assert [name for name, options in found.items() if len({"gpu", "device"} & options) == 1] == []


def test_a_record_and_a_png_name_the_number(tmp_path, monkeypatch):
    """Whoever replays or resumes sees no difference between the two ways to say it."""
    asked = []
    monkeypatch.setattr("texsynth.command.cli.carry_out", lambda order, quiet: asked.append(order))
    for options in (["-g", "3"], ["-d", "@cupy:3"], ["-d", "3", "-g", "3"]):
        assert CliRunner().invoke(main, [str(tmp_path / "a.png"), *options]).exit_code == 0
    first, *others = asked
    assert first.config.gpu == 3 and others == [first, first]
