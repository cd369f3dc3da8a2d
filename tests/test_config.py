import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from texsynth.config import DEFAULT_LAYERS, Config
from texsynth.errors import ConfigError
from texsynth.terms import Term
from texsynth.values import parse_range, parse_size


def test_defaults_are_valid_and_cannot_be_changed():
    config = Config()
    assert config.layers == DEFAULT_LAYERS
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.size = 5


def test_settings_of_two_configs_are_not_shared():
    first = Config()
    first.layers["pool5"] = 1.0
    assert "pool5" not in Config().layers


def test_numpys_numbers_and_paths_become_plain():
    config = Config(
        size=np.int64(5), output_size=[np.int32(3), 4], weights=Path("a.npz"),
        iterations=np.int16(7), seed=np.uint64(2**63), gpu=np.int8(2), levels=np.int64(2),
        margin=np.uint8(9), memory=np.int64(10**9), learning_rate=np.float32(0.5),
        range_weight=np.float64(0.25), match_colours=np.True_, layers={"pool1": np.float32(2)},
    )  # fmt: skip
    expected = {"size": 5, "output_size": [3, 4], "weights": "a.npz", "layers": {"pool1": 2.0}}
    expected |= {"iterations": 7, "seed": 2**63, "gpu": 2, "levels": 2, "margin": 9}
    expected |= {"memory": 10**9, "learning_rate": 0.5, "range_weight": 0.25, "match_colours": True}
    assert json.loads(json.dumps(config.as_dict())).items() >= expected.items()


def test_as_dict_goes_through_json():
    config = Config(output_size=(3, 4), layers={"pool1": 2.0})
    assert json.loads(json.dumps(config.as_dict()))["layers"] == {"pool1": 2.0}


def test_settings_come_back_from_json_and_unknown_ones_are_named():
    config = Config(output_size=(3, 4), losses=(Term("gram", 2.0, {"pool1": 1.0}),), seed=7)
    plain = json.loads(json.dumps(config.as_dict()))
    assert Config.from_dict(plain) == config
    with pytest.raises(ConfigError, match=r"^unknown settings: colour, shade$"):
        Config.from_dict({**plain, "shade": 1, "colour": 2})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": -1}, "size must be at least 0, not -1"),
        ({"size": 1.5}, "size must be a whole number, not 1.5"),
        ({"quick": None}, "quick must be True or False, not None"),
        ({"match_colours": "no"}, "match colours must be True, False or None, not 'no'"),
        ({"size": 65537}, "size must be at most 65536, not 65537"),
        ({"output_size": (0, 5)}, "output size must be at least 1, not 0"),
        ({"output_size": (5, 65537)}, "output size must be at most 65536, not 65537"),
        ({"output_size": 48}, r"output size must be \(width, height\), not 48"),
        ({"input_range": (1, 0)}, "input range must be two finite numbers, the lower .*, not 1,0"),
        ({"input_range": (1, 1)}, "input range must be two finite numbers, the lower first"),
        ({"input_range": (0, math.nan)}, "two finite numbers, the lower first, not 0,nan"),
        ({"input_range": (-math.inf, 0)}, "two finite numbers, the lower first, not -inf,0"),
        ({"input_range": (0, 1, 2)}, r"input range must be two numbers, .*, not \(0, 1, 2\)"),
        ({"input_range": "01"}, r"input range must be two numbers, \(black, white\), not '01'"),
        ({"input_range": ("0", 1)}, r"input range must be two numbers"),
        ({"flatten": 0}, "flatten must be a number of at least 1, not 0"),
        ({"flatten": math.inf}, "flatten must be a number of at least 1, not inf"),
        ({"flatten": "9"}, "flatten must be a number of at least 1, not '9'"),
        ({"learning_rate": "4"}, "learning rate must be a positive number, not '4'"),
        ({"layers": 5}, "layers must be names, or map them to weights, not be 5"),
        ({"layers": {"pool1": "1"}}, "weight of layer pool1 must be a number of at least 0"),
        ({"weights": 5}, "weights must be a path, not 5"),
        (
            {"preset": "rough"},
            "preset must be one of auto, gatys, regular, natural, paper, not 'rough'",
        ),
        ({"start": "zero"}, "start must be one of noise, phase, not 'zero'"),
        ({"tile": "z"}, "tile must be one of x, y, xy, not 'z'"),
        ({"memory": "much"}, "memory must look like 4GB, 500MB or 1.5GiB, not 'much'"),
        ({"memory": "9" * 400 + "TB"}, "memory must look like 4GB"),
        ({"memory": 0}, "memory must be at least 1, not 0"),
        ({"margin": -1}, "margin must be at least 0, not -1"),
        ({"margin": 65537}, "margin must be at most 65536, not 65537"),
        ({"losses": ()}, r"losses must be a sequence of terms, not \(\)"),
        ({"losses": 5}, "losses must be a sequence of terms, not 5"),
        ({"losses": (5,)}, "losses must be terms, or texts of them, not 5"),
        ({"losses": (Term("gram", 0.0),)}, "at least one loss must have a weight above 0"),
        ({"engine": "fast"}, "engine must be one of auto, plain, winograd, cuda, not 'fast'"),
        ({"precision": "fp16"}, "precision must be one of auto, fp32, bf16, tf32, not 'fp16'"),
        ({"output_size": (5,)}, r"output size must be \(width, height\), not \(5,\)"),
        ({"iterations": -1}, "iterations must be at least 0, not -1"),
        ({"iterations": True}, "iterations must be a whole number, not True"),
        ({"optimizer": "sgd"}, "optimizer must be one of lbfgs, adam, not 'sgd'"),
        ({"learning_rate": 0}, "learning rate must be a positive number, not 0"),
        ({"learning_rate": math.nan}, "learning rate must be a positive number, not nan"),
        ({"learning_rate": math.inf}, "learning rate must be a positive number, not inf"),
        ({"layers": {}}, "layers must name at least one layer"),
        ({"layers": {"conv6_1": 1}}, "layer 'conv6_1' is unknown; network vgg16 has conv1_1, "),
        ({"layers": {"pool1": -1}}, "weight of layer pool1 must be a number of at least 0, not -1"),
        ({"layers": {"pool1": 0}}, "at least one layer must have a weight above 0"),
        ({"pooling": "mean"}, "pooling must be one of average, max, not 'mean'"),
        ({"levels": 0}, "levels must be at least 1, not 0"),
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"seed": 2**64}, "seed must be at most 18446744073709551615"),
        ({"range_weight": -1}, "range weight must be a number of at least 0, not -1"),
        ({"range_weight": math.inf}, "range weight must be a number of at least 0, not inf"),
        ({"gpu": -2}, "gpu must be at least -1, not -2"),
    ],
)
def test_every_value_is_checked(settings, message):
    with pytest.raises(ConfigError, match=message):
        Config(**settings)


