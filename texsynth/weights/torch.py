"""Reads a torch state dict, which is a pickle: tensors alone."""

import pickle
import zipfile

import numpy as np

from texsynth.errors import WeightsError
from texsynth.weights import checks


def read(path):
    """Reads the arrays of VGG16's convolutions, kernels as ``(O, C, 3, 3)``.

    Args:
        path (pathlib.Path): The file.

    Returns:
        dict: ``{name in the file: array}``.

    Raises:
        texsynth.errors.WeightsError: It does not hold VGG16, or more than tensors.
        Exception: Whatever torch raises on damaged files.
    """
    import torch

    _check_torch_archive(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            "damaged, or contains more than tensors, which is not loaded because it could run "
            "code; save only the state_dict"
        ) from error
    if not isinstance(state, dict):
        raise WeightsError(f"contains a {type(state).__name__}, not a state dict")
    tensors = {
        name: value.detach()
        for name, value in state.items()
        if isinstance(name, str) and isinstance(value, torch.Tensor) and checks.layer_of(name)
    }
    # The shapes first: a tensor may repeat one value a million million times.
    checks.layers_in(
        {name: checks.Header(tuple(t.shape), _torch_dtype(t)) for name, t in tensors.items()}
    )
    # As float32 already here: NumPy has no bfloat16.
    return {name: tensor.float().numpy() for name, tensor in tensors.items()}


def _check_torch_archive(path):
    """Refuses a zip archive that unfolds: torch compresses nothing."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unfolded = sum(info.file_size for info in archive.infolist())
        if unfolded > path.stat().st_size:
            raise WeightsError(f"its {unfolded} bytes are compressed, but torch never compresses")


def _torch_dtype(tensor):
    is_float = tensor.dtype.is_floating_point
    return np.dtype(np.float32 if is_float else str(tensor.dtype).removeprefix("torch."))
