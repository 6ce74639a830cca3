"""The supply of a virtual board: orders to its control port, one JSON object a line each way.

{"token": "...", "do": "power-on"}  ->  {"ok": true, "power": true, "radio": true, "mode": "run", ...}
"""

from __future__ import annotations

import json
import socket
from typing import Any, Literal

from hil.power import PowerError, check, record
from hil.timeline import Timeline
from hil.toml import Strict

# An answer is far shorter; whoever sends more is no virtual board.
LONGEST_ANSWER = 65536


class VirtualPower(Strict):
    """The supply of a virtual board; `hil.parts` makes its switch, from the address of the board's own process."""

    kind: Literal["virtual"] = "virtual"


class VirtualSwitch:
    """The switch of the virtual board whose control port is at `control` ("host:port"), guarded by `token`."""

    kind = "virtual"
    can_cut = True
    #: The order and its answer take a few milliseconds, and a virtual board has no capacitors.
    shortest: float | None = 0.01

    def __init__(
        self, control: str, token: str, *, board: str, timeline: Timeline | None = None, timeout: float = 10.0
    ) -> None:
        self._control = control
        self._token = token
        self._board = board
        self._timeline = timeline
        self._timeout = timeout

    def on(self) -> None:
        record(self._timeline, "on", self._board, self.kind)
        self.order("power-on")
        check(self, self._board, True)

    def off(self) -> None:
        self.order("power-off")
        check(self, self._board, False)
        record(self._timeline, "off", self._board, self.kind)

    def is_on(self) -> bool | None:
        return bool(self.order("state")["power"])

    def radio(self, up: bool) -> None:
        """Bring the board's access point up, or take it away, with the board running on. Raises PowerError."""
        self.order("radio-up" if up else "radio-down")

    def close(self) -> None:
        pass

    def order(self, word: str) -> dict[str, Any]:
        """Give one order and return the board's state after it. Raises PowerError."""
        host, _, port = self._control.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=self._timeout) as connection:
                connection.sendall(json.dumps({"token": self._token, "do": word}).encode() + b"\n")
                with connection.makefile("rb") as answers:
                    answer = json.loads(answers.readline(LONGEST_ANSWER))
        except (OSError, ValueError) as error:
            raise PowerError(
                f"virtual board {self._board}: order {word!r} to its control port {self._control} failed "
                f"({error}): has its process ended?"
            ) from error
        if not isinstance(answer, dict) or not answer.get("ok"):
            reason = answer.get("error") if isinstance(answer, dict) else answer
            raise PowerError(f"virtual board {self._board}: refused the order {word!r}: {reason}")
        return answer
