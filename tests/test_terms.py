import dataclasses
import importlib
import inspect
import json
import pkgutil
from fractions import Fraction

import numpy as np
import pytest

from texsynth import losses, terms
from texsynth.errors import ConfigError
from texsynth.losses import IMAGE, LOSSES, make_losses
from texsynth.terms import Term, parse_layers, parse_term


@pytest.mark.parametrize("name", terms.LOSSES)
def test_the_registry_knows_which_losses_work_on_pixels(name):
    assert terms.LOSSES[name].on_pixels == (LOSSES[name].default_layers == (IMAGE,))


def test_every_loss_is_in_the_registry():
    """Whatever a module of losses has that can be made of layers, but for what others build on."""
    there = set()
    for module in pkgutil.iter_modules(losses.__path__):
        for item in vars(importlib.import_module(f"texsynth.losses.{module.name}")).values():
            if inspect.isclass(item) and getattr(item, "default_layers", ()):
                there.add(item)
    assert there == set(LOSSES.values())


def test_parse_layers():
    assert parse_layers("conv1_1, pool1=0.5") == {"conv1_1": 1.0, "pool1": 0.5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pool1,", "layers must look like conv1_1,pool1=0.5, not ''"),
        ("pool1,pool1=2", "layer pool1 is named twice"),
        ("pool1=much", "weight of layer pool1 must be a number, not 'much'"),
    ],
)
def test_parse_layers_refuses(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_layers(text)


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("gram", Term("gram")),
        ("spectrum=0.1", Term("spectrum", 0.1)),
        ("autocorrelation:pool2", Term("autocorrelation", 1.0, {"pool2": 1.0})),
        (" wasserstein = 2 : pool1=3,pool3 ", Term("wasserstein", 2.0, {"pool1": 3, "pool3": 1})),
    ],
)
def test_parse_term(text, term):
    assert parse_term(text) == term


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a loss must look like gram or autocorrelation=0.5:pool1,pool2, not ''"),
        ("grams", "loss must be one of gram, paper-gram, centred-gram, .*, not 'grams'"),
        ("gram=x", "weight of loss gram must be a number, not 'x'"),
        ("gram=-1", "weight of loss gram must be a number of at least 0, not -1.0"),
        ("gram=inf", "weight of loss gram must be a number of at least 0, not inf"),
        ("gram:", "layers must look like"),
        ("gram:pool9", "layer 'pool9' is unknown"),
        ("gram:pool1=0", "at least one layer must have a weight above 0"),
        ("spectrum:pool1", "loss spectrum works on the pixels and takes no layers"),
    ],
)
def test_parse_term_refuses(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_term(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gram", 10**400), "weight of loss gram must be a number of at least 0, not 1000"),
        (("gram", float("nan")), "weight of loss gram must be a number of at least 0, not nan"),
        (("gram", 1 + 0j), r"weight of loss gram must be a number of at least 0, not \(1\+0j\)"),
        (("gram", "1"), "weight of loss gram must be a number of at least 0, not '1'"),
        (("gram", 1, 5), "layers must map names to weights, not be 5"),
        (("gram", 1, [5]), r"layers must map names to weights, not be \[5\]"),
        (("gram", 1, ["pool1", "pool1"]), "layer pool1 is named twice"),
        (("gram", 1, {}), "layers must name at least one layer"),
        (("gram", 1, {5: 1}), "layer 5 is unknown"),
        (("gram", 1, {"pool1": 10**400}), "weight of layer pool1 must be a number of at least 0"),
        ((["gram"],), r"loss must be one of .*, not \['gram'\]"),
    ],
)
def test_odd_values_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Term(*arguments)


def test_numbers_of_numpy_become_plain():
    term = Term("gram", np.float32(0.5), {"pool1": np.float64(2), "pool2": Fraction(1, 4)})
    assert json.loads(json.dumps(dataclasses.asdict(term))) == {
        "name": "gram",
        "weight": 0.5,
        "layers": {"pool1": 2.0, "pool2": 0.25},
    }


def test_layers_are_not_shared_with_the_caller():
    layers = {"pool1": 1.0}
    term = Term("gram", 1, layers)
    layers["pool9"] = -1
    assert term.layers == {"pool1": 1.0}


def test_weights_of_term_and_layers_multiply():
    terms = [Term("gram", 2.0), Term("autocorrelation", 0.5, {"pool3": 3.0}), Term("spectrum", 0.1)]
    losses = make_losses(terms, {"pool1": 0.25})
    assert [loss.layers for loss in losses] == [("pool1",), ("pool3",), (IMAGE,)]
    assert losses[0].weights == {"pool1": 0.5}
    assert losses[1].weights == {"pool3": 1.5}


def test_terms_of_weight_zero_are_left_out():
    assert make_losses([Term("gram", 0.0), Term("histogram")], {"pool1": 1.0})[0].layers == (IMAGE,)
