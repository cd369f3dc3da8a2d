"""The clock is there without Numba, and is then any other."""

import subprocess
import sys


def test_it_imports_no_compiler():
    code = (
        "import sys, time\n"
        "from texsynth.network import clock\n"
        "before = time.perf_counter()\n"
        "assert before <= clock.now() <= time.perf_counter() and clock.compiling() == 0\n"
        "assert 'numba' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
