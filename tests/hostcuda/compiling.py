"""Compiles CUDA sources by the real NVRTC, which needs no GPU, for those that there are.

``python -m tests.hostcuda.compiling --cache FOLDER [--met LIST] [FILE.cu ...]``: the kernels that a
run met (see ``HOSTCUDA_MET``), and whole files. What compiled once is not compiled again.
"""

import argparse
import concurrent.futures
import ctypes
import hashlib
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

from tests.hostcuda import packages
from texsynth.cuda import OPTIONS

ARCHITECTURES = (75, 80, 90, 100)


class Source(NamedTuple):
    """What is compiled.

    Attributes:
        name (str): For messages.
        text (str): CUDA C++.
        options (tuple): Of NVRTC, without the architecture.
        expressions (tuple): Instances of templates to make.
    """

    name: str
    text: str
    options: tuple
    expressions: tuple = ()


class NVRTC:
    """The real library.

    Attributes:
        version (str): Its version.

    Raises:
        ImportError: It is not installed.
    """

    def __init__(self):
        folder = packages.folder("nvidia")
        libraries = sorted(folder.glob("cu13/lib/libnvrtc*.so.*")) if folder else []
        if not libraries:
            raise ImportError("needs the package nvidia-cuda-nvrtc")
        # It does not look for its builtins beside itself; their name comes before its own.
        *_, self._library = [ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL) for path in libraries]
        numbers = ctypes.c_int(), ctypes.c_int()
        self._check(self._library.nvrtcVersion(*map(ctypes.byref, numbers)))
        self.version = ".".join(str(number.value) for number in numbers)

    def compile(self, source, architecture):
        """Compiles a source to machine code, and returns its size in bytes.

        Args:
            source (Source): What to compile.
            architecture (int): As 90 for ``sm_90``.

        Raises:
            RuntimeError: It does not compile; with what NVRTC says.
        """
        library, program = self._library, ctypes.c_void_p()
        reference, text = ctypes.byref(program), source.text.encode()
        self._check(library.nvrtcCreateProgram(reference, text, b"kernel.cu", 0, None, None))
        try:
            for expression in source.expressions:
                self._check(library.nvrtcAddNameExpression(program, expression.encode()))
            options = [o.encode() for o in (f"-arch=sm_{architecture}", *source.options)]
            array = (ctypes.c_char_p * len(options))(*options)
            if library.nvrtcCompileProgram(program, len(options), array):
                raise RuntimeError(self._log(program))
            size = ctypes.c_size_t()
            self._check(library.nvrtcGetCUBINSize(program, ctypes.byref(size)))
            return size.value
        finally:
            library.nvrtcDestroyProgram(reference)

    def _log(self, program):
        size = ctypes.c_size_t()
        self._check(self._library.nvrtcGetProgramLogSize(program, ctypes.byref(size)))
        log = ctypes.create_string_buffer(size.value)
        self._check(self._library.nvrtcGetProgramLog(program, log))
        return log.value.decode()

    @staticmethod
    def _check(status):
        if status:
            raise RuntimeError(f"NVRTC failed with {status}")


def met_sources(listing):
    """Returns the sources of the kernels that a run met, each once.

    Args:
        listing (pathlib.Path): The file that ``HOSTCUDA_MET`` named.
    """
    stems = [Path(line).with_suffix("") for line in listing.read_text().split("\n") if line]
    return [_met_source(stem) for stem in dict.fromkeys(stems)]


def _met_source(stem):
    options, expressions = (
        tuple(filter(None, stem.with_suffix(suffix).read_text().split("\n")))
        for suffix in (".options", ".expressions")
    )
    options += ("-std=c++17", "--device-as-default-execution-space")  # as CuPy has it
    return Source(stem.name, stem.with_suffix(".cu").read_text(), options, expressions)


def _whole_source(path):
    """Returns a file with the headers beside it, as the package compiles it."""
    parts = [*sorted(path.parent.glob("*.cuh")), path]
    return Source(str(path), "\n".join(part.read_text() for part in parts), OPTIONS)


class _Compiled:
    """Which sources compiled before, for which architectures."""

    def __init__(self, folder, version):
        self._folder, self._version = folder, version
        folder.mkdir(parents=True, exist_ok=True)

    def _mark(self, source, architecture):
        told = repr((source.text, source.options, source.expressions, architecture, self._version))
        return self._folder / hashlib.sha256(told.encode()).hexdigest()

    def has(self, source, architecture):
        return self._mark(source, architecture).exists()

    def add(self, source, architecture):
        self._mark(source, architecture).touch()


def compile_all(sources, cache):
    """Compiles sources for all architectures.

    Args:
        sources (list of Source): What to compile.
        cache (pathlib.Path): Folder that tells what compiled before.

    Returns:
        tuple: Messages of what failed, and how many had compiled before.
    """
    nvrtc = NVRTC()
    compiled = _Compiled(cache, nvrtc.version)
    wanted = [(source, number) for source in sources for number in ARCHITECTURES]
    missing = [each for each in wanted if not compiled.has(*each)]

    def attempt(source, architecture):
        try:
            nvrtc.compile(source, architecture)
        except RuntimeError as error:
            return f"{source.name}, sm_{architecture}: {error}"
        compiled.add(source, architecture)
        return None

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        messages = list(pool.map(lambda each: attempt(*each), missing))
    return list(filter(None, messages)), len(wanted) - len(missing)


def main():
    """Compiles what the arguments name; ends with 1 where something fails."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE.cu")
    parser.add_argument("--met", type=Path, help="list of kernels that a run met")
    parser.add_argument("--cache", type=Path, required=True, help="what compiled before")
    arguments = parser.parse_args()
    began = time.monotonic()
    whole = [_whole_source(path) for path in arguments.files]
    met = met_sources(arguments.met) if arguments.met else []
    if not met and not whole:
        sys.exit("compiling: no kernel to compile")
    messages, before = compile_all([*whole, *met], arguments.cache)
    for message in messages:
        print(message)
    places = ", ".join(f"sm_{number}" for number in ARCHITECTURES)
    print(
        f"NVRTC: {len(met)} kernels that were met and {len(whole)} whole files for {places}: "
        f"{len(messages)} failed, {before} compiled before, {time.monotonic() - began:.0f} s"
    )
    sys.exit(bool(messages))


if __name__ == "__main__":
    main()
