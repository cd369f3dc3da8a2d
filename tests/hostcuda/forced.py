"""A pytest plugin under which what asks for the CPU gets the GPU, made of the host.

``python -m pytest -p tests.hostcuda.forced``: so the ordinary tests run once more, on CuPy. Whoever
chooses the CPU gets the first GPU. What tests call with NumPy's arrays (the network, the losses) is
called with CuPy's instead, and its results and gradients come back as NumPy's.
"""

import functools

import numpy as np

from tests.hostcuda.plugin import (  # noqa: F401
    pytest_runtest_protocol,
    pytest_terminal_summary,
)

_METHODS_OF_LOSSES = ("target", "measure", "partial", "summary", "finish")

LEFT_OUT = {
    "winograd": "the engine is the CPU's",
    "test_divergence_is_an_error": "a GPU's Adam multiplies first, and does not overflow",
    "test_adam_lowers_the_loss": "takes long here, and others take Adam's steps",
    "test_a_large_exemplar_counts_too": "takes long here, and others take exemplars in blocks",
    "test_little_memory_makes_blocks": "takes long here, and others make textures in blocks",
    "test_init_is_where_it_starts": "a GPU rounds otherwise: no gradient is zero to the last bit",
    "test_a_loss_that_needs_the_whole_image_is_refused": "its amounts are of the CPU's memory",
    "test_a_fifth_of_what_is_free_is_left": "its amounts are of the CPU's memory",
    "test_blocks_of_what_tiles_are_planned": "its amounts are of the CPU's memory",
    "test_memory_is_planned_for_the_network": "its amounts are of the CPU's memory",
    "test_one_answer_ends_it_even_while": "small levels are not tried on a GPU",
    "test_time_in_all_counts_every_level": "its amounts are of the CPU's memory",
    "test_a_level_that_is_done_holds_no_memory": "it looks for the CPU's optimizer",
    "test_what_comes_to_nothing_at_a_later_level": "it stands in for the CPU's objective",
    "test_fields_that_are_missing_or_odd_are_told": "they are those of the CPU's optimizer",
    "test_the_precision_that_was_computed_with_is_told": "it asks for the CPU's engine",
    "test_what_is_large_enough_is_measured_by_the_fast": "it asks for the CPU's engine",
}
"""Parts of the names of tests that are not run, and why."""


def pytest_configure():
    """Puts the GPU in the place of the CPU."""
    from texsynth import losses
    from texsynth.network import device, vgg

    select = device.select
    device.select = lambda gpu: select(max(gpu, 0))
    for loss in (*losses.LOSSES.values(), losses.RangePenalty):
        for name in _METHODS_OF_LOSSES:
            if hasattr(loss, name):
                setattr(loss, name, _on_gpu(getattr(loss, name)))
    features = vgg.VGGFeatures
    features.forward = _on_gpu(features.forward)


def pytest_collection_modifyitems(config, items):
    """Leaves out what cannot be, or need not be."""
    left = [item for item in items if any(part in item.nodeid for part in LEFT_OUT)]
    items[:] = [item for item in items if item not in left]
    config.hook.pytest_deselected(items=left)


def _on_gpu(method):
    @functools.wraps(method)
    def call(self, *arguments, **named):
        from texsynth.compat import chainer

        cpu, gpu = chainer.get_device("@numpy"), chainer.get_device("@cupy:0")
        if not _is_any_on_host(arguments):
            return method(self, *arguments, **named)
        if isinstance(self, chainer.Link):
            self.to_device(gpu)
        return _sent(method(self, *_sent(arguments, gpu), **named), cpu)

    return call


def _is_any_on_host(value):
    if isinstance(value, dict):
        return _is_any_on_host(list(value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_is_any_on_host, value))
    return isinstance(getattr(value, "array", value), np.ndarray)


def _sent(value, device):
    """Returns a value whose arrays and variables are on a device; gradients go the way back."""
    from texsynth.compat import chainer

    if isinstance(value, dict):
        return {name: _sent(each, device) for name, each in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_sent(each, device) for each in value))
    if isinstance(value, (list, tuple)):
        return type(value)(_sent(each, device) for each in value)
    if isinstance(value, chainer.Variable):
        return chainer.functions.copy(value, device)
    if isinstance(value, chainer.get_array_types()):
        return device.send(value)
    return value
