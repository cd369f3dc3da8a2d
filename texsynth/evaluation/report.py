"""Measures outputs against their source."""

from dataclasses import replace

from texsynth import images, weights
from texsynth.command.recipe import Picture
from texsynth.errors import ConfigError, ImageError
from texsynth.evaluation import making, record, regions, repairs
from texsynth.evaluation.evaluated import Evaluated, Report
from texsynth.files import is_same_file
from texsynth.files.printable import printable
from texsynth.metrics import Evaluator, measure_part
from texsynth.network import device


def make(
    asked,
    size=None,
    pooling=None,
    gpu=-1,
    weights_path=None,
    input_range=None,
    network="vgg16",
):
    """Reads and measures.

    Args:
        asked (texsynth.evaluation.making.Asked): Exemplar and outputs, and what is said of how they
            were made.
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
        the others. What was painted by a map has those of each region.

    Raises:
        texsynth.errors.TexsynthError: The source is unusable, or all outputs are; a file is given
            twice, the weights cannot be had, or the device cannot be used.
    """
    source_path, output_paths = asked.source, asked.outputs
    check_distinct([*([] if source_path is None else [source_path]), *output_paths])
    names = names_of(output_paths)
    outputs, failed, first = [], [], None
    for name, path in zip(names, output_paths, strict=True):
        try:
            outputs.append((name, path, images.read(path), record.read(path)))
        except ImageError as error:
            failed.append((name, printable(str(error))))
            first = first or error
    if not outputs:
        raise first
    recorded = (made.input_range for *_, made in outputs if made.input_range is not None)
    source = Source(asked, input_range or next(recorded, None))
    bench = _Bench(source, size, pooling, gpu, weights_path, network)
    evaluated = []
    for name, path, pixels, made in outputs:
        try:
            found, unmeasured = bench.measure(name, path, pixels, made)
            evaluated += found
            failed += unmeasured
        except ImageError as error:
            failed.append((name, printable(str(error))))
            first = first or error
    if not evaluated:
        raise first or ImageError("; ".join(f"{name}: {why}" for name, why in failed))
    return Report(printable(source.name), evaluated, network, failed)


class Source:
    """What outputs are compared with: one exemplar, or the pictures that a map was painted from.

    Args:
        asked (texsynth.evaluation.making.Asked): What the command line says.
        input_range: What is black and what white in pictures whose type does not say so.

    Attributes:
        asked (texsynth.evaluation.making.Asked): The same.
        picture (texsynth.command.recipe.Picture): The exemplar, or ``None``.
        batch: ``(1, 3, H, W)`` float32, the exemplar; or ``None``.
        gallery (texsynth.command.composition.Gallery): Where other pictures are read.
    """

    def __init__(self, asked, input_range):
        self.asked, path = asked, asked.source
        self.gallery = making.gallery(asked, input_range)
        self.picture = None if path is None else Picture(path, input_range)
        is_needed = path is not None and asked.painting is None
        self.batch = images.to_batch(self.picture.deep) if is_needed else None

    @property
    def name(self):
        """What the report calls it."""
        painting = self.asked.painting
        return self.picture.path.name if painting is None else painting.target_guide.name


class _Bench:
    """What measures outputs: an evaluator for each size and network that they ask for."""

    def __init__(self, source, size, pooling, gpu, weights_path, network):
        self._from, self._size, self._pooling = source, size, pooling
        self._device = device.select(gpu)
        self._weights = weights.load(weights_path or weights.find_or_fetch(network), network)
        self._evaluators = {}

    def measure(self, name, path, pixels, made):
        """Measures an output, or its regions.

        Returns:
            tuple: A list of :class:`Evaluated`; and pairs of name and reason of regions that could
            not be measured.

        Raises:
            texsynth.errors.ImageError: It is too small, or was made otherwise.
        """
        how = making.of_output(self._from.asked, path, made)
        if how.painting is not None:
            return self._regions(name, path, pixels, made, how.painting)
        found = self._whole(name, path, pixels, made)
        if how.mending is not None:
            told = self._from.picture, pixels, self._weights, found.pooling, self._device
            found = replace(found, repair=_named(path, repairs.measure, how, *told))
        return [found], []

    def _whole(self, name, path, pixels, made):
        source = self._from.batch
        size = source.shape[:1:-1]
        size = exemplar_size(size, self._size, made.size, pixels.shape[1::-1])
        key = size, self._pooling or made.pooling or "average", made.layers or (), made.flatten
        if key not in self._evaluators:
            fitted = images.fit(source, size)
            if made.flatten is not None:
                fitted = images.without_drift(fitted, made.flatten)
            exemplar = images.to_pixels(fitted)
            options = (self._weights, key[1], self._device, key[2])
            path_of_source = self._from.picture.path
            self._evaluators[key] = exemplar, _named(path_of_source, Evaluator, exemplar, *options)
        exemplar, evaluator = self._evaluators[key]
        measures = _named(path, evaluator.measure, pixels)
        return Evaluated(name, pixels, exemplar, made, key[1], measures)

    def _regions(self, name, path, pixels, made, painting):
        """Measures what was painted by a map, region by region."""
        size = self._size if self._size is not None else made.size or 0
        pooling = self._pooling or made.pooling or "average"
        options = self._weights, pooling, self._device, made.layers or ()
        made = replace(made, tile="")  # no region tiles
        found, failed = [], []
        told = painting, self._from.gallery, pixels, size
        for region in _named(path, regions.regions_of, *told):
            label = f"{name} {region.colour} ({100 * region.share:.0f} %)"
            try:
                part = measure_part(region.output, region.exemplar, *options)
            except ImageError as error:
                failed.append((label, printable(str(error))))
                continue
            own = part.rectangle.of(pixels)
            its = part.exemplar_rectangle.of(region.exemplar.pixels)
            rectangles = part.rectangle, part.exemplar_rectangle
            one = Evaluated(label, own, its, made, pooling, part.measures, region, rectangles)
            found.append(one)
        return found, failed


def exemplar_size(source_size, asked, recorded, output_size):
    """Returns the size, ``(width, height)``, that an exemplar is compared at.

    Args:
        source_size: Its own.
        asked (int): Longer side that was asked for, 0 keeps its own; or ``None``.
        recorded (int): That which the output's file names, or ``None``.
        output_size: ``(width, height)`` of the output.
    """
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


def names_of(paths):
    """Returns what to call paths: their last parts, or all of them if names are not distinct.

    Args:
        paths: Paths of files or folders.
    """
    short = [printable(path.name or str(path)) for path in paths]
    return short if len(set(short)) == len(short) else [printable(str(path)) for path in paths]


def check_distinct(paths):
    """Makes sure that no two paths are of one file or folder.

    Args:
        paths: Paths, some of which may not be there.

    Raises:
        texsynth.errors.ConfigError: Two are.
    """
    for number, path in enumerate(paths):
        for other in paths[:number]:
            if is_same_file(path, other):
                raise ConfigError(
                    f"{path} and {other} are the same {'folder' if path.is_dir() else 'file'}"
                )
