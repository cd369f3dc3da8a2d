"""Statistics as arrays and as files: measured, averaged, saved, loaded, refused."""

import dataclasses
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import texsynth
from tests.conftest import make_texture
from tests.test_fuzz import damaged, fuzz
from texsynth import Config, Statistics
from texsynth.compat import chainer
from texsynth.errors import ConfigError, ImageError, StatisticsError
from texsynth.network import engine
from texsynth.network.vgg import VGGFeatures
from texsynth.targets import Moments

pytestmark = pytest.mark.usefixtures("weights_read_once")
LAYERS = ["conv1_1", "pool1", "pool2"]


@pytest.fixture(scope="module")
def config(random_weights_file):
    return Config(
        size=0, preset="gatys", layers=LAYERS, weights=random_weights_file, precision="fp32"
    )


@pytest.fixture(scope="module")
def measured(config):
    return texsynth.measure(make_texture(40, 33), config)


@pytest.fixture
def path(measured, tmp_path):
    measured.save(tmp_path / "stats.npz")
    return tmp_path / "stats.npz"


def arrays_of(path):
    with np.load(path) as file:  # which refuses pickles
        return dict(file)


def changed(path, **changes):
    """The same file with other arrays; ``None`` leaves one out."""
    arrays = {**arrays_of(path), **changes}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def naive_moments(x):
    """By the definitions, a pair of channels at a time, in float64."""
    flat = x.reshape(len(x), -1).astype(np.float64)
    mean = np.array([channel.mean() for channel in flat])
    gram = np.array([[(a * b).mean() for b in flat] for a in flat])
    covariance = [[((a - m) * (b - n)).mean() for b, n in zip(flat, mean, strict=True)]
                  for a, m in zip(flat, mean, strict=True)]  # fmt: skip
    return gram, mean, np.array(covariance)


def test_they_are_the_moments_of_the_activations(measured, random_weights):
    batch = make_texture(40, 33).transpose(2, 0, 1)[None].astype(np.float32)
    activations = VGGFeatures(random_weights, LAYERS)(chainer.Variable(batch))
    planes = {name: activations[name].array[0] for name in LAYERS}
    found = {**measured.layers, "image": measured.image}
    for name, x in {**planes, "image": batch[0]}.items():
        for kind, expected in zip(Moments._fields, naive_moments(x), strict=True):
            array = getattr(found[name], kind)
            assert array.dtype == np.float32
            np.testing.assert_allclose(array, expected, atol=2e-5 * abs(expected).max())
    assert measured.sizes == ((40, 33),) and measured.network == "vgg16"
    assert measured.weights_sha256 == random_weights.checksum() and not measured.is_grey


def test_large_exemplars_are_measured_in_blocks(config):
    """Which changes nothing but rounding."""
    from texsynth.synthesis import measuring

    large = make_texture(90, 70)
    whole = texsynth.measure(large, config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "_BLOCK", 32)
        parts = texsynth.measure(large, config)
    for name in LAYERS:
        for one, other in zip(whole.layers[name], parts.layers[name], strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5 * abs(one).max())


def test_a_file_holds_them_all(measured, path):
    again = Statistics.load(path)
    assert again.checksum() == measured.checksum()
    for name in ("sizes", "network", "pooling", "weights_sha256", "is_grey", "version"):
        assert getattr(again, name) == getattr(measured, name)
    arrays = arrays_of(path)
    assert str(arrays["network"]) == "vgg16" and arrays["sizes"].tolist() == [[40, 33]]
    np.testing.assert_array_equal(arrays["pool1/gram"], measured.layers["pool1"].gram)


def test_the_same_statistics_are_the_same_bytes(measured, path, tmp_path):
    Statistics.load(path).save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()


def test_the_average_is_that_of_each_array(measured, config):
    other = texsynth.measure(make_texture(48, 36, seed=1), config)
    mean = Statistics.average([measured, other])
    for name in LAYERS:
        rows = zip(mean.layers[name], measured.layers[name], other.layers[name], strict=True)
        for found, one, two in rows:
            np.testing.assert_allclose(found, (one + two) / 2, rtol=1e-6)
    assert mean.sizes == ((40, 33), (48, 36))
    assert Statistics.average([measured]).checksum() == measured.checksum()


