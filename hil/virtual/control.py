"""The control port: what a bench does to a board by its supply and its access point.

One JSON object a line, each way:

    {"token": "...", "do": "power-on"}  ->  {"ok": true, "power": true, "radio": true, "mode": "run", ...}
    anything else                       ->  {"ok": false, "error": "..."}

It is guarded by a token, because every user of this host can reach a TCP port; the token lies in the board's JSON
file, which only its owner can read. A wrong token ends the connection.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

MOST_LINE = 1 << 16


class Controlled(Protocol):
    """A board that takes orders."""

    async def power_on(self) -> None:
        """Give it its supply."""

    async def power_off(self) -> None:
        """Cut the supply."""

    def state(self) -> dict[str, Any]:
        """What the answer to each order tells."""

    def more_orders(self) -> dict[str, Callable[[], None]]:
        """What this kind of board can be told besides: each is done at once."""


class ControlServer:
    """Listens for orders to `board`. `shutdown` ends the process."""

    def __init__(self, board: Controlled, token: str, shutdown: Callable[[], None]) -> None:
        self._board = board
        self._token = token
        self._shutdown = shutdown
        self._server: asyncio.Server | None = None
        self._power: dict[str, Callable[[], Awaitable[None]]] = {
            "power-on": board.power_on,
            "power-off": board.power_off,
        }
        self._at_once: dict[str, Callable[[], None]] = {"state": _nothing, "shutdown": _nothing, **board.more_orders()}

    async def start(self, bind: str, port: int) -> int:
        """Listen on `bind`:`port` (0: any free one); returns the port. Raises OSError if that cannot be had."""
        self._server = await asyncio.start_server(self._serve, bind, port, limit=MOST_LINE)
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                answer, go_on = await self._answer(line)
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
                if not go_on:
                    break
        except (ConnectionError, ValueError):  # gone, or a line without end
            pass
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> tuple[dict[str, Any], bool]:
        try:
            order = json.loads(line)
            token, word = order["token"], str(order["do"])
        except (ValueError, KeyError, TypeError):
            return {"ok": False, "error": 'expected one JSON object a line: {"token": "...", "do": "state"}'}, True
        if not hmac.compare_digest(str(token).encode(), self._token.encode()):
            return {"ok": False, "error": "wrong token; the right one is in the board's JSON file"}, False
        if word in self._power:
            await self._power[word]()
        elif word in self._at_once:
            self._at_once[word]()
        else:
            known = ", ".join([*self._power, *self._at_once])
            return {"ok": False, "error": f"unknown order {word!r}; known: {known}"}, True
        if word == "shutdown":
            self._shutdown()
        return {"ok": True, **self._board.state()}, word != "shutdown"


def _nothing() -> None:
    """For orders whose answer is all there is."""
