"""Puts the stand-in below CuPy, in this process."""

import ctypes
import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from tests.hostcuda import building, core, jumps, packages, sorting

_CUPY = ("14.2.0", "13.6.0")  # whose extension modules building.py and jumps.py know
_NEEDED = ("cupy-cuda13x", "nvidia-cuda-runtime", "nvidia-cuda-crt")


def why_not():
    """Returns why hostcuda cannot be installed here, a line; None where it can."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return f"needs Linux on x86_64, not {platform.system()} on {platform.machine()}"
    if shutil.which("g++") is None:
        return "needs g++, which is not there"
    for name in _NEEDED:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return f"needs the package {name}, which is not installed"
        if name == _NEEDED[0] and version not in _CUPY:
            return f"needs {name} {' or '.join(_CUPY)}, not {version}"
    if packages.cuda_include() is None or packages.openblas() is None:
        return "needs CUDA's headers and NumPy's OpenBLAS as their wheels bring them"
    return None


def is_installed():
    """Returns whether CuPy runs on hostcuda in this process."""
    return core.is_loaded()


def install(cache=None):
    """Puts the stand-in below CuPy; nothing, where it is there already.

    Args:
        cache (str or pathlib.Path): Folder for what is compiled. By default that of the environment
            variable ``HOSTCUDA_CACHE``, or one among the temporary files.

    Raises:
        RuntimeError: CuPy was imported before, or hostcuda cannot run here.
    """
    if core.is_loaded():
        return
    if "cupy" in sys.modules or "cupy_backends" in sys.modules:
        raise RuntimeError("hostcuda.install() comes before the first import of cupy")
    if reason := why_not():
        raise RuntimeError(f"hostcuda {reason}")
    default = Path(tempfile.gettempdir()) / f"hostcuda-{os.getuid()}"
    cache = Path(cache or os.environ.get("HOSTCUDA_CACHE") or default).absolute()
    state = building.build(cache)
    os.environ["HOSTCUDA_CACHE"] = str(cache)  # processes started from here share it
    _set_environment(state)
    _load(state / "lib")


def _set_environment(state):
    os.environ["HOSTCUDA_KERNELS"] = str(state / "kernels")
    os.environ["HOSTCUDA_OPENBLAS"] = str(packages.openblas())
    os.environ["HOSTCUDA_FLAGS"] = f"-I'{building.SOURCES}' -I'{packages.cuda_include()}'"
    os.environ["CUPY_CACHE_DIR"] = str(state / "cupy")  # what it keeps are paths of ours
    os.environ.setdefault("CUPY_ACCELERATORS", "")  # CUB's kernels are machine code for GPUs


def _load(folder):
    library = core.load(folder / building.CORE)
    runtime = ctypes.CDLL(str(folder / building.RUNTIME), ctypes.RTLD_GLOBAL)
    for name in building.LOADED:  # found by their names from now on, whoever asks
        ctypes.CDLL(str(folder / name), ctypes.RTLD_GLOBAL)
    path = packages.extension_module("cupy_backends", "cuda", "api", "runtime")
    jumps.overwrite(path, "cuda[A-Z]", [library, runtime])
    sorting.stand_in()
