"""Measures stacks of maps against the stack of their exemplar."""

import logging
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from texsynth import images, weights
from texsynth.errors import ImageError
from texsynth.evaluation import record, stack_files, stacks
from texsynth.evaluation.evaluated import Evaluated, Report
from texsynth.evaluation.report import check_distinct, exemplar_size, names_of
from texsynth.files.printable import printable
from texsynth.materials import finding, normals, reading
from texsynth.materials.flattening import flattened
from texsynth.materials.made import apart
from texsynth.materials.planes import check
from texsynth.metrics import Evaluator
from texsynth.network import device
from texsynth.synthesis.stacked import fitted

_log = logging.getLogger("texsynth")


def make(
    paths, convention=None, size=None, pooling=None, gpu=-1, weights_path=None, network="vgg16"
):
    """Reads and measures.

    Args:
        paths: Folders, or patterns of files: the exemplar's, and those of what was made.
        convention: That of normal maps whose names do not say it; ``None`` takes for the exemplar
            that of what was made, or else OpenGL's.
        size (int): As for :func:`texsynth.evaluation.report.make`.
        pooling (str): As there.
        gpu (int): As there.
        weights_path: As there.
        network (str): As there.

    Returns:
        texsynth.evaluation.evaluated.Report: All the measures; a stack or a map that cannot be
        measured does not stand in the way of the others.

    Raises:
        texsynth.errors.TexsynthError: As there.
    """
    check_distinct(paths)
    source, *names = names_of(paths)
    given, beside = apart(finding.listed(paths[0]))
    found = finding.find(given)._replace(made=tuple(beside))
    _tell(source, found)
    bench = _Bench(_Source(found, convention, size), pooling, gpu, weights_path, network)
    measured, jobs, failed, first = [], [], [], None
    for name, path in zip(names, paths[1:], strict=True):
        try:
            several = stack_files.made(path, name)
        except ImageError as error:
            failed.append((name, printable(str(error))))
            first = first or error
            continue
        for files in several:
            _tell(*files)
            try:
                stack, of_maps, lacking = bench.measure(*files)
                measured.append(stack)
                jobs += of_maps
                failed += lacking
            except ImageError as error:
                failed.append((files.name, printable(str(error))))
                first = first or ImageError(f"{files.name}: {error}")
    if not measured:
        raise first
    outputs, unmeasured = bench.maps(jobs)
    whole = [
        replace(stack, outputs=tuple(each for each in outputs if each.of_stack.stack == stack.name))
        for stack in measured
    ]
    return Report(source, outputs, network, failed + unmeasured, whole)


def _tell(name, found):
    for line in found.told():
        _log.info("%s: %s", name, printable(line))


class _Source:
    """The stack of the exemplar, as outputs ask for it."""

    def __init__(self, found, convention, size):
        self._size, self._said = size, found.convention or convention
        self.convention = self._said or "gl"  # of an output whose name does not say it
        self._raw = reading.read(found, convention or "gl")
        check(self._raw)

    def raw(self, found):
        """The maps as they are; their normals are as the output's if nothing says what they are."""
        if self._said is None and found.convention == "dx" and "normal" in self._raw:
            return {**self._raw, "normal": normals.turned(self._raw["normal"])}
        return self._raw

    def at_its_size(self, raw, made, output_size):
        """The maps as they were used for what a :class:`texsynth.evaluation.record.Record` says."""
        height, width = next(iter(raw.values())).shape[:2]
        size = exemplar_size((width, height), self._size, made.size, output_size)
        stack = fitted(raw, max(size))
        return stack if made.flatten is None else flattened(stack, made.flatten)


class _Job(NamedTuple):
    """A map to be measured as a picture, and by what."""

    of_stack: stacks.OfStack
    exemplar: np.ndarray
    pixels: np.ndarray
    made: record.Record
    pooling: str

    @property
    def evaluator(self):
        """What says which evaluator it takes."""
        return images.checksum(self.exemplar), self.pooling, self.made.layers or ()


class _Bench:
    """What measures stacks, and maps as pictures."""

    def __init__(self, source, pooling, gpu, weights_path, network):
        self._source, self._pooling = source, pooling
        self._device = device.select(gpu)
        self._weights = weights.load(weights_path or weights.find_or_fetch(network), network)

    def measure(self, name, found):
        """Measures a stack as a whole.

        Returns:
            tuple: A :class:`texsynth.evaluation.stacks.Stack`; its maps that are to be measured as
            pictures; and pairs of name and reason of those that cannot be.

        Raises:
            texsynth.errors.ImageError: It is unusable, or has no map that the exemplar has.
        """
        stack = reading.read(found, self._source.convention)
        check(stack)
        raw = self._source.raw(found)
        both = [kind for kind in raw if kind in stack]
        if not both:
            raise ImageError(f"it has none of the exemplar's maps, {', '.join(raw)}")
        made = record.read(found.maps[both[0]].path)
        output_size = stack[both[0]].shape[1::-1]
        exemplar = self._source.at_its_size(raw, made, output_size)
        files = {kind: found.maps[kind].path.name for kind in both}
        whole = stacks.described(name, files, exemplar, {kind: stack[kind] for kind in both}, raw)
        failed = [(f"{name} {kind}", "there is no such map") for kind in raw if kind not in stack]
        pooling = self._pooling or made.pooling or "average"
        jobs = [
            _Job(stacks.OfStack(name, kind, files[kind]), *pair, made, pooling)
            for kind, pair in stacks.as_pictures(exemplar, stack, both).items()
        ]
        return whole, jobs, failed

    def maps(self, jobs):
        """Measures maps as pictures, with one evaluator at a time, for each takes much memory.

        Returns:
            tuple: A list of :class:`texsynth.evaluation.evaluated.Evaluated` in the order of the
            maps; and pairs of name and reason of those that could not be measured.
        """
        found, failed = {}, []
        for key in dict.fromkeys(job.evaluator for job in jobs):
            those = [job for job in jobs if job.evaluator == key]
            evaluator = None
            for job in those:
                name = f"{job.of_stack.stack} {job.of_stack.kind}"
                try:
                    evaluator = evaluator or self._evaluator(job)
                    found[job.of_stack] = self._measured(name, job, evaluator)
                except ImageError as error:
                    failed.append((name, printable(str(error))))
        return [found[job.of_stack] for job in jobs if job.of_stack in found], failed

    def _evaluator(self, job):
        layers = job.made.layers or ()
        return Evaluator(job.exemplar, self._weights, job.pooling, self._device, layers)

    def _measured(self, name, job, evaluator):
        of_stack, exemplar, pixels, made, pooling = job
        measures = evaluator.measure(pixels)
        return Evaluated(name, pixels, exemplar, made, pooling, measures, of_stack=of_stack)
