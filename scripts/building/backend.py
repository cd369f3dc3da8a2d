"""The build backend: setuptools', which first sees to it that Chainer can be installed too.

The index has Chainer's last release as sources alone, whose ``setup.py`` fails with a setuptools
of today. pip keeps the wheels that it builds: when a plain ``pip install .`` asks for our metadata,
and before it comes to Chainer, we let pip build Chainer under a constraint, and afterwards it finds
that wheel. Where that is of no use, a line says what to do.
"""

import contextlib
import os
import re
import shlex
import subprocess
import sys
import tempfile
from importlib.metadata import distribution
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = ROOT / "scripts/build-constraints.txt"

_TRACKER = "PIP_BUILD_TRACKER"  # which pip sets for what it builds
_PIPS = (_TRACKER, "PEP517_", "_PYPROJECT_HOOKS_")


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """As setuptools', but in a temporary folder.

    In ``build``, where it would be, files stay that are not in the package any more, and go into
    every later wheel.
    """
    settings = dict(config_settings or {})
    given = settings.get("--global-option", [])
    given = shlex.split(given) if isinstance(given, str) else list(given)
    with tempfile.TemporaryDirectory() as folder:
        settings["--global-option"] = [*given, "build", "--build-base", folder]
        return build_meta.build_wheel(wheel_directory, settings, metadata_directory)


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    """As setuptools', once Chainer can be built."""
    make_ready()
    return build_meta.prepare_metadata_for_build_wheel(metadata_directory, config_settings)


def prepare_metadata_for_build_editable(metadata_directory, config_settings=None):
    """As setuptools', once Chainer can be built."""
    make_ready()
    return build_meta.prepare_metadata_for_build_editable(metadata_directory, config_settings)


def make_ready():
    """Lets pip build and keep a wheel of Chainer, if whoever installs us could not build it.

    Raises:
        SystemExit: That would not help; the message is a line that says what does.
    """
    setuptools = distribution("setuptools")
    if int(setuptools.version.split(".")[0]) < 81:
        return  # it is constrained, and so it will be for Chainer
    if _TRACKER in os.environ:
        _make_ready_for_pip()
    elif (setuptools.read_text("INSTALLER") or "").strip() == "uv":
        # uv keeps what it builds without constraints apart from what it builds under them.
        raise SystemExit(_advice("UV_BUILD_CONSTRAINT"))


def _make_ready_for_pip():
    asked = _arguments_of_pip()
    # As setup.py requires it.
    chainer = re.search(r'"(chainer==.+?)"', (ROOT / "setup.py").read_text(encoding="utf-8"))[1]
    if asked & {"--no-deps", "--no-index"} or _is_installed(chainer):
        return
    if "--no-cache-dir" in asked:
        raise SystemExit(_advice("PIP_CONSTRAINT and PIP_BUILD_CONSTRAINT"))
    _build(chainer)


def _arguments_of_pip():
    """What pip was called with, as far as can be told: options in variables, and on Linux all."""
    options = {
        "PIP_NO_CACHE_DIR": "--no-cache-dir",
        "PIP_NO_DEPS": "--no-deps",
        "PIP_NO_DEPENDENCIES": "--no-deps",
        "PIP_NO_INDEX": "--no-index",
    }
    asked = {option for variable, option in options.items() if os.environ.get(variable)}
    with contextlib.suppress(OSError):
        called = Path(f"/proc/{os.getppid()}/cmdline").read_text(encoding="utf-8", errors="replace")
        asked.update(called.split("\0"))
    return asked


def _is_installed(requirement):
    """Whether the environment that pip installs into has it; -I: ours is one for building."""
    name, version = requirement.split("==")
    code = f"from importlib.metadata import version; exit(version({name!r}) != {version!r})"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=False)
    return done.returncode == 0


def _advice(variables):
    return (
        "texsynth: Chainer, which texsynth requires, can only be built with an older setuptools: "
        f"set {variables} to the full path of scripts/build-constraints.txt, or of a file with its "
        "one line, setuptools<81, and install again"
    )


def _build(requirement):
    """Builds a wheel of Chainer by the environment's own pip, for the sake of what that keeps.

    If this fails, pip may still have a wheel from elsewhere, and if not, it says why.
    """
    # Not what pip has set for this process, the place of our backend among it.
    environment = {key: value for key, value in os.environ.items() if not key.startswith(_PIPS)}
    # A URL: pip splits the variables at spaces.
    environment |= dict.fromkeys(("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT"), CONSTRAINTS.as_uri())
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-I", "-m", "pip", "wheel", "--no-deps", "--no-input"]
        command += ["--disable-pip-version-check", "--retries", "1", "--wheel-dir", folder]
        subprocess.run([*command, requirement], env=environment, check=False)
