"""Which maps of a folder were made from the others in it, by their texts."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from texsynth import images
from texsynth.materials.finding import kinds_of, stem_of

PACKING = "texsynth:packing"
"""The keyword of how a picture is packed."""

PREVIEW = "texsynth:preview"
"""The keyword of which preview a picture is."""

_NAMED = re.compile(r"(seed\d+)?_?(stopped\d*)?")  # what names of maps begin with as they are made


def apart(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Tells the maps that are given from those that were made from them and lie beside them.

    Maps that were made may be given as well, so they are told apart only where some kind of map is
    there as both, and only by names that they were given when they were made.

    Args:
        paths: Images.

    Returns:
        tuple: Those that are given, and the others.
    """
    made = [path for path in paths if _is_made(path)]
    given = [path for path in paths if path not in made]
    kinds = [{kind for path in those for kind in kinds_of(path)} for those in (made, given)]
    return (given, made) if kinds[0] & kinds[1] else (list(paths), [])


def _is_made(path: Path) -> bool:
    """Whether it is a file of a stack that this program made, as it named it."""
    text = images.text_of(path)
    if not text.get("Software", "").startswith("texsynth "):
        return False
    if PACKING in text or PREVIEW in text:
        return True
    try:
        told = json.loads(text.get("texsynth:composition", "null"))
    # A JSON text of a thousand brackets is a RecursionError.
    except (ValueError, RecursionError):
        return False
    is_of_stack = isinstance(told, dict) and told.get("kind") == "stack"
    return is_of_stack and _NAMED.fullmatch(stem_of(path) or "") is not None
