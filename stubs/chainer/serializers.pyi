from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

class NpzDeserializer:
    def __init__(self, npz: Mapping[str, npt.NDArray[Any]]) -> None: ...
