"""The test problems of tests/optimizers/test_optimizers.py on a GPU, computed by the host."""

import json

import numpy as np

from texsynth import optimizers
from texsynth.compat import chainer

HOST = chainer.get_device("@numpy")


def in_float32(function):
    """The function with a gradient of float32, whatever it computes in."""

    def of(x):
        loss, gradient = function(x)
        return loss, np.asarray(gradient, np.float32)

    return of


class Problem:
    """A test function as an objective that counts its calls, for images on the CPU or a GPU.

    On a GPU the loss is an array of the device, as objectives there return it.
    """

    def __init__(self, function):
        self.function, self.calls = in_float32(function), 0

    def __call__(self, image):
        self.calls += 1
        loss, gradient = self.function(HOST.send(image.array))
        if image.xp is np:
            image.grad = gradient
            return float(np.float32(loss))
        image.grad = image.xp.asarray(gradient)
        return image.xp.asarray(loss, np.float32)


def set_up(optimizer, start, device=HOST):
    """Hands an optimizer an image that starts so, and returns its pixels."""
    image = optimizers.Image(np.array(start, np.float32))
    image.to_device(device)
    optimizer.setup(image)
    return image.pixels


def run(optimizer, function, start, steps=200, device=HOST):
    """Takes steps until it stops; returns the image on the host, the losses, and the problem."""
    pixels, problem, losses = set_up(optimizer, start, device), Problem(function), []
    for _ in range(steps):
        losses.append(optimizer.update(problem, pixels))
        if optimizer.stop_reason:
            break
    return HOST.send(pixels.array), losses, problem


def gone_on(optimizer, fresh, device):
    """A fresh optimizer and image that take over the state of another's, by way of the host."""
    fields, arrays = optimizer.state()
    kept = {name: HOST.send(array).copy() for name, array in arrays.items()}
    set_up(fresh, HOST.send(optimizer.target.pixels.array), device)
    fresh.restore(json.loads(json.dumps(fields)), lambda name: device.send(kept[name]))
    return fresh


def check_same(one, other):
    """Two optimizers' images and states are the same, to the last bit."""
    np.testing.assert_array_equal(*(HOST.send(each.target.pixels.array) for each in (one, other)))
    assert one.stop_reason == other.stop_reason and one.t == other.t
