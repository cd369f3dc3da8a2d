"""Runs a module as ``python -m`` does, on hostcuda: ``python -m tests.hostcuda MODULE [...]``."""

import runpy
import sys

from tests import hostcuda

if len(sys.argv) < 2:
    sys.exit("usage: python -m tests.hostcuda MODULE [ARGUMENTS]")
if reason := hostcuda.why_not():
    sys.exit(f"hostcuda: {reason}")
hostcuda.install()
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