@pytest.mark.parametrize("seed", range(2))
def test_a_texture_of_statistics_is_that_of_the_exemplar(measured, path, config, seed):
    """Step by step: what preset gatys reads of an exemplar is all that is saved."""
    config = dataclasses.replace(config, seed=seed, iterations=6)
    whole = texsynth.synthesize(make_texture(40, 33), config)
    alone = texsynth.synthesize(Statistics.load(path), config)
    np.testing.assert_allclose(alone.history[0], whole.history[0], rtol=2e-3)
    assert abs(alone.image.astype(int) - whole.image).max() <= 3
    for name, error in alone.errors.items():
        assert error == pytest.approx(whole.errors[name], abs=1e-3)
    assert list(alone.errors) == LAYERS and alone.exemplar is None
    assert alone == dataclasses.replace(alone, seconds=7.0)
    assert alone != whole and whole != alone
    assert alone.scheme.name == "gatys"


def make_config(config, **changes):
    return Config(**{**config.as_dict(), "iterations": 2, **changes})


@pytest.mark.parametrize("loss", ["gram", "paper-gram", "centred-gram"])
@pytest.mark.parametrize("engine", ["plain", "winograd"])
def test_losses_and_engines(measured, config, loss, engine):
    settings = make_config(config, losses=loss, engine=engine)
    result = texsynth.synthesize(measured, settings)
    whole = texsynth.synthesize(make_texture(40, 33), settings)
    np.testing.assert_allclose(result.history[0], whole.history[0], rtol=1e-3)


def test_in_blocks(measured, config):
    """Which a texture that does not fit in memory is made in."""
    from texsynth.synthesis.workshop import Workshop

    settings = make_config(config, output_size=(96, 80))
    study = Workshop(settings).study(measured)
    expected = texsynth.make_variation(study, 0)
    study.adopt({"pairs": 20, "block": 32, "keep": None})
    found = texsynth.make_variation(study, 0)
    assert study.is_in_blocks
    np.testing.assert_allclose(found.history[0], expected.history[0], rtol=1e-3)


@pytest.mark.gpu
def test_on_a_gpu(gpu, measured, config):
    """As a graph, which takes its targets from statistics too."""
    result = texsynth.synthesize(measured, make_config(config, gpu=0))
    expected = texsynth.synthesize(measured, make_config(config))
    np.testing.assert_allclose(result.history[0], expected.history[0], rtol=1e-3)


def test_other_sizes_tilings_and_starts_need_no_exemplar(measured, config):
    settings = make_config(config, output_size=(32, 48), tile="xy", margin=8)
    result = texsynth.synthesize(measured, settings, init=make_texture(20, 20))
    assert result.image.shape == (48, 32, 3)


def test_a_grey_exemplar_makes_grey_textures(config, tmp_path):
    grey = np.repeat(make_texture(32, 32)[..., :1], 3, axis=2)
    statistics = texsynth.measure(grey, config)
    statistics.save(tmp_path / "grey.npz")
    image = texsynth.synthesize(Statistics.load(tmp_path / "grey.npz"), make_config(config)).image
    assert statistics.is_grey and (image == image[..., :1]).all()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"preset": "natural"}, "preset natural needs the exemplar itself"),
        ({"preset": "regular"}, "preset regular needs the exemplar itself"),
        ({"start": "phase"}, "start phase .* needs the exemplar itself"),
        ({"detail": True}, "detail needs the exemplar itself"),
        ({"match_colours": True}, "match colours needs the exemplar itself"),
        ({"levels": 2}, "more than one level needs the exemplar itself"),
        ({"losses": ["gram", "autocorrelation"]}, "autocorrelation needs the exemplar itself"),
        ({"losses": ["gram", "contrast-gram"]}, "contrast-gram needs the exemplar itself"),
        (
            {"losses": "histogram"},
            "histogram needs .* gram, .* scaled-gram do without",
        ),
        ({"layers": ["pool3"]}, "gram reads pool3, of which there are no statistics; there are"),
        ({"network": "vgg19"}, "are of network vgg16, not vgg19; use --network vgg16"),
        ({"pooling": "max"}, "are of pooling average, not max"),
        ({"output_size": (2, 2)}, "too small"),
    ],
)
def test_what_needs_more_than_statistics_is_told(measured, config, settings, told):
    with pytest.raises(ConfigError, match=told):
        texsynth.synthesize(measured, make_config(config, **settings))


