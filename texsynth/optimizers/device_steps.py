"""What the optimizers on a GPU have in common: launches replayed as one, and one reading a step."""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from texsynth import cuda
from texsynth.typing import Array


def on_device(loss: Any, place: Array) -> Array:
    """Returns a loss as an array of the device.

    Args:
        loss: A number; or an array of the device that has no dimensions, which is returned.
        place (cupy.ndarray): Where a number is put.
    """
    if isinstance(loss, type(place)):
        return loss
    place.fill(float(loss))
    return place


class Reading:
    """A structure on the device, of which the host reads the first fields after each step.

    The reading goes into pinned memory, as a copy that does not wait.

    Args:
        xp: CuPy.
        initial (numpy.ndarray): The structure, of no dimensions, aligned.
        names: Names of its first fields, which are read.

    Attributes:
        array (cupy.ndarray): Its bytes.
    """

    def __init__(self, xp: ModuleType, initial: npt.NDArray[Any], names: Sequence[str]) -> None:
        self._xp, self._dtype = xp, initial.dtype
        self.array = xp.empty(initial.nbytes, np.uint8)
        self.set(initial)
        fields: Any = initial.dtype.fields
        last, place = fields[names[-1]][:2]
        self._bytes = place + last.itemsize
        self._names = names
        memory = xp.cuda.alloc_pinned_memory(initial.nbytes)
        self._pinned = np.frombuffer(memory, self._dtype, 1)

    def set(self, values: npt.NDArray[Any]) -> None:
        """Writes the whole structure.

        Args:
            values (numpy.ndarray): Of no dimensions.
        """
        self.array.set(np.frombuffer(values.tobytes(), np.uint8))

    def whole(self) -> Any:
        """Returns the whole structure as it is now; waits for the device."""
        return np.frombuffer(self.array.get().tobytes(), self._dtype)[0]

    def enqueue(self) -> None:
        """Has the first fields copied to the host when the device comes to it."""
        self._xp.cuda.runtime.memcpyAsync(
            self._pinned.ctypes.data,
            self.array.data.ptr,
            self._bytes,
            self._xp.cuda.runtime.memcpyDeviceToHost,
            self._xp.cuda.get_current_stream().ptr,
        )

    def read(self) -> list[Any]:
        """Waits for the copy; returns the fields."""
        self._xp.cuda.get_current_stream().synchronize()
        return [self._pinned[0][name] for name in self._names]


class Replayed:
    """Launches that are recorded as a graph when they are made of the same arrays a second time.

    Args:
        launch: Makes the launches, of arrays.
    """

    def __init__(self, launch: Callable[..., None]) -> None:
        self._launch = launch
        self._key: tuple[int, ...] | None = None
        self._arrays: tuple[Any, ...] = ()
        self._graph: Any = None

    def __call__(self, *arrays: Any) -> None:
        """Makes the launches.

        Args:
            arrays: CuPy arrays.
        """
        key = tuple(array.data.ptr for array in arrays)
        if key != self._key:
            self._launch(*arrays)  # loads what cannot be loaded while a graph is recorded
            # The arrays must live as long as their addresses are kept.
            self._key, self._arrays, self._graph = key, arrays, None
            return
        if self._graph is None:
            self._graph = cuda.record(lambda: self._launch(*arrays))
        self._graph.launch()
