"""Puts hostcuda below CuPy in every Python that has this folder in ``PYTHONPATH``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests import hostcuda

del sys.path[0]
hostcuda.install()
