"""Looks whether the installed CuPy has all that is asked of it by name; this needs no GPU.

``python -m tests.hostcuda.names [FILE.py ...]``, of the package's sources if none are given. It
reads ``cupy.a.b``, and ``xp.a.b``, ``_xp.a.b`` and ``something.xp.a.b``, since arrays of NumPy and
of CuPy are treated alike; and what CuPy's objects are asked for, as far as :data:`OF_OBJECTS` goes.
"""

import ast
import importlib
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "texsynth"
OF_OBJECTS = {
    "ndarray": "argsort astype copy data dtype fill flags get item itemsize max mean nbytes ravel "
    "reshape set shape size sort strides sum transpose",
    "cuda.Device": "id cublas_handle compute_capability",
    "cuda.Event": "record synchronize",
    "cuda.Graph": "launch",
    "cuda.MemoryPointer": "ptr",
    "cuda.MemoryPool": "free_all_blocks free_bytes total_bytes used_bytes",
    "cuda.Stream": "begin_capture end_capture record synchronize wait_event",
    "RawModule": "get_function",
}
"""Attributes of objects, which no source names together with their class."""


def asked(source):
    """Yields ``(line, dotted name)`` of what a source asks of CuPy, without ``cupy.``.

    Args:
        source (str): Python.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and (parts := _parts(node)):
            yield node.lineno, ".".join(parts)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "cupy":
            module = node.module.split(".")[1:]
            for name in node.names:
                yield node.lineno, ".".join([*module, name.name])


def _parts(node):
    """The names after the one that stands for CuPy; none where there is no such one."""
    parts = []
    while isinstance(node, ast.Attribute):
        if node.attr in ("xp", "_xp"):
            return parts[::-1]
        parts.append(node.attr)
        node = node.value
    return parts[::-1] if isinstance(node, ast.Name) and node.id in ("cupy", "xp") else []


def has(cupy, dotted):
    """Returns whether CuPy has a name.

    Args:
        cupy (types.ModuleType): CuPy.
        dotted (str): As :func:`asked` yields it.
    """
    found = cupy
    for part in dotted.split("."):
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True


def missing(cupy, paths):
    """Returns a line for each name that CuPy does not have.

    Args:
        cupy (types.ModuleType): CuPy.
        paths: Python files.
    """
    lines = [
        f"{path}:{line}: cupy.{dotted}"
        for path in paths
        for line, dotted in asked(Path(path).read_text())
        if not has(cupy, dotted)
    ]
    dotted = (f"{kind}.{name}" for kind, names in OF_OBJECTS.items() for name in names.split())
    return lines + [f"{__name__}: cupy.{each}" for each in dotted if not has(cupy, each)]


def main(paths):
    """Prints what is missing, and how much was looked for."""
    cupy = importlib.import_module("cupy")
    paths = paths or sorted(PACKAGE.rglob("*.py"))
    lines = missing(cupy, paths)
    number = sum(len(list(asked(Path(path).read_text()))) for path in paths)
    print(*lines, sep="\n", end="\n" if lines else "")
    print(f"CuPy {cupy.__version__}: {len(lines)} missing of {number} in {len(paths)} files")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
