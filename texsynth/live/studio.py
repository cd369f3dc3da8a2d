"""What a studio has beside the page of a run: photographs to choose from, orders, a queue."""

from pathlib import Path
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from texsynth.live import app, uploads
from texsynth.live.board import Board
from texsynth.live.pictures import Pictures


class Desk(Protocol):
    """Who takes photographs and orders.

    Attributes:
        inbox: The folder that uploads come to.
    """

    inbox: Path

    def photographs(self) -> list[dict[str, Any]]:
        """Returns what can be chosen, ``{"number": 0, "name": ...}`` each."""
        ...

    def photograph(self, number: int) -> Path:
        """Returns the path of one of them; raises ``KeyError`` if there is none.

        Args:
            number (int): Which.
        """
        ...

    def keep(self, path: Path, name: str) -> int:
        """Takes an upload among the photographs, and returns its number.

        Args:
            path (pathlib.Path): Where it is; it is there no more afterwards.
            name (str): What it was called, to be shown.

        Raises:
            texsynth.errors.TexsynthError: It is no image that can be used.
        """
        ...

    def order(self, wanted: object) -> list[int]:
        """Puts a run at the end of the queue, and returns the numbers of its textures.

        Args:
            wanted: What the form has, not checked yet.

        Raises:
            texsynth.errors.TexsynthError: It cannot be made.
        """
        ...

    def remove(self, number: int) -> bool:
        """Takes the run of a texture out of the queue; returns whether it was there.

        Args:
            number (int): The texture's.
        """
        ...


def make(board: Board, desk: Desk) -> Any:
    """Makes the application of a studio.

    Args:
        board (texsynth.live.Board): Where its textures are shown.
        desk (Desk): Who takes photographs and orders.
    """
    return app.make(board, _Routes(board, desk).all(), is_studio=True)


class _Routes:
    def __init__(self, board: Board, desk: Desk) -> None:
        self._board, self._desk, self._pictures = board, desk, Pictures(board)

    def all(self) -> list[BaseRoute]:
        return [
            Route("/photographs", self.photographs),
            Route("/photograph/{number:int}", self.photograph),
            Route("/upload", self.upload, methods=["POST"]),
            Route("/order", self.order, methods=["POST"]),
            Route("/remove/{number:int}", self.remove, methods=["POST"]),
        ]

    async def photographs(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self._desk.photographs))

    async def photograph(self, request: Request) -> Response:
        try:
            path = self._desk.photograph(request.path_params["number"])
        except KeyError:
            raise HTTPException(404) from None
        return Response(await run_in_threadpool(self._pictures.small, path), media_type="image/png")

    async def upload(self, request: Request) -> Response:
        path = await uploads.received(request, self._desk.inbox)
        try:
            name = uploads.name_of(request)
            number = await run_in_threadpool(self._desk.keep, path, name)
        finally:
            path.unlink(missing_ok=True)
        return JSONResponse({"number": number})

    async def order(self, request: Request) -> Response:
        wanted = await uploads.form(request)
        return JSONResponse({"numbers": await run_in_threadpool(self._desk.order, wanted)})

    async def remove(self, request: Request) -> Response:
        entry = app.entry_of(self._board, request)
        if not self._desk.remove(entry.number):
            raise HTTPException(409, "Its turn has come already.")
        return JSONResponse({})
