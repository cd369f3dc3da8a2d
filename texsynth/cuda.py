"""Kernels for a GPU: sources compiled when first asked for, and launches recorded as a graph.

Nothing here imports CuPy before it is called.
"""

import functools
from importlib import resources

import numpy as np

OPTIONS = ("-std=c++17",)
"""What NVRTC is told beside the architecture."""


def source(package, name):
    """Returns a CUDA source, whole, with the header that its package has: NVRTC looks for no files.

    Args:
        package (str): Name of the package that it lies in.
        name (str): Its name, without ``.cu``.
    """
    folder = resources.files(package)
    headers = sorted(each.name for each in folder.iterdir() if each.name.endswith(".cuh"))
    return "\n".join((folder / each).read_text("utf-8") for each in [*headers, f"{name}.cu"])


@functools.cache
def load(package, name):
    """Returns a function from a kernel's name to the kernel, compiled for the current device.

    Args:
        package (str): Name of the package that the source lies in.
        name (str): The source's name, without ``.cu``.
    """
    import cupy

    return functools.cache(cupy.RawModule(code=source(package, name), options=OPTIONS).get_function)


def structure(dtype, *values):
    """Returns a C structure that a kernel takes by value.

    Args:
        dtype (numpy.dtype): Its fields, aligned.
        values: What is in them, in their order.
    """
    return np.array(values, dtype)


def blocks(count, threads):
    """Returns the blocks of threads that a number of values takes, a thread each.

    Args:
        count (int): Values.
        threads (int): Threads of a block.
    """
    return -(-count // threads)


def record(launch):
    """Returns a CUDA graph of launches; what they load must have been loaded before.

    The graph holds the arrays by their addresses: they must live as long.

    Args:
        launch: Makes the launches on the current stream.
    """
    import cupy

    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        try:
            launch()
        finally:
            graph = stream.end_capture()
    return graph
