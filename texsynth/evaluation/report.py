"""Measures outputs against their source, and keeps together what belongs to each."""

from dataclasses import dataclass, field

import numpy as np

from texsynth import images, weights
from texsynth.errors import ConfigError, ImageError
from texsynth.evaluation import record
from texsynth.files import is_same_file
from texsynth.files.printable import printable
from texsynth.metrics import Evaluator, Measures
from texsynth.network import device
from texsynth.version import __version__


@dataclass(frozen=True)
class Evaluated:
    """One output and what was found out about it.

    Attributes:
        name: What to call it, printable.
        pixels: ``(H, W, 3)`` uint8.
        exemplar: ``(H, W, 3)`` uint8: the source at the size it was compared at.
        record: What its file says.
        pooling: Pooling of the network that measured it.
        measures: The measures.
    """

    name: str
    pixels: np.ndarray
    exemplar: np.ndarray
    record: record.Record
    pooling: str
    measures: Measures


@dataclass(frozen=True)
class Report:
    """A source and its outputs.

    Attributes:
        source: Name of the source, printable.
        outputs: A list of :class:`Evaluated`.
        network: Name of the network that measured them.
        failed: Pairs of the name of an output that could not be measured, and why.
    """

    source: str
    outputs: list
    network: str = "vgg16"
    failed: list = field(default_factory=list)

    def as_dict(self):
        """Returns the report as plain values, ready for JSON."""
        return {
            "texsynth": __version__,
            "source": self.source,
            "network": self.network,
            "outputs": [
                {
                    "file": output.name,
                    "size": list(output.pixels.shape[1::-1]),
                    "exemplar_size": list(output.exemplar.shape[1::-1]),
                    "pooling": output.pooling,
                    "optimised": output.record.layers and list(output.record.layers),
                    "measures": output.measures.as_dict(),
                }
                for output in self.outputs
            ],
            "failed": [{"file": name, "error": why} for name, why in self.failed],
        }


def make(
    source_path,
    output_paths,
    size=None,
    pooling=None,
    gpu=-1,
    weights_path=None,
    input_range=None,
    network="vgg16",
):
    """Reads and measures.

    Args:
        source_path (pathlib.Path): The exemplar.
        output_paths: Paths of textures made from it.
        size (int): Longer side that the source is brought to, 0 keeps it; ``None`` takes for each
            output the size that its file names, and keeps it where it names none.
        pooling (str): ``"average"`` or ``"max"``; ``None`` takes what the output's file names, or
            ``"average"``.
        gpu (int): CUDA device number; -1 is the CPU.
        weights_path: File with the network's weights; ``None`` finds or fetches them.
        input_range: What is black and what white in a source whose type does not say so; ``None``
            takes what an output's file names.
        network (str): What measures, a name of :data:`texsynth.network.architecture.NETWORKS`.

    Returns:
        Report: All the measures; an output that cannot be measured does not stand in the way of
        the others.

    Raises:
        texsynth.errors.TexsynthError: The source is unusable, or all outputs are; a file is given
            twice, the weights cannot be had, or the device cannot be used.
    """
    _check_distinct([source_path, *output_paths])
    names = [_name(path, output_paths) for path in output_paths]
    outputs, failed, first = [], [], None
    for name, path in zip(names, output_paths, strict=True):
        try:
            outputs.append((name, path, images.read(path), record.read(path)))
        except ImageError as error:
            failed.append((name, printable(str(error))))
            first = first or error
    recorded = (made.input_range for *_, made in outputs if made.input_range is not None)
    source = images.to_batch(images.read_deep(source_path, input_range or next(recorded, None)))
    if not outputs:
        raise first
    bench = _Bench(source_path, source, size, pooling, gpu, weights_path, network)
    evaluated = []
    for name, path, pixels, made in outputs:
        try:
            evaluated.append(bench.measure(name, path, pixels, made))
        except ImageError as error:
            failed.append((name, printable(str(error))))
            first = first or error
    if not evaluated:
        raise first
    return Report(printable(source_path.name), evaluated, network, failed)


class _Bench:
    """What measures outputs: an evaluator for each size and network that they ask for."""

    def __init__(self, source_path, source, size, pooling, gpu, weights_path, network):
        self._path, self._source, self._size, self._pooling = source_path, source, size, pooling
        self._device = device.select(gpu)
        self._weights = weights.load(weights_path or weights.find_or_fetch(network), network)
        self._evaluators = {}

    def measure(self, name, path, pixels, made):
        """Returns the :class:`Evaluated` of an output; raises an ImageError if one is too small."""
        size = self._source.shape[:1:-1]
        size = _exemplar_size(size, self._size, made.size, pixels.shape[1::-1])
        key = size, self._pooling or made.pooling or "average", made.layers or ()
        if key not in self._evaluators:
            exemplar = images.to_pixels(images.fit(self._source, size))
            options = (self._weights, key[1], self._device, key[2])
            self._evaluators[key] = exemplar, _named(self._path, Evaluator, exemplar, *options)
        exemplar, evaluator = self._evaluators[key]
        measures = _named(path, evaluator.measure, pixels)
        return Evaluated(name, pixels, exemplar, made, key[1], measures)


def _exemplar_size(source_size, asked, recorded, output_size):
    if asked is not None:
        return images.fitted_size(source_size, asked)
    # A file may name any size: not one for which there would not be the memory.
    if recorded is not None and recorded <= 2 * max(*source_size, *output_size):
        return images.fitted_size(source_size, recorded)
    return source_size


def _named(path, function, *arguments):
    try:
        return function(*arguments)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def _name(path, paths):
    """What to call a path among others: its last part, or all of it if names are not distinct."""
    is_distinct = len({printable(other.name) for other in paths}) == len(paths)
    return printable(path.name if is_distinct else str(path))


def _check_distinct(paths):
    for number, path in enumerate(paths):
        for other in paths[:number]:
            if is_same_file(path, other):
                raise ConfigError(f"{path} and {other} are the same file")
