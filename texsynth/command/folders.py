"""A folder in the place of an image means the images in it."""

import itertools

from texsynth.command import provenance
from texsynth.errors import ImageError

_SUFFIXES = (
    *(".avif", ".bmp", ".exr", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pgm"),
    *(".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
)


def expanded(paths):
    """Returns paths of images, with those in a folder in its place, by name.

    What is hidden, in folders within, or made by this program is left out: textures may be written
    beside their exemplars.

    Args:
        paths: Paths of images and folders.

    Returns:
        tuple of pathlib.Path: The same without folders.

    Raises:
        texsynth.errors.ImageError: A folder has no image, or cannot be read.
    """
    found = (_images_in(path) if _is_folder(path) else [path] for path in paths)
    return tuple(itertools.chain.from_iterable(found))


def _is_folder(path):
    try:
        return path.is_dir()
    except OSError:  # told when it is read
        return False


def _images_in(folder):
    try:
        paths = sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file()
        )
    except OSError as error:
        raise ImageError(f"cannot read the folder {folder}: {error.strerror}") from error
    found = [path for path in paths if not provenance.is_ours(path)]
    if not found:
        made = ", but for what texsynth made" if paths else ""
        raise ImageError(f"the folder {folder} has no images{made}")
    return found
