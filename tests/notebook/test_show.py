"""What a notebook is shown; IPython's display is captured, and its shell is a real one."""

import base64
import dataclasses
import io
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from traitlets.config import Config as ShellConfig

import texsynth
from tests.conftest import make_texture
from texsynth import Config, images, mix, repair, synthesize
from texsynth.errors import ConfigError, TexsynthError
from texsynth.notebook import Show, bars, show
from texsynth.synthesis.progress import Progress
from texsynth.synthesis.result import STOPPED

pytestmark = pytest.mark.usefixtures("weights_read_once")


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """IPython's shell, without a history on the disk."""
    from IPython.core.interactiveshell import InteractiveShell

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    settings = ShellConfig()
    settings.HistoryManager.enabled = False
    hook = sys.displayhook
    yield InteractiveShell.instance(config=settings)
    InteractiveShell.clear_instance()
    sys.displayhook = hook


@pytest.fixture
def shown(shell, monkeypatch):
    """What was displayed, in order: an object with ``data`` and ``update`` for each message."""
    messages = []

    def publish(data, metadata=None, *, transient=None, update=False, **extra):
        place = (transient or {}).get("display_id")
        messages.append(SimpleNamespace(data=data, place=place, update=update))

    monkeypatch.setattr(shell.display_pub, "publish", publish)
    return messages


@pytest.fixture
def clock(monkeypatch):
    """The time, in seconds, which the test sets: ``clock[0]``."""
    now = [0.0]
    monkeypatch.setattr(show, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@pytest.fixture
def no_tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)


@pytest.fixture
def config(random_weights_file):
    return Config(
        size=24, iterations=4, levels=1, layers=["conv1_1", "pool1"], weights=random_weights_file
    )


def images_of(messages):
    return [message for message in messages if "image/png" in message.data]


def lines_of(messages):
    return [message.data["text/plain"] for message in messages if "image/png" not in message.data]


def decoded(message):
    with Image.open(io.BytesIO(base64.b64decode(message.data["image/png"]))) as image:
        return np.asarray(image.convert("RGB"))


def make_progress(step=1, steps=100, level=1, pixels=None):
    pixels = np.zeros((8, 8, 3), np.uint8) if pixels is None else pixels
    study = SimpleNamespace(shown=images.to_pixels)
    batch = pixels.transpose(2, 0, 1)[None].astype(np.float32)
    shown = SimpleNamespace(pixels=lambda: batch, study=study)
    size = pixels.shape[1], pixels.shape[0]
    return Progress(level, 2, step, steps, 0.5, step, step / steps, 61.4, size, None, shown)


def test_the_texture_is_the_same_and_the_last_frame_shows_it(config, shown):
    exemplar = make_texture(30, 24)
    alone = synthesize(exemplar, config)
    assert synthesize(exemplar, config, callback=Show(size=24)) == alone
    height, width = alone.image.shape[:2]
    np.testing.assert_array_equal(decoded(images_of(shown)[-1])[:height, :width], alone.image)


def test_all_that_make_textures_take_it(config, shown):
    exemplar = make_texture(30, 24)
    mask = np.zeros((24, 30), bool)
    mask[8:16, 8:16] = True
    for make in (
        lambda: mix([exemplar, exemplar[::-1]], [0.5, 0.5], config, callback=Show()),
        lambda: repair(exemplar, mask, config=config, callback=Show()),
    ):
        before = len(images_of(shown))
        assert make().is_finished
        assert len(images_of(shown)) > before


def test_there_is_one_place_for_the_image_and_one_for_the_bar(shown, clock, no_tqdm):
    with Show() as callback:
        for step in range(1, 6):
            clock[0] = float(step)
            callback(make_progress(step))
    places = {message.place for message in shown}
    assert len(places) == 2 and None not in places
    assert [message.update for message in shown] == [False] * 2 + [True] * 8


def test_frames_come_at_most_twice_a_second_and_at_the_end(shown, clock, no_tqdm):
    with Show() as callback:
        for step, clock[0] in ((1, 7.0), (2, 7.4), (3, 7.5), (4, 7.9), (5, 7.99), (6, 8.0), (7, 8)):
            callback(make_progress(step))
    steps = [int(line.split("step ")[1].split("/")[0]) for line in lines_of(shown)]
    assert steps == [1, 3, 6, 7]


