"""The build backend, without a network; ``.ci/install`` installs for real."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINE = (
    "texsynth: Chainer, which texsynth requires, can only be built with an older setuptools: set "
)


def load(name):
    path = ROOT / f"scripts/building/{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Setuptools:
    """As :mod:`importlib.metadata` has it."""

    def __init__(self, version, installer):
        self.version = version
        self.installer = installer

    def read_text(self, name):
        assert name == "INSTALLER"
        return self.installer


@pytest.fixture
def backend(monkeypatch):
    """The backend as pip runs it, which installs into an environment without Chainer."""
    backend = load("backend")
    for variable in list(os.environ):
        if variable.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("PIP_BUILD_TRACKER", "/tmp/tracker")
    monkeypatch.setattr(backend, "distribution", lambda name: Setuptools("84.2.1", "pip\n"))
    monkeypatch.setattr(backend, "_is_installed", lambda requirement: False)
    return backend


@pytest.fixture
def built(backend, monkeypatch):
    """The calls to build Chainer: command and environment."""
    built = []
    monkeypatch.setattr(
        backend.subprocess, "run", lambda command, env, check: built.append((command, env))
    )
    return built


def test_pip_builds_chainer_under_the_constraint(backend, built, monkeypatch):
    monkeypatch.setenv("PEP517_BACKEND_PATH", "/elsewhere")
    monkeypatch.setenv("_PYPROJECT_HOOKS_BACKEND_PATH", "/elsewhere")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    backend.make_ready()
    ((command, environment),) = built
    assert command[-1] == "chainer==7.8.1"
    assert command[:5] == [sys.executable, "-I", "-m", "pip", "wheel"]
    address = (ROOT / "scripts/build-constraints.txt").as_uri()
    assert environment["PIP_CONSTRAINT"] == environment["PIP_BUILD_CONSTRAINT"] == address
    assert environment["PIP_INDEX_URL"] == "https://index.example/simple"
    assert not [name for name in environment if "BACKEND_PATH" in name or "TRACKER" in name]


@pytest.mark.parametrize(
    ("version", "installer", "tracker"),
    [
        ("80.9.0", "pip\n", True),  # a constraint holds
        ("80.9.0", "uv", False),
        ("84.2.1", "pip\n", False),  # python -m build, which installs nothing of ours
        ("84.2.1", None, False),  # a distribution's setuptools
    ],
)
def test_nothing_is_built_for_who_needs_nothing(
    backend, built, monkeypatch, version, installer, tracker
):
    monkeypatch.setattr(backend, "distribution", lambda name: Setuptools(version, installer))
    if not tracker:
        monkeypatch.delenv("PIP_BUILD_TRACKER")
    backend.make_ready()
    assert built == []


@pytest.mark.parametrize("variable", ["PIP_NO_DEPS", "PIP_NO_DEPENDENCIES", "PIP_NO_INDEX"])
def test_nothing_is_built_where_pip_would_not(backend, built, monkeypatch, variable):
    monkeypatch.setenv(variable, "1")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    backend.make_ready()
    assert built == []


def test_nothing_is_built_where_chainer_is_installed(backend, built, monkeypatch):
    monkeypatch.setattr(backend, "_is_installed", lambda requirement: True)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    backend.make_ready()
    assert built == []


def test_an_environment_is_asked_whether_it_has_chainer(monkeypatch):
    backend = load("backend")
    assert backend._is_installed("chainer==7.8.1")
    assert not backend._is_installed("chainer==7.8.0")
    monkeypatch.setattr(backend.sys, "executable", sys._base_executable)
    has = subprocess.run([sys._base_executable, "-I", "-c", "import chainer"], check=False)
    assert has.returncode != 0
    assert not backend._is_installed("chainer==7.8.1")


def test_a_pip_without_cache_is_told_what_to_do(backend, built, monkeypatch):
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    with pytest.raises(SystemExit, match="^" + LINE) as stop:
        backend.make_ready()
    assert "set PIP_CONSTRAINT and PIP_BUILD_CONSTRAINT to" in str(stop.value)
    assert len(str(stop.value).splitlines()) == 1
    assert built == []


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
def test_options_of_the_command_line_are_seen(backend):
    """By a process of its own, whose parent is called like pip with an option."""
    code = (
        f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {ASK!r}, "
        f"{str(ROOT / 'scripts/building')!r}]))"
    )
    command = [sys.executable, "-c", code, "install", "--no-cache-dir", "."]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "['--no-cache-dir']\n"


ASK = (
    "import sys; sys.path.insert(0, sys.argv[1]); import backend; "
    "print(sorted(backend._arguments_of_pip() & {'--no-cache-dir', '--no-deps', '--no-index'}))"
)


def test_uv_is_told_what_to_do(backend, built, monkeypatch):
    monkeypatch.delenv("PIP_BUILD_TRACKER")
    monkeypatch.setattr(backend, "distribution", lambda name: Setuptools("84.2.1", "uv"))
    with pytest.raises(SystemExit, match=f"^{LINE}UV_BUILD_CONSTRAINT to the full path"):
        backend.make_ready()


def test_uv_has_the_same_constraint():
    """Of a project that uv is called in, it reads the second."""
    import tomllib

    lines = (ROOT / "scripts/build-constraints.txt").read_text(encoding="utf-8").splitlines()
    constraints = [line for line in lines if not line.startswith("#")]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["uv"]["build-constraint-dependencies"] == constraints


@pytest.mark.parametrize(
    ("origin", "address"),
    [
        ("https://github.com/a/b.git", "https://github.com/a/b"),
        ("https://user:secret@github.com/a/b", "https://github.com/a/b"),
        ("git@github.com:a/b.git", "https://github.com/a/b"),
        (
            "ssh://git@gitlab.example.org:2222/group/a/b.git/",
            "https://gitlab.example.org/group/a/b",
        ),
        ("/srv/git/b.git", None),
        ("../b", None),
        ("file:///srv/b.git", None),
        ("", None),
    ],
)
def test_the_address_of_the_source_is_that_of_the_clone(origin, address):
    assert load("described")._on_the_web(origin) == address


def test_an_sdist_says_itself_where_its_source_is(tmp_path, monkeypatch):
    described = load("described")
    monkeypatch.setattr(described, "ROOT", tmp_path)
    info = tmp_path / "PKG-INFO"
    info.write_text(
        "Name: texsynth\nProject-URL: Paper, https://a\nProject-URL: Source, https://b\n"
    )
    assert described.source() == "https://b"
    info.write_text("Name: texsynth\n")
    assert described.source() is None


def test_a_folder_that_is_no_clone_has_no_address(tmp_path, monkeypatch):
    described = load("described")
    monkeypatch.setattr(described, "ROOT", tmp_path)
    assert described.source() is None
    monkeypatch.setenv("PATH", str(tmp_path))  # no git
    assert described.source() is None


def test_pictures_and_links_of_the_readme_hold_on_an_index():
    described = load("described")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert described.absolute(text, None) == text
    shown = described.absolute(text, "https://host/a/b")
    assert "![" in shown and "](https://host/a/b/raw/HEAD/samples/pebbles_comparison.png)" in shown
    assert "[日本語の README](https://host/a/b/blob/HEAD/README.ja.md)" in shown
    targets = [found["target"] for found in described._LINK.finditer(shown)]
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []


@pytest.mark.parametrize("given", [None, {}, {"--global-option": "--quiet"}])
def test_a_wheel_is_built_outside_the_tree(backend, monkeypatch, given):
    """What stays in a folder ``build`` there would be in the next wheel too."""
    asked = []

    def build(folder, settings, metadata):
        *others, command, option, base = settings["--global-option"]
        assert (command, option) == ("build", "--build-base")
        asked.append((folder, metadata, others, Path(base)))
        assert not any(Path(base).iterdir()) and not Path(base).is_relative_to(ROOT)
        return "texsynth.whl"

    monkeypatch.setattr(backend.build_meta, "build_wheel", build)
    assert backend.build_wheel("wheels", given, "metadata") == "texsynth.whl"
    ((folder, metadata, others, base),) = asked
    assert (folder, metadata) == ("wheels", "metadata")
    assert others == (["--quiet"] if given else []) and not base.exists()
    assert given in (None, {}, {"--global-option": "--quiet"})
