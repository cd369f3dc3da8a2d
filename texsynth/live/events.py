"""What changes, as server-sent events.

The board is looked at a few times a second, and waits for no page.
"""

import asyncio
import json
from collections.abc import AsyncIterator

from texsynth.live.board import Board

_BETWEEN = 0.25  # seconds between two looks
_SILENCE = 15.0  # seconds, after which something is sent, for a page that is gone to be noticed


async def stream(board: Board) -> AsyncIterator[str]:
    """Yields the events of one page: all there is first, then what changes, and the end.

    Args:
        board (texsynth.live.Board): What is shown.
    """
    seen: dict[int, tuple[int, int]] = {}
    silent = 0.0
    board.watch(1)
    try:
        yield _event("all", {"title": board.title, "entries": board.changes(seen)})
        while not board.is_over:
            await asyncio.sleep(_BETWEEN)
            if changed := board.changes(seen):
                silent = 0.0
                yield _event("changes", {"entries": changed})
            elif (silent := silent + _BETWEEN) >= _SILENCE:
                silent = 0.0
                yield ": still here\n\n"
        yield _event("changes", {"entries": board.changes(seen)})
        yield _event("over", {})
    finally:
        board.watch(-1)


def _event(name: str, value: object) -> str:
    return f"event: {name}\ndata: {json.dumps(value, allow_nan=False)}\n\n"
