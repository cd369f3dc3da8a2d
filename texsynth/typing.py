"""Names for what type hints say again and again; docstrings say shapes, units and ranges."""

import os
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
"""An array on any device: NumPy's, or CuPy's, which has its methods and no hints of its own."""

Batch: TypeAlias = npt.NDArray[np.float32]
"""Images as the package has them inside, ``(N, 3, H, W)``, RGB, 0..255; NumPy's."""

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""An image as it comes and goes, ``(H, W, 3)``, RGB; NumPy's."""

Alpha: TypeAlias = npt.NDArray[np.uint8]
"""How opaque an image is, ``(H, W)``; NumPy's."""

Map: TypeAlias = npt.NDArray[np.float32]
"""The values of an image file, ``(H, W, C)``, white is 1: grey, or RGB, and alpha; NumPy's."""

Size: TypeAlias = tuple[int, int]
"""``(width, height)`` or ``(rows, columns)`` in pixels, as the docstring says."""

Wrap: TypeAlias = tuple[bool, bool]
"""``(rows, columns)``: whether opposite edges are neighbours along each."""

StrPath: TypeAlias = str | os.PathLike[str]
"""The path of a file."""
