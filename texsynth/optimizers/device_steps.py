"""What the optimizers on a GPU have in common: launches replayed as one, and one reading a step."""

import numpy as np

from texsynth import cuda


def on_device(loss, place):
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

    def __init__(self, xp, initial, names):
        self._xp, self._dtype = xp, initial.dtype
        self.array = xp.empty(initial.nbytes, np.uint8)
        self.set(initial)
        last = initial.dtype.fields[names[-1]]
        self._bytes = last[1] + last[0].itemsize
        self._names = names
        memory = xp.cuda.alloc_pinned_memory(initial.nbytes)
        self._pinned = np.frombuffer(memory, self._dtype, 1)

    def set(self, values):
        """Writes the whole structure.

        Args:
            values (numpy.ndarray): Of no dimensions.
        """
        self.array.set(np.frombuffer(values.tobytes(), np.uint8))

    def whole(self):
        """Returns the whole structure as it is now; waits for the device."""
        return np.frombuffer(self.array.get().tobytes(), self._dtype)[0]

    def enqueue(self):
        """Has the first fields copied to the host when the device comes to it."""
        self._xp.cuda.runtime.memcpyAsync(
            self._pinned.ctypes.data,
            self.array.data.ptr,
            self._bytes,
            self._xp.cuda.runtime.memcpyDeviceToHost,
            self._xp.cuda.get_current_stream().ptr,
        )

    def read(self):
        """Waits for the copy; returns the fields."""
        self._xp.cuda.get_current_stream().synchronize()
        return [self._pinned[0][name] for name in self._names]


class Replayed:
    """Launches that are recorded as a graph when they are made of the same arrays a second time.

    Args:
        launch: Makes the launches, of arrays.
    """

    def __init__(self, launch):
        self._launch = launch
        self._key = self._arrays = self._graph = None

    def __call__(self, *arrays):
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
