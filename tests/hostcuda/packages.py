"""Where the parts of the packages lie that hostcuda is put below, or made with."""

import importlib.metadata
import importlib.util
from pathlib import Path


def folder(name):
    """Returns the folder of a package, which is not imported; None where it is not installed."""
    spec = importlib.util.find_spec(name)
    return None if spec is None else Path(next(iter(spec.submodule_search_locations)))


def extension_module(*parts):
    """Returns the path of an extension module, by the parts of its name."""
    (path,) = folder(parts[0]).joinpath(*parts[1:-1]).glob(f"{parts[-1]}.cpython*.so")
    return path


def cupy_version():
    """Returns the version of CuPy's wheel for CUDA 13.

    Raises:
        importlib.metadata.PackageNotFoundError: It is not installed.
    """
    return importlib.metadata.version("cupy-cuda13x")


def cuda_include():
    """Returns the folder of CUDA's headers, or None."""
    root = folder("nvidia")
    include = root and root / "cu13" / "include"
    return include if include and (include / "cuda.h").exists() else None


def openblas():
    """Returns the path of the OpenBLAS that NumPy's wheel brings, or None."""
    return next((folder("numpy").parent / "numpy.libs").glob("libscipy_openblas64_*.so"), None)
