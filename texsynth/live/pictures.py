"""Pictures as the page fetches them: PNGs, made when somebody asks, and once for all who do."""

import io
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TypeAlias

from PIL import Image

from texsynth import images
from texsynth.live.board import Board, Entry, Exemplar
from texsynth.typing import Pixels

THUMBNAIL = 192
"""Longer side of a small picture, in pixels."""

_LARGEST_SHOWN = 1024  # pixels, of an exemplar that is used at its own size
_KEPT = 64  # pictures, and as many bytes as these at most:
_KEPT_BYTES = 1 << 26

Key: TypeAlias = Hashable


class Pictures:
    """The PNGs of a board.

    Several threads may ask at once; those who want the same picture wait for the first of them.

    Args:
        board (texsynth.live.Board): What they are of.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self._made: OrderedDict[Key, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._under_way: dict[Key, threading.Lock] = {}

    def frame(self, entry: Entry, is_small: bool) -> bytes:
        """Returns the image of a texture as it is now.

        Args:
            entry (Entry): The texture.
            is_small (bool): Whether a thumbnail will do.

        Raises:
            KeyError: There is none yet.
            texsynth.errors.TexsynthError: The file is not there any more, or cannot be read.
        """
        frame = entry.frame
        if frame is None:
            raise KeyError(entry.number)

        def make() -> bytes:
            began = time.monotonic()
            if frame.path is not None and not is_small:
                return _whole(frame.path)
            pixels = frame.pixels if frame.path is None else images.read(frame.path)
            assert pixels is not None
            made = encoded(pixels, THUMBNAIL if is_small else 0)
            if not is_small:
                self._board.seconds_of_frame = time.monotonic() - began
            return made

        return self._once((entry.number, frame.version, is_small), make)

    def exemplar(self, entry: Entry, place: int, is_small: bool) -> bytes:
        """Returns one of the images that a texture is made from, at the size that is used.

        Args:
            entry (Entry): The texture.
            place (int): Which of its exemplars, from 0.
            is_small (bool): Whether a thumbnail will do.

        Raises:
            IndexError: There is none.
            texsynth.errors.TexsynthError: The file is not there any more, or cannot be read.
        """
        exemplar = entry.exemplars[place]
        return self._once((exemplar, is_small), lambda: _exemplar(exemplar, is_small))

    def small(self, path: Path) -> bytes:
        """Returns a thumbnail of a file.

        Args:
            path (pathlib.Path): The file.

        Raises:
            texsynth.errors.TexsynthError: It cannot be read.
        """
        return self._once((path, True), lambda: encoded(images.read(path), THUMBNAIL))

    def _once(self, key: Key, make: Callable[[], bytes]) -> bytes:
        with self._lock:
            if (made := self._made.get(key)) is not None:
                self._made.move_to_end(key)
                return made
            turn = self._under_way.setdefault(key, threading.Lock())
        with turn:
            with self._lock:
                if (made := self._made.get(key)) is not None:
                    return made
            try:
                made = make()
                with self._lock:
                    self._made[key] = made
                    self._let_go()
            finally:
                with self._lock:
                    self._under_way.pop(key, None)
        return made

    def _let_go(self) -> None:
        """Forgets what was asked for the longest time ago, but for the last one."""
        while len(self._made) > 1 and (
            len(self._made) > _KEPT or sum(map(len, self._made.values())) > _KEPT_BYTES
        ):
            self._made.popitem(last=False)


def encoded(pixels: Pixels, longer_side: int = 0) -> bytes:
    """Returns a PNG, quickly made.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        longer_side (int): That of the picture in pixels, if it would be longer; 0 is its own.
    """
    picture = Image.fromarray(pixels)
    if longer_side and max(picture.size) > longer_side:
        size = images.fitted_size(picture.size, longer_side)
        picture = picture.resize(size, Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def _exemplar(exemplar: Exemplar, is_small: bool) -> bytes:
    pixels = images.read(exemplar.path, exemplar.input_range)
    height, width = pixels.shape[:2]
    longer_side = exemplar.size or min(_LARGEST_SHOWN, max(width, height))
    if is_small:
        longer_side = min(longer_side, THUMBNAIL)
    size = images.fitted_size((width, height), longer_side)
    return encoded(images.to_pixels(images.fit(images.to_batch(pixels), size)))


def _whole(path: Path) -> bytes:
    from texsynth.errors import ImageError

    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}") from error
