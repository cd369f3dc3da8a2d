from types import ModuleType
from typing import Any

import numpy.typing as npt
from chainer import Variable

class Device:
    @property
    def xp(self) -> ModuleType: ...  # numpy or cupy
    def send(self, arrays: npt.NDArray[Any]) -> npt.NDArray[Any]: ...
    def use(self) -> None: ...

class GpuDevice(Device):
    device: Any  # cupy.cuda.Device

def get_array_module(*args: Variable | npt.NDArray[Any]) -> ModuleType: ...
def get_device_from_array(*arrays: npt.NDArray[Any]) -> Device: ...
