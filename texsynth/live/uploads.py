"""Files that come from a page: read up to a limit, under a name of our own."""

import json
import tempfile
from pathlib import Path
from urllib.parse import unquote

from starlette.exceptions import HTTPException
from starlette.requests import Request

LARGEST = 1 << 28
"""Bytes of a file, at most; as much as images may have that come through a pipe."""

_LARGEST_FORM = 1 << 14
_LONGEST_NAME = 100


async def received(request: Request, folder: Path) -> Path:
    """Returns the path of a new file with what a request sends; somebody else removes it.

    Args:
        request: The request, whose body is the file.
        folder (pathlib.Path): Where it is put.

    Raises:
        starlette.exceptions.HTTPException: It is too large: nothing of it is kept.
    """
    _check_length(request, LARGEST)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".part-", delete=False) as file:
        path, length = Path(file.name), 0
        try:
            async for part in request.stream():
                length += len(part)
                if length > LARGEST:
                    raise _too_large(LARGEST)
                file.write(part)
        except BaseException:  # the page went away in the middle of it, too
            path.unlink()
            raise
    return path


async def form(request: Request) -> object:
    """Returns the JSON value that a request sends.

    Args:
        request: The request.

    Raises:
        starlette.exceptions.HTTPException: It is too large, or no JSON.
    """
    _check_length(request, _LARGEST_FORM)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST_FORM:
            raise _too_large(_LARGEST_FORM)
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(400, "This is no JSON.") from None
    return value


def name_of(request: Request) -> str:
    """Returns what a file is called by whoever sends it: to be shown, never a path.

    Args:
        request: The request.
    """
    name = unquote(request.headers.get("x-name", ""), errors="replace")
    return name.replace("\\", "/").rpartition("/")[2][:_LONGEST_NAME]


def _check_length(request: Request, limit: int) -> None:
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> HTTPException:
    size = f"{limit >> 20} MiB" if limit >> 20 else f"{limit >> 10} KiB"
    told = f"This is too large: at most {size} are read."
    return HTTPException(413, told, {"connection": "close"})
