"""Runs a module as ``python -m`` does, on hostcuda: ``python -m tests.hostcuda MODULE [...]``.

Every Python that the module starts is on it, too.
"""

import os
import runpy
import sys
from pathlib import Path

from tests import hostcuda

if len(sys.argv) < 2:
    sys.exit("usage: python -m tests.hostcuda MODULE [ARGUMENTS]")
if reason := hostcuda.why_not():
    sys.exit(f"hostcuda: {reason}")
hostcuda.install()
children = str(Path(__file__).resolve().parent / "children")
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [children, os.environ.get("PYTHONPATH")]))
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