def test_statistics_by_other_weights_are_refused(measured, config, random_weights, tmp_path):
    from texsynth import weights

    tensors = dict(random_weights.tensors)
    tensors["conv5_1"] = tensors["conv5_1"][0], tensors["conv5_1"][1] + 1
    weights.save(tmp_path / "other.npz", weights.VGGWeights(tensors, random_weights.mean))
    with pytest.raises(ConfigError, match="with other weights"):
        texsynth.synthesize(measured, make_config(config, weights=str(tmp_path / "other.npz")))


def test_a_run_is_gone_on_with_from_a_checkpoint(measured, config, tmp_path):
    settings, path = make_config(config, iterations=6), tmp_path / "run.ckpt"
    whole = texsynth.synthesize(measured, settings)
    early = lambda progress: progress.step == 3  # noqa: E731
    saving = texsynth.Checkpoints(path, every=1)
    texsynth.synthesize(measured, settings, callback=early, checkpoints=saving)
    again = texsynth.synthesize(measured, settings, checkpoints=texsynth.Checkpoints(resume=path))
    np.testing.assert_array_equal(again.image, whole.image)
    edited = Statistics.average([measured, texsynth.measure(make_texture(40, 33, 2), config)])
    with pytest.raises(ConfigError, match="another exemplar or target"):
        texsynth.synthesize(edited, settings, checkpoints=texsynth.Checkpoints(resume=path))


def test_exemplars_that_cannot_be_measured_are_told(config):
    with pytest.raises(ConfigError, match="exemplar of 3x3 px is too small"):
        texsynth.measure(make_texture(3, 3), config)
    with pytest.raises(ImageError, match="must be an array"):
        texsynth.measure("stone.png", config)


def test_only_what_belongs_together_is_averaged(measured, config):
    with pytest.raises(StatisticsError, match="no statistics to average"):
        Statistics.average([])
    for settings, told in (
        ({"pooling": "max"}, "more than one pooling"),
        ({"layers": ["pool1"]}, "different layers"),
    ):
        other = texsynth.measure(make_texture(40, 33), make_config(config, **settings))
        with pytest.raises(StatisticsError, match=told):
            Statistics.average([measured, other])


# Files that are none


