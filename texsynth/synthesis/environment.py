"""What a texture is made with: versions and machine, on which its last bits depend."""

import importlib.metadata
import platform
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from texsynth.version import __version__

if TYPE_CHECKING:  # the command's help does without Chainer
    from texsynth.compat import chainer
    from texsynth.synthesis.workshop import Workshop

_PACKAGES = ("chainer", "numpy", "numba", "cupy", "pillow")
_BUILDS_OF_CUPY = ("cupy-cuda13x", "cupy-cuda12x")  # by whose names its wheels are installed


def describe(workshop: "Workshop") -> dict[str, Any]:
    """Returns what a texture is made with, plain values by name.

    Args:
        workshop (texsynth.synthesis.workshop.Workshop): Where it is made.

    Returns:
        dict: Versions of the program, of Python and of the packages that compute; engine,
        precision, device, the name of a GPU, and the kind of machine.
    """
    versions = {name: version for name in _PACKAGES if (version := _version(name))}
    card = _card(workshop.device)
    return {
        "texsynth": __version__,
        "python": platform.python_version(),
        **versions,
        "engine": workshop.engine,
        "precision": workshop.precision,
        "device": str(workshop.device),
        **({} if card is None else {"card": card}),
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
    for distribution in (name, *(_BUILDS_OF_CUPY if name == "cupy" else ())):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _card(device: "chainer.backend.Device") -> str | None:
    """Returns the name that the driver has for a GPU; ``None`` for the CPU."""
    if device.xp.__name__ == "numpy":
        return None
    number = cast("chainer.backend.GpuDevice", device).device.id
    properties = device.xp.cuda.runtime.getDeviceProperties(number)
    return str(properties["name"].decode(errors="replace"))
