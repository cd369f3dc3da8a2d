import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import texsynth
from texsynth.command import cli
from texsynth.command.keeping import EVERY
from texsynth.config import DEFAULT_LAYERS, Config
from texsynth.synthesis import presets

ROOT = Path(__file__).parent.parent
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(texsynth.__path__, "texsynth.")
    if module.name != "texsynth.__main__"
)


def public_names(module):
    """Yields every public function, class and method that a module defines."""
    for name, item in vars(module).items():
        if name.startswith("_") or getattr(item, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(item) or inspect.isclass(item):
            yield name, item
        if inspect.isclass(item):
            for attribute, member in vars(item).items():
                member = getattr(member, "fget", member)
                if not attribute.startswith("_") and inspect.isfunction(member):
                    yield f"{name}.{attribute}", member


def documented():
    """The modules; those that need CuPy are looked at where there is one."""
    needing = ("texsynth.network.cuda.", "texsynth.objective.captured")
    return [
        pytest.param(name, marks=pytest.mark.gpu) if name.startswith(needing) else name
        for name in MODULES
    ]


def imported(name):
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise
        pytest.skip("needs CuPy")


@pytest.mark.parametrize("name", documented())
def test_every_public_name_has_a_docstring(name):
    module = imported(name)
    assert module.__doc__
    undocumented = [name for name, item in public_names(module) if not inspect.getdoc(item)]
    assert not undocumented


@pytest.mark.parametrize("name", documented())
def test_docstrings_name_every_argument(name):
    module = imported(name)
    for qualified, item in public_names(module):
        text = inspect.getdoc(item)
        if not inspect.isfunction(item) or "Args:" not in text:
            continue
        for argument in inspect.signature(item).parameters:
            if argument != "self":
                assert re.search(rf"\b{argument}\b", text), f"{qualified}: {argument}"


def options():
    return [
        (option.opts, option.help)
        for option in cli.main.params
        if option.param_type_name == "option"
    ]


def test_every_option_has_a_help():
    assert all(help_text for _, help_text in options())


def test_the_help_tells_the_steps_of_the_presets():
    told = next(help_text for names, help_text in options() if "--iterations" in names)
    steps = {
        name: presets.choose(Config(preset=name), None).iterations
        for name in ("gatys", "natural", "paper", "regular")
    }
    others = ", ".join(f"{name} {steps[name]}" for name in ("regular", "gatys", "paper"))
    assert f"{steps['natural']}, {others}]" in told


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
def test_every_option_is_in_the_readme(readme):
    text = (ROOT / readme).read_text(encoding="utf-8")
    missing = [names for names, _ in options() if not all(f"`{name}" in text for name in names)]
    assert not missing


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
def test_the_readme_tells_the_defaults(readme):
    rows = re.findall(
        r"^\|.*`(--[a-z-]+)` \|.*\| (.*) \|$", (ROOT / readme).read_text(encoding="utf-8"), re.M
    )
    told = {name: default.strip("`") for name, default in rows}
    names = ("gpu", "engine", "preset", "size", "optimizer", "pooling", "seed")
    defaults = {f"--{name}": str(getattr(Config, name)) for name in names}
    defaults |= {"--lr": f"{Config.learning_rate:g}", "--every": str(EVERY)}
    defaults |= {"--layers": ",".join(DEFAULT_LAYERS)}
    assert {name: told[name] for name in defaults} == defaults
    presets_ = ("natural", "regular", "gatys", "paper")
    schemes = [presets.choose(Config(preset=name), None) for name in presets_]
    steps = [scheme.iterations for scheme in schemes]
    assert [int(number) for number in re.findall(r"\d+", told["--iterations"])] == steps
    margins = sorted({scheme.margin for scheme in schemes})
    assert [int(number) for number in re.findall(r"\d+", told["--margin"])] == margins


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md", "samples/README.md"])
def test_links_and_pictures_are_there(readme):
    path = ROOT / readme
    targets = re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8"))
    targets += re.findall(r'src="([^"]+)"', path.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert local
    assert [target for target in local if not (path.parent / target).exists()] == []


def test_scripts_that_the_readme_names_are_there():
    for script in re.findall(
        r"scripts/[\w.-]+\w", (ROOT / "README.md").read_text(encoding="utf-8")
    ):
        assert (ROOT / script).exists(), script


def test_tests_that_the_page_on_reliability_names_are_there():
    named = re.findall(
        r"`((?:\w+/)*test_\w+\.py)`", (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    )
    assert len(set(named)) > 20
    assert [name for name in named if not (ROOT / "tests" / name).is_file()] == []