def test_drawing_that_takes_long_leaves_time_for_the_work(shown, clock, monkeypatch):
    def slow(*arguments):
        clock[0] += 3
        return Image.new("RGB", (1, 1))

    monkeypatch.setattr(show, "compose", slow)
    with Show() as callback:
        for step in range(1, 4):
            callback(make_progress(step))
            clock[0] += 0.2
    assert len(images_of(shown)) == 2  # the first and the last


def test_text_tells_how_far_it_is_and_what_time_is_left(shown, no_tqdm):
    with Show() as callback:
        callback(make_progress(50))
    (line,) = lines_of(shown)
    assert line == f" 50% [{'#' * 15}{' ' * 15}] level 1/2 (8x8)  step 50/100  loss 0.5  61 s left"
    (image,) = images_of(shown)
    assert image.data["text/plain"] == "<level 1/2 (8x8)  step 50/100  loss 0.5  61 s left>"


def test_tqdm_shows_the_bar_where_there_is_one(shown, capsys):
    with Show() as callback:
        callback(make_progress(50))
    assert lines_of(shown) == []
    told = capsys.readouterr().err
    assert " 50%|" in told and "level 1/2 (8x8)  step 50/100  loss 0.5  61 s left" in told


def test_each_synthesis_begins_anew(shown, no_tqdm):
    callback = Show()
    for _ in range(2):
        with callback:
            callback(make_progress())
    assert len({message.place for message in shown}) == 4
    np.testing.assert_array_equal(*map(decoded, images_of(shown)))


def test_an_interrupt_stops_and_keeps(config, shown):
    before = signal.getsignal(signal.SIGINT)

    class Interrupted(Show):
        def __call__(self, progress):
            if progress.step == 2:
                signal.raise_signal(signal.SIGINT)
            return super().__call__(progress)

    exemplar = make_texture(30, 24)
    result = synthesize(exemplar, config, callback=Interrupted())
    assert signal.getsignal(signal.SIGINT) is before
    assert result.reason == STOPPED and not result.is_finished
    assert [len(level) for level in result.history] == [2]
    assert result == synthesize(exemplar, config, callback=lambda progress: progress.step == 2)


def test_a_second_interrupt_ends_it_at_once_and_so_does_one_before_the_first_step(shown):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), Show():
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), Show() as callback:
        assert not callback(make_progress())
        signal.raise_signal(signal.SIGINT)
        assert callback(make_progress(2))
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_sigterm_is_the_kernels(shown):
    before = signal.getsignal(signal.SIGTERM)
    with Show():
        assert signal.getsignal(signal.SIGTERM) is before


def test_a_failure_is_not_drawn_over(shown, clock):
    with pytest.raises(ZeroDivisionError), Show() as callback:
        callback(make_progress())
        callback(make_progress(2))
        raise ZeroDivisionError
    assert len(images_of(shown)) == 1


def test_without_ipython_a_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", None)
    with pytest.raises(TexsynthError, match=r"needs IPython, .* \(pip install ipython\)$"):
        Show()


def test_outside_a_notebook_a_line_says_so():
    with pytest.raises(TexsynthError, match="this program runs in none"):
        Show()


@pytest.mark.parametrize("size", [15, 4097, 20.5, "300", None])
def test_a_size_that_is_none_is_refused(size):
    with pytest.raises(ConfigError, match=r"must be a whole number, 16\.\.4096, not "):
        Show(size=size)


def test_ipython_is_imported_by_who_asks_for_it():
    program = (
        "import sys, texsynth; texsynth.Show;"
        "assert not {'IPython', 'tqdm'} & {*sys.modules}, 'imported'"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_any_callback_that_is_a_context_manager_is_entered(config):
    told = []

    class Watching:
        def __enter__(self):
            told.append("begin")

        def __call__(self, progress):
            told.append(progress.step)

        def __exit__(self, *error):
            told.append(error[0])

    config = dataclasses.replace(config, iterations=2)
    synthesize(make_texture(30, 24), config, callback=Watching())
    assert told == ["begin", 1, 2, None]


def test_it_is_a_public_name():
    assert texsynth.Show is Show


def test_warnings_of_tqdm_are_not_the_users(monkeypatch, shell):
    """It advises to install ipywidgets, without which there is a bar too."""
    import warnings

    def advising(name):
        warnings.warn("IProgress not found", stacklevel=1)
        return SimpleNamespace(tqdm=lambda **settings: settings)

    monkeypatch.setattr(bars, "importlib", SimpleNamespace(import_module=advising))
    assert isinstance(bars.make(None), bars.TqdmBar)
