"""What the tests share: a tiny random network, and images."""

import contextlib
import gc
import logging
import signal
from pathlib import Path

import hypothesis  # noqa: F401 (its own plugin imports it last, where its warnings are errors)
import numba
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from threadpoolctl import threadpool_limits

from texsynth.command import cli
from texsynth.compat import chainer
from texsynth.network import architecture
from texsynth.weights import CAFFE_MEAN, VGGWeights, find, reading


def pytest_configure():
    """Takes signals that the shell ignores for us, as in the background and in services.

    The commands that the tests start would inherit that, and leave ignored signals ignored.
    """
    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    for number, handler in handlers.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture(autouse=True)
def log_as_it_was():
    """The command sets the package's log up; the next test finds it as if it had not."""
    log = logging.getLogger("texsynth")
    handlers, propagates, level = log.handlers, log.propagate, log.level
    yield
    log.handlers, log.propagate = handlers, propagates
    log.setLevel(level)


# For a command that a test starts: see ``one_thread``.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@contextlib.contextmanager
def threads(number):
    """Within it, Numba's loops and NumPy's BLAS have so many threads."""
    before = numba.get_num_threads()
    numba.set_num_threads(number)
    with threadpool_limits(number, user_api="blas"):
        yield
    numba.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Tests run beside one another: each has one thread, and their images are small.

    Two threads that wait for one another while other tests have the processors take twice the time.
    The kernels' own tests have ``all_threads``.
    """
    with threads(1):
        yield


@pytest.fixture
def all_threads(one_thread):
    """As many threads as there are, for tests of what threads do between them."""
    with threads(numba.config.NUMBA_NUM_THREADS):
        yield


def pytest_collection_finish():
    """Spares the collector of cycles all that is there before the first test, for good.

    It is called after each texture, and would look through pytest and every module each time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def random_weights():
    """VGG16 of the real shapes with random values, the same every time."""
    return make_random_weights()


@pytest.fixture(scope="session")
def random_vgg19():
    """VGG19 of the real shapes with random values, the same every time."""
    return make_random_weights("vgg19")


@pytest.fixture(scope="session")
def exact_weights(random_weights):
    """The random weights in float64, for an exact network."""
    return in_double(random_weights)


def in_double(weights):
    """The same weights in float64."""
    tensors = {
        name: (W.astype(np.float64), b.astype(np.float64))
        for name, (W, b) in weights.tensors.items()
    }
    return VGGWeights(tensors, weights.mean.astype(np.float64), weights.network)


def make_random_weights(network="vgg16"):
    """Makes weights of the real shapes with random values (He et al. 2015)."""
    generator = np.random.default_rng(0)
    tensors = {}
    for layer in architecture.convolutions(architecture.NETWORKS[network]):
        shape = (layer.out_channels, layer.in_channels, 3, 3)
        W = generator.standard_normal(shape, dtype=np.float32) * np.sqrt(2 / np.prod(shape[1:]))
        b = generator.standard_normal(shape[0], dtype=np.float32)
        tensors[layer.name] = W.astype(np.float32), b
    return VGGWeights(tensors, CAFFE_MEAN, network)


@pytest.fixture(scope="session")
def random_weights_file(random_weights, tmp_path_factory):
    """The random weights as an ``.npz``, for the command."""
    from texsynth.weights import save

    path = tmp_path_factory.mktemp("weights") / "random.npz"
    save(path, random_weights)
    return path


@pytest.fixture(scope="session")
def random_vgg19_file(random_vgg19, tmp_path_factory):
    """The random VGG19 as an ``.npz``."""
    from texsynth.weights import save

    path = tmp_path_factory.mktemp("weights") / "random19.npz"
    save(path, random_vgg19)
    return path


