"""The processes that make one texture together, by ChainerMN; or the one that makes it alone."""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from texsynth.compat import chainer
from texsynth.errors import ConfigError, TexsynthError
from texsynth.files.printable import one_line
from texsynth.typing import Array

if TYPE_CHECKING:
    import chainermn


class Alone:
    """One process: nothing to exchange.

    Attributes:
        rank (int): Number of this process.
        size (int): Number of processes.
        neighbours (int): Processes on this machine, this one among them.
    """

    rank, size = 0, 1
    neighbours = 1

    def agreed(self, array: Array) -> Array:
        """Returns the array of the first process, here the array itself."""
        return array

    def sum(self, array: Array) -> Array:
        """Returns the sum over the processes of an array, here the array itself."""
        return array

    def dot(self, a: Array, b: Array) -> Any:
        """Returns the inner product of two distributed arrays."""
        return chainer.backend.get_array_module(a).vdot(a, b)

    def largest(self, array: Array) -> Any:
        """Returns the largest absolute value of a distributed array."""
        return abs(array).max()

    def least(self, number: float) -> float:
        """Returns the least of the processes' numbers."""
        return number

    def any(self, flag: object) -> bool:
        """Returns whether any process says so."""
        return bool(flag)


class Team:
    """The processes of an MPI run.

    All goes through the host's memory, so that any MPI will do, and no NCCL is needed: sums are a
    few megabytes an evaluation, whatever the size of the image, and rows of pixels less.

    Args:
        communicator (chainermn.CommunicatorBase): All processes.

    Attributes:
        rank (int): Number of this process.
        size (int): Number of processes.
        neighbours (int): Processes on this machine, this one among them.
        place (int): Number of this process among its neighbours.
    """

    def __init__(self, communicator: "chainermn.CommunicatorBase") -> None:
        self._communicator = communicator
        self.rank, self.size = communicator.rank, communicator.size
        self.neighbours, self.place = communicator.intra_size, communicator.intra_rank

    def sum(self, array: Array) -> Array:
        """Returns the sum over the processes of an array, the same bits in each process."""
        device = chainer.backend.get_device_from_array(array)
        own = chainer.get_device("@numpy").send(array)
        return device.send(self._communicator.allreduce(own).astype(array.dtype, copy=False))

    def dot(self, a: Array, b: Array) -> float:
        """Returns the inner product of two distributed arrays, a float."""
        xp = chainer.backend.get_array_module(a)
        # In the order of the ranks, so that all decide alike.
        parts: list[float] = self._communicator.mpi_comm.allgather(float(xp.vdot(a, b)))
        return sum(parts)

    def count(self, number: float) -> float:
        """Returns the sum over the processes of a number, the same bits in each process."""
        numbers: list[float] = self._communicator.mpi_comm.allgather(number)
        return sum(numbers)

    def largest(self, array: Array) -> float:
        """Returns the largest absolute value of a distributed array; not a number if one is."""
        own = float(abs(array).max()) if array.size else 0.0
        return float(np.max(self._communicator.mpi_comm.allgather(own)))

    def least(self, number: float) -> float:
        """Returns the least of the processes' numbers."""
        numbers: list[float] = self._communicator.mpi_comm.allgather(number)
        return min(numbers)

    def any(self, flag: object) -> bool:
        """Returns whether any process says so."""
        return any(self._communicator.mpi_comm.allgather(bool(flag)))

    def agreed(self, array: Array) -> Array:
        """Returns the array of the first process, in all of them.

        Args:
            array: NumPy array; the same shape and dtype everywhere.
        """
        array = np.array(array)  # a copy of its own, contiguous
        self._communicator.mpi_comm.Bcast(array, root=0)
        return array

    def exchange(self, outgoing: Mapping[int, Array], incoming: Mapping[int, Array]) -> None:
        """Sends an array to each other process and takes one from each.

        Args:
            outgoing: ``{rank: NumPy array}``, contiguous; a rank may be missing.
            incoming: ``{rank: NumPy array}``, contiguous, written.
        """
        mpi = self._communicator.mpi_comm
        requests = [mpi.Irecv(array, source=rank) for rank, array in incoming.items()]
        requests += [mpi.Isend(array, dest=rank) for rank, array in outgoing.items()]
        for request in requests:
            request.Wait()

    @contextlib.contextmanager
    def ending_together(self) -> Iterator[None]:
        """Ends all processes when what is done within it fails: the others would wait for ever.

        What is wrong with the settings is left alone: all processes find it alike.
        """
        try:
            yield
        except ConfigError:
            raise
        except BaseException as error:
            told = one_line(str(error)) or type(error).__name__
            # In one piece: what follows a piece may be lost when all are ended.
            sys.stderr.write(f"texsynth: error: process {self.rank}: {told}\n")
            sys.stderr.flush()
            self._communicator.mpi_comm.Abort(getattr(error, "exit_code", 1))
            raise


ALONE = Alone()
"""The team of one that everything is made by unless another is given."""


def assemble() -> Team:
    """Returns the team of all processes that mpiexec started.

    Raises:
        texsynth.errors.TexsynthError: MPI is not there.
    """
    try:
        import chainermn

        return Team(chainermn.create_communicator("naive"))
    # mpi4py raises a RuntimeError where it finds no MPI library.
    except (ImportError, RuntimeError, OSError) as error:
        raise TexsynthError(
            f"--distributed needs MPI ({error}); install it with: pip install 'texsynth[mpi]'"
        ) from error


def whole_of(objective: Any, part: Array) -> Array:
    """Returns all of an image: on its device, or on the host where processes have it in parts.

    Args:
        objective: What :mod:`texsynth.objective` makes.
        part (array): This process's part.
    """
    whole: Array = objective.gathered(part) if objective.team.size > 1 else part
    return whole


def own_part(objective: Any, whole: Array) -> Array:
    """Returns this process's part of an image.

    Args:
        objective: What :mod:`texsynth.objective` makes.
        whole (array): All of it.
    """
    part: Array = objective.own(whole) if objective.team.size > 1 else whole
    return part
