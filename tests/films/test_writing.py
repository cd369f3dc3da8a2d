import builtins

import numpy as np
import pytest
from PIL import Image

from texsynth import films
from texsynth.errors import ConfigError, ImageError

TEXT = {"Software": "texsynth 1", "texsynth:settings": '{"image": "é: b.png"}'}
LOSSLESS = ("png",)


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (10, 12, 3), np.uint8) for _ in range(4)]


def read_by_pillow(path):
    with Image.open(path) as image:
        durations, frames = [], []
        for number in range(image.n_frames):
            image.seek(number)
            frames.append(np.asarray(image.convert("RGB")))
            durations.append(image.info["duration"])
        return frames, durations, image.info.get("loop")


def smooth(size=48):
    """Frames of slow waves, as a lossy format has them nearly unchanged."""
    y, x = np.mgrid[:size, :size]
    waves = [np.sin((x + 2 * y) / 9 + shift) for shift in range(4)]
    return [np.repeat(np.rint(127 + 99 * wave).astype("u1")[..., None], 3, 2) for wave in waves]


@pytest.mark.parametrize(("name", "error"), [("png", 0), ("gif", 2), ("webp", 3)])
def test_what_is_smooth_comes_back_nearly_unchanged(tmp_path, name, error):
    films.write(tmp_path / f"film.{name}", smooth(), True, {})
    for one, other in zip(read_by_pillow(tmp_path / f"film.{name}")[0], smooth(), strict=True):
        assert np.abs(one.astype(int) - other).mean() <= error


@pytest.mark.parametrize(("name", "error"), [("png", 0), ("gif", 12), ("webp", 60)])
@pytest.mark.parametrize("loops", [True, False])
def test_frames_come_back(tmp_path, frames, name, error, loops):
    path = tmp_path / f"film.{name}"
    films.write(path, frames, loops, TEXT)
    found, durations, loop = read_by_pillow(path)
    assert len(found) == len(frames)
    for one, other in zip(found, frames, strict=True):
        assert np.abs(one.astype(int) - other).mean() <= error
    assert durations == [100, 100, 100, 2000]
    once = None if name == "gif" else 1
    assert loop == (0 if loops else once)
    assert films.text_of(path) == TEXT


def test_an_mp4_comes_back_by_ffmpeg(tmp_path, frames):
    av = pytest.importorskip("av")
    smooth = [np.full((11, 13, 3), level, np.uint8) for level in (20, 120, 220)]
    films.write(tmp_path / "film.mp4", smooth, True, TEXT)
    with av.open(tmp_path / "film.mp4") as container:
        assert container.streams.video[0].average_rate == 10
        found = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(found) == 2 + 20  # the last one for two seconds
    assert {frame.shape for frame in found} == {(10, 12, 3)}
    for frame, level in zip(found, (20, 120, 220), strict=False):
        assert abs(frame.mean() - level) < 4
    assert films.text_of(tmp_path / "film.mp4") == TEXT


def test_what_stands_still_does_not_flicker(tmp_path, frames):
    for frame in frames:
        frame[:5] = frames[0][:5]
    films.write(tmp_path / "film.gif", frames, True, {})
    found = read_by_pillow(tmp_path / "film.gif")[0]
    for frame in found:
        np.testing.assert_array_equal(frame[:5], found[0][:5])


@pytest.mark.parametrize("name", ["film.txt", "film", "film.gif.bak"])
def test_other_formats_are_refused(tmp_path, frames, name):
    with pytest.raises(ConfigError, match=r"\.gif, \.webp, \.png, \.mp4, not "):
        films.write(tmp_path / name, frames, True, {})
    assert not list(tmp_path.iterdir())


def test_what_writes_mp4_may_be_missing(tmp_path, frames, monkeypatch):
    imported = builtins.__import__

    def without_av(name, *rest):
        if name == "av":
            raise ImportError(name)
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_av)
    with pytest.raises(ConfigError, match=r"needs the package av \(pip install 'texsynth\[film\]'"):
        films.write(tmp_path / "film.mp4", frames, True, {})
    assert films.text_of(tmp_path / "film.mp4") == {}


def test_an_mp4_needs_two_pixels_each_way(tmp_path):
    pytest.importorskip("av")
    with pytest.raises(ImageError, match="at least 2x2"):
        films.write(tmp_path / "film.mp4", [np.zeros((1, 9, 3), np.uint8)], True, {})
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_told(tmp_path, frames):
    with pytest.raises(ImageError, match="cannot write"):
        films.write(tmp_path / "none" / "film.gif", frames, True, {})


@pytest.mark.parametrize("name", ["gif", "webp", "png", "mp4"])
@pytest.mark.parametrize("content", [b"", b"GIF89a", bytes(1000), None])
def test_what_is_no_film_has_no_text(tmp_path, name, content):
    path = tmp_path / f"film.{name}"
    if content is not None:
        path.write_bytes(content)
    assert films.text_of(path) == {}
