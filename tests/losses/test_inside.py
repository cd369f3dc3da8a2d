"""Gram losses of whole layers of which the inner positions count: one function for all layers."""

import numba
import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.kernels.rooms import Rooms
from texsynth.losses import ContrastGramLoss, GramLoss, PaperGramLoss
from texsynth.losses.inside import Inside
from texsynth.losses.loss import AdditiveLoss, relative_distance

SIZES = {"pool1": (1, 64, 37, 29), "pool2": (1, 128, 11, 14), "pool3": (1, 256, 3, 2)}
PLACES = {
    "pool1": (slice(3, 34), slice(2, 27)),
    "pool2": (slice(0, 11), slice(1, 13)),
    "pool3": (slice(0, 3), slice(0, 2)),
}


def layers_of(seed, channels_last=True, dtype=np.float32, sizes=SIZES):
    """Activations as the Winograd engine has them, or as the plain one has."""
    generator, found = np.random.default_rng(seed), {}
    for name, (images, channels, height, width) in sizes.items():
        rows = generator.standard_normal((images, height, width, channels)).astype(dtype)
        laid = rows.transpose(0, 3, 1, 2)
        found[name] = laid if channels_last else np.ascontiguousarray(laid)
    return found


def inner_of(layers):
    return {name: x[:, :, *PLACES[name]] for name, x in layers.items()}


def measured(loss, layers, target, seen):
    """The loss, and the gradients for whole layers, as ``seen`` shows them."""
    whole = {name: chainer.Variable(x) for name, x in layers.items()}
    value = loss.measure(seen(whole), target)
    value.backward()
    return value.array, {name: x.grad for name, x in whole.items()}


class LayerByLayer(GramLoss):
    """A function for each step at each layer."""

    def distance(self, statistic, target):
        return relative_distance(statistic, target)


class PaperLayerByLayer(AdditiveLoss):
    sums, finalise = GramLoss.sums, GramLoss.finalise

    def distance(self, statistic, target):
        error = chainer.functions.sum((statistic - chainer.as_array(target)) ** 2)
        return error * PaperGramLoss.scale(statistic.shape[1], 0)


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("rooms", [None, Rooms()])
@pytest.mark.parametrize(
    ("kind", "slow"),
    [
        (GramLoss, LayerByLayer),
        (ContrastGramLoss, LayerByLayer),
        (PaperGramLoss, PaperLayerByLayer),
    ],
)
def test_all_layers_at_once_are_what_they_are_one_by_one(kind, slow, rooms, channels_last):
    weights = {"pool1": 0.5, "pool2": 2.0, "pool3": 1.0}
    layers = layers_of(0, channels_last)
    target = kind(weights).target(inner_of(layers_of(1, channels_last)))
    for _ in range(2):  # the second time in memory that the first wrote to
        value, gradients = measured(
            kind(weights), layers, target, lambda whole: Inside(whole, PLACES, rooms)
        )
        expected, by_layer = measured(
            slow(weights), layers, target, lambda whole: dict(Inside(whole, PLACES))
        )
        assert value == pytest.approx(expected, rel=1e-6)
        for name, gradient in gradients.items():
            most = abs(by_layer[name]).max()
            np.testing.assert_allclose(gradient, by_layer[name], atol=5e-6 * most)
            assert gradient.strides == layers[name].strides
            outside = np.ones(gradient.shape, bool)
            outside[:, :, *PLACES[name]] = False
            assert not gradient[outside].any()


def test_gradient_agrees_with_differences(check_gradient):
    sizes = {"pool1": (1, 4, 7, 5)}
    places = {"pool1": (slice(1, 6), slice(1, 4))}
    loss = GramLoss({"pool1": 3.0})
    target = loss.target(layers_of(3, dtype=np.float64, sizes=sizes))
    (x,) = layers_of(4, dtype=np.float64, sizes=sizes).values()
    check_gradient(
        lambda x: loss.measure(Inside({"pool1": chainer.as_variable(x)}, places), target), x
    )


def test_losses_share_the_sums_of_a_layer():
    layers = layers_of(0)
    first, second = GramLoss({"pool1": 1.0, "pool2": 1.0}), PaperGramLoss({"pool2": 1.0})
    targets = [loss.target(inner_of(layers_of(1))) for loss in (first, second)]
    whole = {name: chainer.Variable(x) for name, x in layers.items()}
    seen = Inside(whole, PLACES)
    sums = seen.gram_sums(["pool2"])[0]
    total = first.measure(seen, targets[0]) + second.measure(seen, targets[1])
    assert seen.gram_sums(["pool1", "pool2"])[1] is sums
    total.backward()
    apart = [
        measured(loss, layers, target, lambda whole: Inside(whole, PLACES))[1]["pool2"]
        for loss, target in zip((first, second), targets, strict=True)
    ]
    np.testing.assert_allclose(whole["pool2"].grad, sum(apart), atol=1e-6 * abs(apart[0]).max())


def test_a_derived_loss_keeps_its_own_steps():
    class Halved(GramLoss):
        def distance(self, statistic, target):
            return super().distance(statistic, target) / 2

    layers, weights = layers_of(0), dict.fromkeys(SIZES, 1.0)
    target = GramLoss(weights).target(inner_of(layers_of(1)))
    values = [
        measured(kind(weights), layers, target, lambda whole: Inside(whole, PLACES))[0]
        for kind in (GramLoss, Halved)
    ]
    assert values[1] == pytest.approx(values[0] / 2, rel=1e-6)


@pytest.mark.usefixtures("all_threads")
def test_the_number_of_threads_changes_no_bit():
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("one thread is all there is")
    layers, loss = layers_of(0), GramLoss(dict.fromkeys(SIZES, 1.0))
    target = loss.target(inner_of(layers_of(1)))
    found = []
    for threads in (1, 2):
        numba.set_num_threads(threads)
        found.append(measured(loss, layers, target, lambda whole: Inside(whole, PLACES, Rooms())))
    assert found[0][0] == found[1][0]
    for name in SIZES:
        np.testing.assert_array_equal(found[0][1][name], found[1][1][name])


def test_activations_are_a_mapping_of_what_is_inside():
    whole = {name: chainer.Variable(x) for name, x in layers_of(0).items()}
    seen = Inside(whole, PLACES)
    assert list(seen) == list(SIZES)
    assert len(seen) == 3
    assert seen["pool1"].shape == (1, 64, 31, 25)
    assert seen["pool1"] is seen["pool1"]
    assert seen["pool3"] is whole["pool3"]


def test_memory_is_handed_out_again_when_nobody_holds_it():
    rooms = Rooms()
    first = rooms.take((3, 5))
    first[...] = 1
    address, view = first.ctypes.data, first.T[1:]
    del first
    assert not np.shares_memory(rooms.take((5, 3)), view)  # a view still holds it
    assert (view == 1).all()
    del view
    taken = [rooms.take((15,)) for _ in range(3)]
    assert address in [each.ctypes.data for each in taken]
    assert all(each.ctypes.data % 64 == 0 for each in taken)
    del taken
    rooms.rest()
    assert rooms.take((15,))[0] == 0
