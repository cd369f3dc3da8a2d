"""Nothing of the process is left changed, whoever reads meanwhile."""

import os
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from PIL import Image

from tests.conftest import make_texture
from texsynth import images
from texsynth.images import process_state


@pytest.fixture
def paths(tmp_path):
    paths = []
    for number in range(8):
        kind = ("tif", "png")[number % 2]
        options = {"tif": {"compression": "tiff_lzw"}, "png": {}}[kind]
        paths.append(tmp_path / f"{number}.{kind}")
        Image.fromarray(make_texture(40 + number, 30)).save(paths[-1], **options)
    return paths


def state():
    return Image.MAX_IMAGE_PIXELS, os.fstat(2), list(warnings.filters)


def test_reading_in_threads_leaves_the_process_as_it_was(paths):
    before, wrong = state(), []
    barrier = threading.Barrier(len(paths))

    def read(number):
        for _ in range(30):
            barrier.wait()
            shape = images.read(paths[number]).shape
            if shape != (30, 40 + number, 3):
                wrong.append(shape)

    threads = [threading.Thread(target=read, args=[number]) for number in range(len(paths))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert state() == before


def test_one_at_a_time_is_silent():
    """Two whose times overlap: the second waits, or it would put back what is not its own."""
    before, order = state(), []
    inside, may_end = threading.Event(), threading.Event()

    def first():
        with process_state.alone(), process_state.bounded(10), process_state.silenced():
            inside.set()
            may_end.wait()
            order.append("first")

    def second():
        with process_state.alone(), process_state.bounded(20), process_state.silenced():
            order.append("second")

    one, other = threading.Thread(target=first), threading.Thread(target=second)
    one.start()
    inside.wait()
    other.start()
    other.join(0.2)
    may_end.set()
    one.join()
    other.join()
    assert order == ["first", "second"]
    assert state() == before


FORKED = """
import os, sys, threading, time
from PIL import Image
from texsynth import images
from texsynth.images import process_state

def hold():
    with process_state.alone(), process_state.bounded(1), process_state.silenced():
        inside.set()
        time.sleep(0.5)

inside = threading.Event()
threading.Thread(target=hold).start()
inside.wait()
child = os.fork()
if not child:
    print("child", images.read(sys.argv[1]).shape, Image.MAX_IMAGE_PIXELS == 89478485, flush=True)
    os.write(2, b"heard")
    os._exit(0)
deadline = time.monotonic() + 20
while not os.waitpid(child, os.WNOHANG)[0]:
    if time.monotonic() > deadline:
        os.kill(child, 9)
        sys.exit("the child hangs")
    time.sleep(0.05)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_a_process_that_reads_reads_too(paths):
    arguments = [sys.executable, "-W", "ignore", "-c", FORKED, str(paths[0])]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("child (30, 40, 3) True\n", "heard")


def test_large_values_are_read_alike_by_threads(tmp_path):
    """Of a TIFF that is read here, which sets a limit of its own meanwhile."""
    values = np.arange(600, dtype=np.uint16).reshape(20, 30) * 100
    Image.fromarray(values).save(tmp_path / "a.tif")
    before, wanted, read = state(), images.read(tmp_path / "a.tif"), []
    threads = [
        threading.Thread(target=lambda: read.append(images.read(tmp_path / "a.tif")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read) == 8 and all((pixels == wanted).all() for pixels in read)
    assert state() == before
