"""What a texture is made with: versions and machine, on which its last bits depend."""

import importlib.metadata
import platform
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from texsynth.version import __version__

if TYPE_CHECKING:
    from texsynth.synthesis.workshop import Workshop

_PACKAGES = ("chainer", "numpy", "numba", "cupy", "pillow")


def describe(workshop: "Workshop") -> dict[str, Any]:
    """Returns what a texture is made with, plain values by name.

    Args:
        workshop (texsynth.synthesis.workshop.Workshop): Where it is made.

    Returns:
        dict: Versions of the program, of Python and of the packages that compute; engine, device,
        and the kind of machine.
    """
    versions = {name: version for name in _PACKAGES if (version := _version(name))}
    return {
        "texsynth": __version__,
        "python": platform.python_version(),
        **versions,
        "engine": workshop.engine,
        "device": str(workshop.device),
        "machine": f"{platform.system()} {platform.machine()}",
        "processes": workshop.team.size,
    }


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Returns what is not as it was, ``["numpy 2.1.0, now 2.2.0", ...]``.

    Args:
        then (dict): What :func:`describe` returned there.
        now (dict): What it returns here.
    """
    names = dict.fromkeys([*then, *now])
    return [
        f"{name} {then.get(name, 'none')}, now {now.get(name, 'none')}"
        for name in names
        if then.get(name) != now.get(name)
    ]


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
