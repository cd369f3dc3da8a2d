"""Who is let in: the one who has the address, from a page of this server, and nobody else.

What is refused is refused before anything of it is read but its head.
"""

import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, NamedTuple, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""What a page may load: this server's own, and nothing written into the page itself."""

LARGEST_HEAD = 1 << 14
"""Bytes of a request's head, at most."""

_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
_ENCODED = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]


class _Refusal(NamedTuple):
    status: int
    reason: str


class Gate:
    """An ASGI application in front of another.

    Args:
        app: The other one, which finds paths without the token.
        token (str): What the address has and nobody can guess.
        port (int): The server's.
    """

    def __init__(self, app: App, token: str, port: int) -> None:
        self._app, self._token = app, token.encode()
        # A name that leads to this machine may be anybody's: only these two are ours.
        self._hosts = {f"{name}:{port}".encode() for name in ("127.0.0.1", "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands a request on, or refuses it."""
        if scope["type"] != "http":
            return

        async def guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                own = [pair for pair in message["headers"] if pair[0].lower() not in _OWN_NAMES]
                message = {**message, "headers": [*own, *_ENCODED]}
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await _answer(refusal, guarded)
            return
        _, _, path = scope["path"][1:].partition("/")
        inside = {**scope, "path": f"/{path}", "raw_path": f"/{path}".encode(), "root_path": ""}
        await self._app(inside, receive, guarded)

    def _refusal(self, scope: Scope) -> _Refusal | None:
        """Why a request is refused; ``None`` lets it in."""
        headers = list(scope["headers"])
        if sum(len(name) + len(value) for name, value in headers) > LARGEST_HEAD:
            return _Refusal(431, "The head of the request is too large.")
        hosts = _values(headers, b"host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return _Refusal(421, "This server answers to 127.0.0.1 and localhost alone.")
        token, slash, _ = scope["path"][1:].partition("/")
        if not secrets.compare_digest(token.encode(), self._token) or not slash:
            return _Refusal(404, "Not found. The address that texsynth printed has more to it.")
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return _Refusal(405, "Only GET, HEAD and POST are understood.")
        if not _is_from_here(headers, hosts[0], scope["method"]):
            return _Refusal(403, "Only the page itself may ask for this.")
        return None


_OWN_NAMES = {name for name, _ in _ENCODED}


def _values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    return [value for key, value in headers if key.lower() == name]


def _is_from_here(headers: list[tuple[bytes, bytes]], host: bytes, method: str) -> bool:
    """Whether the page itself asks, or a person by an address, as far as browsers tell."""
    sites = set(_values(headers, b"sec-fetch-site"))
    origins = set(_values(headers, b"origin"))
    own = {b"http://" + host.lower()}
    if method == "POST":  # every browser tells its origin
        return {origin.lower() for origin in origins} == own and sites <= {b"same-origin"}
    if set(_values(headers, b"sec-fetch-mode")) == {b"navigate"}:  # a link elsewhere is no harm
        return True
    return origins <= own and sites <= {b"same-origin", b"none"}


async def _answer(refusal: _Refusal, send: Send) -> None:
    body = f"{refusal.reason}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
