"""The photographs of a studio: what lies under the folder it was started in, and what is uploaded.

A photograph is chosen by its number. No name that comes from a page is ever a path.
"""

import itertools
import os
import re
import threading
from pathlib import Path

from texsynth.command import provenance
from texsynth.command.folders import SUFFIXES
from texsynth.errors import ImageError, TexsynthError
from texsynth.files.printable import one_line

_DEEPEST = 3  # folders within folders
_MOST = 300


class Photographs:
    """What there is to choose from.

    Args:
        root (pathlib.Path): The folder with photographs.
        inbox (pathlib.Path): The folder of uploads, which is there.
        left_out (pathlib.Path): A folder that is not looked into.

    Attributes:
        inbox (pathlib.Path): The same.
    """

    def __init__(self, root, inbox, left_out):
        self.inbox, self._root, self._left_out = inbox, root, left_out.resolve()
        self._paths, self._names = [], {}
        self._lock = threading.Lock()

    def listed(self):
        """Returns the numbers and names of all, those uploaded first."""
        found = list(itertools.islice(self._found(), _MOST))
        with self._lock:
            for path in found:
                self._number(path, str(path))
            here = [
                {"number": self._paths.index(path), "name": self._names[path]}
                for path in [*self._uploaded(), *found]
            ]
        return here

    def path(self, number):
        """Returns the path of one; raises ``KeyError`` if there is none.

        Args:
            number (int): Which.
        """
        if not 0 <= number < len(self._paths):
            raise KeyError(number)
        return self._paths[number]

    def name(self, number):
        """Returns what one is called, to be shown.

        Args:
            number (int): Which.
        """
        return self._names[self.path(number)]

    def keep(self, path, name):
        """Takes an upload in, and returns its number.

        Args:
            path (pathlib.Path): Where it is.
            name (str): What it was called.

        Raises:
            texsynth.errors.TexsynthError: It cannot be read as an image, by the rules for all.
        """
        name = one_line(name) or "photograph"
        try:
            ending = _checked(path)
        except TexsynthError as error:
            raise ImageError(str(error).replace(str(path), name)) from error
        with self._lock:
            for number in itertools.count(1):
                target = self.inbox / f"{number:04d}{ending}"
                try:
                    os.link(path, target)  # never over another
                except FileExistsError:
                    continue
                except OSError as error:
                    raise TexsynthError(f"cannot write {target}: {error.strerror}") from error
                return self._number(target, name)

    def _number(self, path, name):
        if path not in self._names:
            self._paths.append(path)
            self._names[path] = name
        return self._paths.index(path)

    def _uploaded(self):
        return [path for path in self._paths if path.parent == self.inbox]

    def _found(self):
        """Yields the paths of photographs under the folder, by name; no link is followed."""
        for place, folders, files in os.walk(self._root):
            folder = Path(place)
            depth = len(folder.relative_to(self._root).parts)
            folders[:] = sorted(
                name
                for name in folders
                if not name.startswith(".") and (folder / name).resolve() != self._left_out
            )
            if depth >= _DEEPEST:
                folders.clear()
            for name in sorted(files):
                path = folder / name
                is_one = path.suffix.lower() in SUFFIXES and not name.startswith(".")
                is_file = is_one and path.is_file() and not path.is_symlink()
                if is_file and not provenance.is_ours(path):
                    yield path


def _checked(path):
    """Reads an upload whole; returns an ending for its name, by what it is."""
    from PIL import Image

    from texsynth import images

    images.read(path)
    try:
        with Image.open(path) as picture:
            kind = (picture.format or "").lower()
    except (OSError, SyntaxError, ValueError):  # of a kind that Pillow alone does not know
        kind = ""
    return f".{kind}" if re.fullmatch(r"[a-z0-9]{1,9}", kind) else ".image"
