"""What pages are put together from: files of this room, and pictures within the text."""

import base64
import io
from importlib import resources

from PIL import Image


def data_url(pixels, kind="PNG"):
    """Returns a picture as a URL that has all of it.

    Args:
        pixels: ``(H, W)`` or ``(H, W, 3)`` uint8.
        kind (str): ``"PNG"``, or ``"JPEG"`` for what need not be exact.
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def text_of(name):
    """Returns the text of a file of this room.

    Args:
        name (str): The file's.
    """
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
