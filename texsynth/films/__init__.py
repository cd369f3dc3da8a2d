"""Films of a texture as it is made: which frames, and their files."""

from texsynth.films.frames import Frames
from texsynth.films.writing import FORMATS, format_of, text_of, write

__all__ = ["FORMATS", "Frames", "format_of", "text_of", "write"]
