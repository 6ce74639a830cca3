"""What is asked after something went wrong with TLS: is it alive, has it waited, and does it say why?"""

from __future__ import annotations

import re
from collections.abc import Callable

from hil.board import Board
from hil.timeline import Timeline, where

from .backoff import pauses

#: What a console says about certificates and keys, whatever the TLS library.
WORDS = re.compile(r"cert|pem|x509|tls|ssl|verif|handshake|\bkey\b|-0x[0-9a-f]+", re.IGNORECASE)

#: The part of its promised gaps that a device must have waited: jitter may halve them, or worse.
HARDLY = 0.2


def must_live(timeline: Timeline, board: Board, *, after: int) -> None:
    """Fail if it has booted more than once since it was started, which was after `after`."""
    # Not from `after` on: what it said of the start before may still have been on its way then.
    boots = timeline.events(where("board", "boot", board.name), after=max(after, board.started()))
    assert len(boots) <= 1, f"it has restarted {len(boots) - 1} times: {boots[-1]}"


def must_say_so(timeline: Timeline, board: Board, what: str, warn: Callable[[str], None], *, after: int) -> None:
    """Warn unless a line of its console is about certificates."""
    about = where("console", "line", board.name, text=lambda text: bool(WORDS.search(text)))
    if timeline.last(about, after=after) is None:
        warn(f"{what}: its console says nothing about certificates")


def gaps(board: Board, number: int) -> list[float]:
    """The first so many gaps that its contract promises, in seconds."""
    retry = board.contract.retry
    if not retry.kind.startswith("exp"):
        return [retry.first] * number
    return [min(retry.first * 2**n, retry.most) for n in range(number)]


def must_have_waited(timeline: Timeline, board: Board, times: int, what: str, *, after: int, before: int) -> None:
    """Fail if it has hardly waited between so many connects that failed."""
    paused = sum(pauses(timeline.events(after=after, before=before), board))
    promised = sum(gaps(board, times - 1))
    assert paused >= HARDLY * promised, f"{what}: it waits only {paused:.3f} s in all between {times} attempts"
