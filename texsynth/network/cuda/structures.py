"""C structures as the kernels take them, by value: see layers.cuh and first_layer.cu."""

import numpy as np

GRID = np.dtype(
    [
        *((name, "i4") for name in ("height", "width", "rows", "columns", "wrap_y", "wrap_x")),
        *((name, "i4") for name in ("first", "count", "pitch")),
    ],
    align=True,
)
_PLACE = [(name, "i4") for name in ("top", "left", "inner_height", "inner_width")]
GRADIENT = np.dtype(
    [("dense", "u8"), ("inner", "u8"), ("height", "i4"), ("width", "i4"), *_PLACE], align=True
)
COPY = np.dtype([("to", "u8"), *_PLACE], align=True)
RANGE = np.dtype([*_PLACE, ("gradient", "f4")], align=True)
