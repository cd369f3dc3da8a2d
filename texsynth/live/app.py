"""The page's addresses, behind the token: its files, events, pictures, downloads, a stop."""

from collections.abc import Sequence
from html import escape
from string import Template
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from texsynth.errors import TexsynthError
from texsynth.files.printable import one_line
from texsynth.live import assets, events
from texsynth.live.board import Board, Entry, Status
from texsynth.live.pictures import Pictures

_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
}
_PNG = "image/png"


def make(board: Board, more: Sequence[BaseRoute] = (), is_studio: bool = False) -> Starlette:
    """Makes the application.

    Args:
        board (texsynth.live.Board): What is shown.
        more: Routes of what else there is.
        is_studio (bool): Whether the page has a form for new ones.
    """
    routes = [*_Routes(board, is_studio).all(), *more]
    app = Starlette(routes=routes, exception_handlers={TexsynthError: _unusable})
    app.router.redirect_slashes = False  # to where the token is not
    return app


def entry_of(board: Board, request: Request) -> Entry:
    """Returns the texture that an address names; raises 404 if there is none.

    Args:
        board (texsynth.live.Board): What is shown.
        request: Its path has ``number``.
    """
    try:
        return board[request.path_params["number"]]
    except KeyError:
        raise HTTPException(404) from None


class _Routes:
    def __init__(self, board: Board, is_studio: bool) -> None:
        self._board, self._pictures = board, Pictures(board)
        form = assets.text_of("studio.html") if is_studio else ""
        self._page = Template(assets.text_of("live.html")).substitute(studio=form)

    def all(self) -> list[BaseRoute]:
        return [
            Route("/", self.page),
            *(Route(f"/page/{name}", _of_file(name)) for name in assets.names(_TYPES)),
            Route("/events", self.events),
            Route("/frame/{number:int}", self.frame),
            Route("/exemplar/{number:int}/{place:int}", self.exemplar),
            Route("/file/{number:int}/{place:int}", self.file),
            Route("/real/{number:int}", self.game),
            Route("/stop/{number:int}", self.stop, methods=["POST"]),
        ]

    async def page(self, request: Request) -> Response:
        return Response(self._page, media_type="text/html")

    async def game(self, request: Request) -> Response:
        """Which one is odd? A page of its own, for a texture that is there."""
        entry = entry_of(self._board, request)
        if not entry.files or not entry.exemplars:
            raise HTTPException(404)
        source = entry.exemplars[0].path.name
        named = {"source": escape(source), "game": assets.game(source), "number": entry.number}
        made = Template(assets.text_of("real.html")).substitute(named)
        return Response(made, media_type="text/html")

    async def events(self, request: Request) -> Response:
        return StreamingResponse(events.stream(self._board), media_type="text/event-stream")

    async def frame(self, request: Request) -> Response:
        entry = entry_of(self._board, request)
        try:
            made = await run_in_threadpool(self._pictures.frame, entry, _is_small(request))
        except KeyError:
            raise HTTPException(404) from None
        return Response(made, media_type=_PNG)

    async def exemplar(self, request: Request) -> Response:
        entry, place = entry_of(self._board, request), request.path_params["place"]
        if place >= len(entry.exemplars):
            raise HTTPException(404)
        made = await run_in_threadpool(self._pictures.exemplar, entry, place, _is_small(request))
        return Response(made, media_type=_PNG)

    async def file(self, request: Request) -> Response:
        entry, place = entry_of(self._board, request), request.path_params["place"]
        if place >= len(entry.files):
            raise HTTPException(404)
        path = entry.files[place]
        try:
            content = await run_in_threadpool(path.read_bytes)
        except OSError:
            raise HTTPException(404) from None
        kind = _PNG if path.suffix == ".png" else "application/octet-stream"
        name = f"attachment; filename*=UTF-8''{quote(path.name, errors='replace')}"
        return Response(content, media_type=kind, headers={"content-disposition": name})

    async def stop(self, request: Request) -> Response:
        entry = entry_of(self._board, request)
        if entry.status is not Status.RUNNING:
            raise HTTPException(409, "It is not under way.")
        entry.is_to_end = True
        return JSONResponse({})


def _of_file(name: str) -> Any:
    kind = _TYPES[name[name.rindex(".") :]]

    async def answer(request: Request) -> Response:
        return Response(assets.bytes_of(name), media_type=kind)

    return answer


def _is_small(request: Request) -> bool:
    return "small" in request.query_params


async def _unusable(request: Request, error: Exception) -> Response:
    return PlainTextResponse(one_line(str(error)), 422)
