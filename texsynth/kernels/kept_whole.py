"""Compiled kernels that are kept: those that are damaged are dropped, and compiled anew.

Numba takes what it finds. A file that was cut off ends in any exception of unpickling, EOFError
among them, which a command takes for an interruption; of one that was changed, code would be run.
"""

import contextlib
import hashlib
import io
import logging
import pickle
from pathlib import Path

from numba.core import caching, config, dispatcher

_log = logging.getLogger(__name__)

_told = set()
_DIGEST = hashlib.sha256().digest_size


class _DamagedError(Exception):
    """A file is not as it was written."""


class _File(caching.IndexDataCacheFile):
    """Numba's files, each with a checksum at its end."""

    @contextlib.contextmanager
    def _open_for_write(self, filepath):
        content = io.BytesIO()
        yield content
        with super()._open_for_write(filepath) as file:
            file.write(content.getvalue() + hashlib.sha256(content.getvalue()).digest())

    def _load_index(self):
        # Which is not there before the first is saved.
        with contextlib.suppress(FileNotFoundError):
            _check(self._index_path)
        return super()._load_index()

    def _load_data(self, name):
        _check(self._data_path(name))
        return super()._load_data(name)


class _Locator(caching._CacheLocator):
    """Where Numba keeps a function in our folder: by its module's name, wherever its file is."""

    def __init__(self, py_func, py_file):
        self._py_file = py_file  # Numba's warnings name it
        self._line = py_func.__code__.co_firstlineno
        self._path = Path(config.CACHE_DIR, py_func.__module__.rpartition(".")[0])

    @classmethod
    def from_function(cls, py_func, py_file):
        return cls(py_func, py_file)

    def get_cache_path(self):
        return str(self._path)

    def get_source_stamp(self):
        return ""  # the folder's name says which sources it is for

    def get_disambiguator(self):
        return str(self._line)


class _Impl(caching.CompileResultCacheImpl):
    _locator_classes = (_Locator,)


class _Cache(caching.FunctionCache):
    """The kernels of one function."""

    _impl_class = _Impl

    def __init__(self, py_func):
        super().__init__(py_func)
        stamp = self._impl.locator.get_source_stamp()
        self._cache_file = _File(self._cache_path, self._impl.filename_base, stamp)

    def load_overload(self, sig, target_context):
        """As Numba's; what is damaged is not there."""
        try:
            return super().load_overload(sig, target_context)
        # Whatever unpickling and LLVM raise.
        except Exception as error:
            told = "a compiled kernel in %s is damaged (%s); compiling anew (up to half a minute)"
            _tell(told, self._cache_path, error)
            with contextlib.suppress(OSError):  # then saving tells
                self.flush()
            return None

    def save_overload(self, sig, data):
        """As Numba's; what cannot be kept is used all the same."""
        try:
            super().save_overload(sig, data)
        except (OSError, pickle.PickleError, EOFError, _DamagedError) as error:
            reason = getattr(error, "strerror", None) or error
            _tell("compiled kernels cannot be kept in %s (%s)", self._cache_path, reason)


def _tell(message, folder, reason):
    """Says so once, of however many kernels."""
    if message not in _told:
        _told.add(message)
        _log.warning(message, folder, reason)


def _check(path):
    content = Path(path).read_bytes()
    if hashlib.sha256(content[:-_DIGEST]).digest() != content[-_DIGEST:]:
        raise _DamagedError("its checksum is another")


@contextlib.contextmanager
def healing():
    """Functions that are decorated with ``njit(cache=True)`` within it are kept like this."""
    before = dispatcher.FunctionCache
    dispatcher.FunctionCache = _Cache
    try:
        yield
    finally:
        dispatcher.FunctionCache = before
