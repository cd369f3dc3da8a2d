"""A pytest plugin under which what asks for the CPU gets the GPU, made of the host.

``python -m pytest -p tests.hostcuda.forced``: so the ordinary tests run once more, on CuPy.
"""

from tests.hostcuda.plugin import (  # noqa: F401
    pytest_runtest_protocol,
    pytest_terminal_summary,
)


def pytest_configure():
    """Chooses the first GPU for whoever chooses the CPU."""
    from texsynth.network import device

    select = device.select
    device.select = lambda gpu: select(max(gpu, 0))
