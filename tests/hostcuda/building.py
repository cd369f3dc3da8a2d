"""Makes the stand-in libraries by g++, once for each state of their sources and of the machine."""

import hashlib
import platform
import re
import subprocess
from pathlib import Path

from filelock import FileLock

from tests.hostcuda import elf, packages

SOURCES = Path(__file__).resolve().parent / "src"
CORE = "libhostcuda.so"
RUNTIME = "libhostcudart.so"
LIBRARIES = {  # name: the extension module of CuPy's that is linked to it
    "libcublas.so.13": ("cupy_backends", "cuda", "libs", "cublas"),
    "libcufft.so.12": ("cupy", "cuda", "cufft"),
    "libcurand.so.10": ("cupy_backends", "cuda", "libs", "curand"),
    "libcusolver.so.12": ("cupy_backends", "cuda", "libs", "cusolver"),
    "libcusparse.so.12": ("cupy_backends", "cuda", "libs", "cusparse"),
}
NEVER_CALLED = ("libcublasLt.so.13", "libnvJitLink.so.13", "libcudart.so.13")
LOADED = ("libcuda.so.1", "libnvrtc.so.13", *LIBRARIES, *NEVER_CALLED)
_OURS = ("counters.cpp", "memory.cpp", "streams.cpp", "runtime.cpp", "driver.cpp")


def build(cache):
    """Makes what is missing.

    Args:
        cache (pathlib.Path): A folder for this and other states.

    Returns:
        pathlib.Path: The folder of this state, with ``lib`` (the libraries), ``kernels`` and
        ``cupy`` (what CuPy keeps).
    """
    state = cache / _state()
    for name in ("lib", "kernels", "cupy"):
        (state / name).mkdir(parents=True, exist_ok=True)
    done = state / "built"
    with FileLock(state / "lock"):
        if not done.exists():
            _Maker(state / "lib").make_all()
            done.touch()
    return state


def _state():
    """Returns a name for all that the libraries and kernels depend on."""
    compiler = subprocess.run(["g++", "--version"], capture_output=True, check=True).stdout
    digest = hashlib.sha256(compiler)
    for path in [*sorted(SOURCES.rglob("*.*")), Path(__file__)]:
        digest.update(path.read_bytes())
    cpu = Path("/proc/cpuinfo").read_text()  # kernels are compiled for the machine's own processor
    digest.update("".join(sorted(set(re.findall(r"^(?:flags|model name).*", cpu, re.M)))).encode())
    for path in (packages.cuda_include(), packages.folder("cupy"), SOURCES):
        digest.update(str(path).encode())
    for version in (platform.python_version(), packages.cupy_version()):
        digest.update(version.encode())
    return digest.hexdigest()[:16]


class _Maker:
    """Makes the libraries in a folder."""

    def __init__(self, folder):
        self._folder = folder

    def make_all(self):
        self._make(CORE, [SOURCES / name for name in _OURS], "-ldl")
        runtime = elf.symbols(
            packages.extension_module("cupy_backends", "cuda", "api", "runtime"), "all"
        )
        names = {s.name for s in runtime if s.is_defined and re.match("cuda[A-Z]", s.name)}
        ours = self._defined(CORE)
        self._make_beside(RUNTIME, [self._stubs(RUNTIME, names - ours)])
        self._make_beside("libcuda.so.1", [self._stubs("libcuda.so.1", _driver_functions() - ours)])
        self._make_beside("libnvrtc.so.13", [SOURCES / "nvrtc.cpp", SOURCES / "kernel_source.cpp"])
        for name, module in LIBRARIES.items():
            self._make_library(name, module)
        for name in NEVER_CALLED:  # looked for by name, before the others are loaded
            self._make_beside(name, [self._stubs(name, ())])

    def _make_library(self, name, module):
        prefix = re.match(r"lib(\w+)\.", name)[1]
        wanted = {
            symbol.name
            for symbol in elf.symbols(packages.extension_module(*module), "dynamic")
            if not symbol.is_defined and symbol.name.startswith(prefix)
        }
        source = SOURCES / f"{prefix}.cpp"
        sources = [source] if source.exists() else []
        if sources:  # made once to see what it has
            self._make_beside(name, sources)
            wanted -= self._defined(name)
        versions = self._folder / f"{name}.map"
        versions.write_text(f"{name} {{ global: *; }};\n")  # CuPy asks for versioned names
        self._make_beside(
            name, [*sources, self._stubs(name, wanted)], f"-Wl,--version-script,{versions}"
        )

    def _defined(self, name):
        table = elf.symbols(self._folder / name, "dynamic")
        return {symbol.name for symbol in table if symbol.is_defined}

    def _stubs(self, name, functions):
        """Returns a source whose functions say that they are not there."""
        path = self._folder / f"{name}_stubs.cpp"
        stubs = (
            f'extern "C" int {each}() {{ return hc_missing("{each}"); }}\n'
            for each in sorted(functions)
        )
        path.write_text('extern "C" int hc_missing(const char*);\n' + "".join(stubs))
        return path

    def _make_beside(self, name, sources, *flags):
        beside = [f"-L{self._folder}", "-lhostcuda", "-Wl,-rpath,$ORIGIN", "-Wl,--no-as-needed"]
        self._make(name, sources, *beside, "-ldl", *flags)

    def _make(self, name, sources, *flags):
        common = ["g++", "-shared", "-fPIC", "-std=c++17", "-O2", "-w", "-fno-strict-aliasing"]
        include = [f"-I{packages.cuda_include()}", f"-I{SOURCES}"]
        made = ["-o", self._folder / name, f"-Wl,-soname,{name}"]
        subprocess.run([*common, *include, *made, *sources, *flags], check=True)


def _driver_functions():
    """Returns all names of the driver, in all versions of each."""
    header = (packages.cuda_include() / "cuda.h").read_text()
    names = set(re.findall(r"CUDAAPI\s+(cu\w+)\s*\(", header))
    plain = {re.sub(r"_v\d$", "", name) for name in names}
    return names | plain | {f"{name}_v2" for name in plain}
