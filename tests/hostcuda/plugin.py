"""A pytest plugin under which the whole run has a GPU, made of the host.

``python -m pytest -p tests.hostcuda.plugin``. At the end it tells how many tests used the GPU.
"""

import pytest

from tests import hostcuda

if reason := hostcuda.why_not():
    raise SystemExit(f"hostcuda: {reason}")
hostcuda.install()

_used = set()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Notes whether the test had anything run on the device."""
    before = _operations()
    try:
        return (yield)
    finally:
        # What the test itself reset counts from zero again.
        if _operations() != before:
            _used.add(item.nodeid)


def pytest_terminal_summary(terminalreporter):
    """Tells how many tests there were, and how many used the device."""
    total = sum(len(terminalreporter.getreports(kind)) for kind in ("passed", "failed"))
    terminalreporter.write_line(f"hostcuda: {len(_used)} of {total} tests used the GPU")


def _operations():
    counted = hostcuda.counters()
    return [counted[name] for name in ("launches", "library_calls", "graph_nodes", "d2h", "h2d")]