@pytest.mark.parametrize(
    ("text", "ends"),
    [("0,1", (0, 1)), (" -1 , 1.5", (-1, 1.5)), ("-1e3,+.5E-2", (-1000, 0.005)), ("3.,4", (3, 4))],
)
def test_parse_range(text, ends):
    assert parse_range(text) == ends
    assert Config(input_range=list(ends)).input_range == ends


@pytest.mark.parametrize("text", ["", "1", "0;1", "0,1,2", "a,b", "nan,1", "\uff10,1", "0,1e9999"])
def test_parse_range_refuses(text):
    with pytest.raises(ConfigError, match=r"input range must look like 0,1 \(black, white\), not "):
        parse_range(text)


@pytest.mark.parametrize("text", ["1,0", "2,2", "0,1e999"])
def test_parse_range_refuses_what_is_no_range(text):
    with pytest.raises(ConfigError, match="two finite numbers, the lower first, not "):
        parse_range(text)


def test_parse_size():
    assert parse_size("384x192") == parse_size("384X192") == (384, 192)
    assert parse_size("384") == (384, 384)


@pytest.mark.parametrize(
    "text",
    [
        "\uff19x\uff19",
        "9" * 5000 + "x9",
        "",
        "384x",
        "x5",
        "3.5x4",
        "-3x4",
        "3x4x5",
        "a x b",
    ],
)
def test_parse_size_refuses(text):
    with pytest.raises(ConfigError, match="output size must look like 384x192"):
        parse_size(text)


@pytest.mark.parametrize(
    ("tile", "wrap"),
    [(None, (False, False)), ("x", (False, True)), ("y", (True, False)), ("xy", (True, True))],
)
def test_wrap_is_rows_and_columns(tile, wrap):
    assert Config(tile=tile).wrap == wrap


def test_the_network_is_the_presets_unless_asked_for():
    assert Config().network == "vgg16"
    assert Config(preset="paper").network == "vgg19-normalised"
    assert Config(preset="paper", network="vgg16").network == "vgg16"
    assert Config(network="vgg19").as_dict()["network"] == "vgg19"
    assert Config.from_dict({"preset": "gatys"}).network == "vgg16"  # of earlier versions


@pytest.mark.parametrize("network", ["vgg19", "vgg19-normalised"])
def test_layers_are_those_of_the_network(network):
    for settings in (
        {"layers": {"conv3_4": 1, "conv5_4": 1}},
        {"losses": [Term("gram", 1, {"conv4_4": 1})]},
    ):
        Config(network=network, **settings)
        with pytest.raises(ConfigError, match=r"layer 'conv._4' is unknown; network vgg16 has "):
            Config(**settings)


def test_an_unknown_network():
    with pytest.raises(ConfigError, match="network must be one of vgg16, vgg19-normalised, vgg19"):
        Config(network="vgg13")
