"""The server: one address of this machine alone, a thread of its own, and whoever has the token."""

import asyncio
import contextlib
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from texsynth.errors import ConfigError, TexsynthError
from texsynth.live.board import Board
from texsynth.live.gate import LARGEST_HEAD, Gate

_HOST = "127.0.0.1"
_CONNECTIONS = 200  # at once; more are told to come again
_PATIENCE = 3.0  # seconds, in which a page that is loaded again comes back
_MISSING = "the page needs starlette and uvicorn: pip install 'starlette>=0.40' 'uvicorn>=0.30'"


class Server:
    """A server that runs.

    Args:
        board (texsynth.live.Board): What it shows.
        address (str): Where it is.

    Attributes:
        address (str): The same.
    """

    def __init__(self, board: Board, address: str) -> None:
        self._board, self.address = board, address

    def stay(self) -> None:
        """Waits until nobody looks on any more; a page that is loaded again is not gone."""
        last = time.monotonic()
        while self._board.is_watched or time.monotonic() - last < self._grace:
            if self._board.is_watched:
                last = time.monotonic()
                self._grace = _PATIENCE
            time.sleep(0.1)

    _grace = 0.0  # nobody who never came is waited for


def check_libraries() -> None:
    """Makes sure that the libraries for it are installed.

    Raises:
        texsynth.errors.TexsynthError: They are not.
    """
    try:
        import starlette  # noqa: F401 (it is only looked for)
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise TexsynthError(_MISSING) from error


@contextlib.contextmanager
def served(
    board: Board, port: int = 0, make: Callable[[Board], Any] | None = None
) -> Iterator[Server]:
    """A context manager within which a board can be seen.

    Args:
        board (texsynth.live.Board): What is shown.
        port (int): Where, on this machine; 0 takes one that is free.
        make: Makes the application of the board; ``None`` makes that of :mod:`texsynth.live.app`.

    Yields:
        Server: The server.

    Raises:
        texsynth.errors.ConfigError: The port is taken, or may not be had.
        texsynth.errors.TexsynthError: The libraries for it are not installed.
    """
    check_libraries()
    import uvicorn

    from texsynth.live import app

    with _listening(port) as listener:
        port = listener.getsockname()[1]
        token = secrets.token_urlsafe(16)
        config = uvicorn.Config(
            Gate((make or app.make)(board), token, port),
            interface="asgi3",
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=2,
            h11_max_incomplete_event_size=LARGEST_HEAD,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=lambda: asyncio.run(server.serve(sockets=[listener])),
            name="texsynth live page",
            daemon=True,
        )
        thread.start()
        try:
            yield Server(board, f"http://{_HOST}:{port}/{token}/")
        finally:
            board.is_over = True
            server.should_exit = True
            thread.join(5)


def _listening(port: int) -> socket.socket:
    # Only where the protocol is named, asyncio sends what it has at once (TCP_NODELAY).
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ConfigError(f"--port: {_HOST}:{port} cannot be had: {error.strerror}") from error
    return listener
