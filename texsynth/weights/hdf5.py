"""Reads Keras' HDF5, of weights or of a whole model."""

import math

from texsynth.errors import WeightsError
from texsynth.weights import checks

_LARGEST_CHUNK = 9 * 512 * 512  # values, in HDF5: VGG's largest kernel
_DEEPEST_GROUP = 20  # of HDF5; Keras nests half a dozen, and HDF5 takes the square of it in time


def read(path, network):
    """Reads the arrays of a VGG's convolutions, kernels as ``(O, C, 3, 3)``.

    Args:
        path (pathlib.Path): The file.
        network (str): What it should hold, see :func:`texsynth.weights.checks.layer_of`.

    Returns:
        dict: ``{name in the file: array}``.

    Raises:
        texsynth.errors.WeightsError: It does not hold the network, or points elsewhere.
        Exception: Whatever h5py raises on damaged files.
    """
    import h5py

    found = {}

    def visit(name, item):
        if name.count("/") > _DEEPEST_GROUP:
            raise WeightsError("its groups are nested too deeply for a model")
        if isinstance(item, h5py.Dataset):
            # Keras 3 numbers its groups, and keeps the layer's name as an attribute.
            name = f"{item.parent.attrs.get('name', '')}/{name}"
            if checks.layer_of(name, network):
                found[name] = item

    with h5py.File(path, "r") as file:
        # A whole model's file has its optimizer's moments too, under the layers' names.
        link = file.get("model_weights", getlink=True)
        if not isinstance(link, h5py.HardLink | None):
            raise WeightsError("model_weights is a link to another place, which is not followed")
        (file if link is None else file["model_weights"]).visititems(visit)  # follows no links
        headers = {name: _h5_header(name, dataset) for name, dataset in found.items()}
        checks.layers_in(headers, network)
        return {name: _h5_array(dataset) for name, dataset in found.items()}


def _h5_header(name, dataset):
    if dataset.external or dataset.is_virtual:
        raise WeightsError(f"{name} is stored in another file, which is not read")
    # A compressed chunk is unfolded whole, for a single value too.
    if math.prod(dataset.chunks or ()) > _LARGEST_CHUNK:
        raise WeightsError(f"{name} is stored in chunks of {dataset.chunks}, larger than a kernel")
    shape = dataset.shape or ()
    return checks.Header(
        tuple(shape[axis] for axis in (3, 2, 0, 1)) if len(shape) == 4 else shape, dataset.dtype
    )


def _h5_array(dataset):
    array = dataset[()]
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array
