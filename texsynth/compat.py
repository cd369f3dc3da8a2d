"""Lets Chainer 7.8.1, its last release, import on today's NumPy and Python.

Every module of this package takes Chainer from here (``from texsynth.compat import chainer``), so
that the measures below stand before the first import of it. A program that imports Chainer itself
should import this module first.
"""

import sys
import types
import warnings
from typing import TYPE_CHECKING

import numpy as np

__all__ = ["chainer"]


def _restore_numpy_names() -> None:
    """Gives NumPy back the removed names that Chainer reads, and no others.

    ``numpy.sctypes`` went away in NumPy 2.0: ``chainer.functions.array.as_strided`` reads its
    ``"int"`` at import and its ``"float"`` in a backward pass. (``chainer.functions.resize_images``
    reads ``numpy.float`` too, when called: nothing here calls it.)
    """
    if not hasattr(np, "sctypes"):
        np.sctypes = {  # type: ignore[attr-defined]
            "int": [np.int8, np.int16, np.int32, np.int64],
            "uint": [np.uint8, np.uint16, np.uint32, np.uint64],
            "float": [np.float16, np.float32, np.float64, np.longdouble],
            "complex": [np.complex64, np.complex128, np.clongdouble],
            "others": [bool, object, bytes, str, np.void],
        }


def _stand_in_for_environment_check() -> None:
    """Registers an empty ``chainer._environment_check``.

    The real one imports ``numpy.distutils`` and ``pkg_resources``, which Python 3.12 and
    setuptools 81 no longer have, only to warn about Python 3.5.0, about Accelerate on macOS in
    2017, and about versions of CuPy that are newer than Chainer.
    """
    stand_in = types.ModuleType("chainer._environment_check")
    stand_in.check = lambda: None  # type: ignore[attr-defined]
    sys.modules.setdefault("chainer._environment_check", stand_in)


def _import_chainer() -> types.ModuleType:
    _restore_numpy_names()
    _stand_in_for_environment_check()
    with warnings.catch_warnings():
        # Deprecations inside a library that has had its last release: nothing a user can mend.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        # Invalid escape sequences in its docstrings, told once, when Python compiles them.
        warnings.simplefilter("ignore", SyntaxWarning)
        # CuPy's advice to install NCCL, which Chainer asks for at import and one GPU never needs.
        warnings.filterwarnings("ignore", message=r"\s*(nccl|cudnn) library could not be loaded")
        # On a machine with a GPU, chainer.functions.activation.relu makes a kernel when imported.
        warnings.filterwarnings("ignore", message="cuDNN is not enabled")
        import chainer

    return chainer


if TYPE_CHECKING:  # by the hints in stubs/: it has none
    import chainer
else:
    chainer = _import_chainer()