NAN = np.full((64, 64), np.nan, np.float32)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"pool1/gram": None}, "pool1/gram is missing"),
        ({"image/gram": None}, "image/gram is missing"),
        ({"image/mean": None}, "image/mean is missing"),
        ({"network": None}, "network is missing"),
        ({"kind": None}, "not a file of statistics: kind is missing"),
        ({"kind": "something else"}, "not a file of statistics"),
        ({"format": 2}, "has format 2, not 1"),
        ({"format": 1.5}, "format must be a number"),
        ({"network": "alexnet"}, "a network 'alexnet', which is unknown"),
        ({"network": "x" * 1000}, "network must be a text"),
        ({"network": 7}, "network must be a text, not int64"),
        ({"pooling": "sum"}, "a pooling 'sum'"),
        ({"pool1/gram": NAN}, "pool1/gram contains values that are not finite"),
        ({"pool1/gram": np.full((64, 64), 1e300)}, "pool1/gram contains values that are not"),
        ({"pool1/gram": np.eye(128)}, r"pool1/gram must have shape \(64, 64\), not \(128, 128\)"),
        ({"pool1/mean": np.zeros((64, 1))}, r"pool1/mean must have shape \(64,\)"),
        ({"pool1/gram": np.eye(64, dtype=complex)}, "must be floating-point numbers, not complex"),
        ({"pool1/gram": np.eye(64, dtype=int)}, "must be floating-point numbers, not int64"),
        ({"pool1/gram": np.triu(np.ones((64, 64)))}, "pool1/gram is not symmetric"),
        ({"conv9_9/gram": np.eye(64)}, "an array 'conv9_9/gram', which statistics do not have"),
        ({"pool1/median": np.eye(64)}, "an array 'pool1/median'"),
        ({"../../x": np.eye(64)}, "which statistics do not have"),
        ({"sizes": np.zeros((1, 2), int)}, "no sizes"),
        ({"sizes": np.full((1, 2), 10**9)}, "at most 65536"),
        ({"sizes": np.ones((0, 2), int)}, "sizes must be whole numbers"),
        ({"sizes": np.ones((1, 2))}, "sizes must be whole numbers"),
        ({"pool1/gram": np.array(None)}, r"shape \(64, 64\), not \(\)"),
        ({"pool1/gram": np.full((64, 64), None)}, "floating-point numbers, not object"),
        ({"network": np.array({"a": 1})}, "network must be a text, not object"),
        ({"grey": "no"}, "grey must be a number"),
    ],
)
def test_a_file_with_something_wrong_in_it_is_told_in_one_line(path, changes, told):
    changed(path, **changes)
    with pytest.raises(StatisticsError, match=told) as caught:
        Statistics.load(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_layers_that_another_network_has_are_refused(path):
    changed(path, **{f"conv3_4/{kind}": np.zeros((256, 256) if kind != "mean" else 256)
                     for kind in Moments._fields})  # fmt: skip
    with pytest.raises(StatisticsError, match="a layer 'conv3_4', which network vgg16 does not"):
        Statistics.load(path)


def test_no_pickle_is_loaded(path, tmp_path):
    made = tmp_path / "made"

    class Stowaway:
        def __reduce__(self):
            return open, (str(made), "w")

    pickle.loads(pickle.dumps(Stowaway())).close()
    made.unlink()
    changed(path, **{"pool1/gram": np.array([[Stowaway()] * 64] * 64, object)})
    with pytest.raises(StatisticsError):
        Statistics.load(path)
    path.write_bytes(pickle.dumps(Stowaway()))
    with pytest.raises(StatisticsError, match="not a file of statistics"):
        Statistics.load(path)
    assert not made.exists()


def test_a_truncated_file_is_told(path):
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(StatisticsError) as caught:
            Statistics.load(path)
        assert "\n" not in str(caught.value)


def test_a_name_twice_is_told(path):
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("kind.npy", b"")
    with pytest.raises(StatisticsError, match="contains kind twice"):
        Statistics.load(path)


def test_what_bursts_is_not_unpacked(path):
    """A gigabyte of zeros that is said to be a layer."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f4", "fortran_order": False, "shape": (16384, 16384)}
    )
    arrays = arrays_of(path)
    del arrays["pool1/gram"]
    np.savez(path, **arrays)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pool1/gram.npy", buffer.getvalue() + bytes(1 << 24))
    with pytest.raises(StatisticsError, match="must have shape"):
        Statistics.load(path)


def test_weights_are_no_statistics(random_weights_file):
    with pytest.raises(StatisticsError, match="not a file of statistics: kind is missing"):
        Statistics.load(random_weights_file)


def test_a_file_that_is_not_there_or_a_folder_is_told(tmp_path):
    with pytest.raises(StatisticsError, match=r"no such file: .*none\.npz"):
        Statistics.load(tmp_path / "none.npz")
    with pytest.raises(StatisticsError, match="is not a file"):
        Statistics.load(tmp_path)


def test_a_file_that_may_not_be_read_is_told(path, monkeypatch):
    def refuse(self, *arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(StatisticsError, match=r"cannot read .*stats\.npz: Permission denied"):
        Statistics.load(path)


def test_a_file_that_cannot_be_written_is_told(measured, tmp_path):
    with pytest.raises(StatisticsError, match=r"saved as \.npz"):
        measured.save(tmp_path / "stats.txt")
    with pytest.raises(StatisticsError, match=r"cannot write .*: No such file"):
        measured.save(tmp_path / "none" / "stats.npz")
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def small_files(measured, tmp_path_factory):
    """A whole file of one layer, and the start of it."""
    path = tmp_path_factory.mktemp("statistics") / "stats.npz"
    one = Statistics({"pool1": measured.layers["pool1"]}, measured.image, ((40, 33),), "vgg16",
                     "average", measured.weights_sha256)  # fmt: skip
    one.save(path)
    return [path.read_bytes(), path.read_bytes()[:700]]


@given(st.data())
@fuzz(60)
def test_damaged_files_end_in_one_line(small_files, tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    path.write_bytes(data.draw(damaged(small_files)))
    try:
        Statistics.load(path)
    except StatisticsError as error:
        assert "\n" not in str(error)


@pytest.mark.skipif(
    engine.precision_of("winograd", "auto") != "bf16", reason="no products of bfloat16 here"
)
def test_statistics_are_not_rounded_unless_that_is_asked_for(config):
    grams = {}
    for precision in ("auto", "fp32", "bf16"):
        own = dataclasses.replace(config, engine="winograd", precision=precision)
        grams[precision] = texsynth.measure(make_texture(40, 33), own).layers["pool2"].gram
    np.testing.assert_array_equal(grams["auto"], grams["fp32"])
    assert not np.array_equal(grams["auto"], grams["bf16"])