@pytest.fixture(scope="module")
def weights_read_once(random_weights, random_weights_file):
    """The file of the random weights is read once, and its checksum made; others are as ever.

    For modules that make texture after texture with them, about other things.
    """
    read, checksum = reading.read, VGGWeights.checksum
    tensors, mean = random_weights.tensors, random_weights.mean
    its_checksum = VGGWeights(*read(random_weights_file)).checksum()
    assert its_checksum == random_weights.checksum()

    def read_once(path, network):
        known = path == random_weights_file and network == random_weights.network
        return (dict(tensors), mean) if known else read(path, network)

    def checksum_once(weights):
        same = all(weights.tensors.get(name) is pair for name, pair in tensors.items())
        return its_checksum if same else checksum(weights)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "read", read_once)
        patch.setattr(VGGWeights, "checksum", checksum_once)
        yield


@pytest.fixture
def run(request, random_weights_file):
    """Runs the command in this process, with random weights and the module's ``FAST`` options."""

    def run(*arguments):
        options = [*request.module.FAST, "--weights", str(random_weights_file)]
        return CliRunner().invoke(cli.main, [*options, *map(str, arguments)])

    return run


@pytest.fixture(scope="session")
def real_weights():
    """Path of the real weights, fetched on first use."""
    from texsynth.weights import find_or_fetch

    return find() or find_or_fetch()


@pytest.fixture
def texture():
    """``(48, 64, 3)`` uint8: coloured blobs, the same every time."""
    return make_texture(64, 48)


def make_texture(width, height, seed=0):
    """Makes smooth coloured noise, ``(height, width, 3)`` uint8."""
    generator = np.random.default_rng(seed)
    noise = generator.standard_normal((height, width, 3))
    for axis in (0, 1):
        noise = sum(np.roll(noise, shift, axis) for shift in range(-2, 3))
    noise = (noise - noise.mean()) / noise.std()
    return np.clip(128 + 45 * noise, 0, 255).astype(np.uint8)


@pytest.fixture
def check_gradient():
    """Compares a function's gradient with central differences, along random directions.

    ``check_gradient(function, x)``: ``function`` takes and returns a ``chainer.Variable``; ``x`` is
    float64. (Chainer's own ``gradient_check`` needs ``pkg_resources``, which is gone.)
    """

    def check(function, x, eps=1e-6):
        generator = np.random.default_rng(1)
        variable = chainer.Variable(x.copy())
        y = function(variable)
        weights = generator.standard_normal(y.shape)
        chainer.functions.sum(y * weights).backward()
        assert variable.grad.shape == x.shape
        for _ in range(5):
            direction = generator.standard_normal(x.shape)
            up, down = (
                (function(chainer.Variable(x + sign * eps * direction)).array * weights).sum()
                for sign in (1, -1)
            )
            slope = (variable.grad * direction).sum()
            assert slope == pytest.approx((up - down) / (2 * eps), rel=1e-5, abs=1e-7)

    return check


@pytest.fixture
def gpu():
    """The first GPU; where there is none, the test is skipped. Afterwards the CPU is in use."""
    from texsynth.errors import DeviceError
    from texsynth.network import device

    cpu = chainer.get_device("@numpy")
    try:
        yield device.select(0)
    except DeviceError as error:
        pytest.skip(str(error))
    finally:
        cpu.use()


@pytest.fixture
def used_bytes(gpu):
    """``used_bytes()``: what arrays take of the GPU, without what earlier tests left behind."""
    gc.collect()
    with chainer.using_device(gpu):
        return gpu.xp.get_default_memory_pool().used_bytes


@pytest.fixture
def hostcuda(gpu):
    """The stand-in for a GPU, which counts what is asked of it; elsewhere the test is skipped."""
    from tests import hostcuda

    if not hostcuda.is_installed():
        pytest.skip("a GPU does not count what is asked of it, only its stand-in does")
    return hostcuda


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden", action="store_true", help="write the golden images instead of comparing"
    )


@pytest.fixture
def golden(request):
    """``golden(name, pixels)``: compares with ``tests/golden/name``, to 2 grey levels.

    Processors round differently; a few optimizer steps carry that into the last grey level.
    """

    def compare(name, pixels):
        path = Path(__file__).parent / "golden" / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(pixels).save(path)
        with Image.open(path) as expected:
            difference = np.abs(np.asarray(expected, dtype=int) - pixels)
        assert difference.max() <= 2

    return compare
