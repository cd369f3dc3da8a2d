"""Of ChainerMN, a part of Chainer 7.8.1: what texsynth uses, and no more."""

from typing import Any

import numpy.typing as npt

class CommunicatorBase:
    rank: int
    size: int
    intra_rank: int
    intra_size: int
    mpi_comm: Any  # mpi4py.MPI.Intracomm
    def allreduce(self, data: npt.NDArray[Any]) -> npt.NDArray[Any]: ...

def create_communicator(communicator_name: str) -> CommunicatorBase: ...
