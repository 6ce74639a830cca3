"""The keep-alive is a promise to speak in time. A broker ends a connection on which it is not kept."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise

import pytest

from hil.board import Board
from hil.gateway import Gateway
from hil.gateway.faults import ServerKeepAlive
from hil.schedule import Schedule
from hil.timeline import NoSuchEvent, Timeline, UnwantedEvent, where

pytestmark = [pytest.mark.needs("own-network", "gateway"), pytest.mark.mqtt]

#: Packets that a device sends; any of them keeps a connection alive.
SPEECH = {"connect", "publish", "puback", "pubrec", "pubrel", "pubcomp", "subscribe", "unsubscribe", "pingreq"}

#: What shows that a board lives that has no connection.
SIGNS = {("console", "line"), ("gateway", "accept")}

#: How many keep-alives are watched.
WATCHED = 2.5

#: By what part a packet may be late on a busy host.
LATE = 0.25


def keep_alive_of(board: Board) -> int:
    keep_alive = board.contract.mqtt.keep_alive
    if keep_alive == 0:
        pytest.skip(f"not applicable: the contract '{board.contract.name}' has no keep-alive (mqtt.keep_alive 0)")
    return keep_alive


def hear_of(board: Board, timeline: Timeline, keep_alive: int) -> None:
    """Wait until a board that was cut off is heard of again, for a keep-alive at most.

    That tells a device that only pings too late, or never, from one that hangs.
    """
    closed = timeline.last(where("gateway", "close", board.name, how="keep-alive"))
    assert closed is not None
    with suppress(NoSuchEvent):
        timeline.wait(
            lambda event: event.board == board.name and (event.source, event.kind) in SIGNS,
            timeout=max(keep_alive, 3.0),
            after=closed.sequence,
        )


@pytest.mark.scenario(
    "speaks within its keep-alive", covers=("esp-idf #12094: low keep-alive",), waits="2.5 keep-alives"
)
def test_speaks_in_time(
    online_board: Board, timeline: Timeline, warn: Callable[[str], None], finding: Callable[[str], None]
) -> None:
    """No longer than its keep-alive goes by without a packet of its own; beyond 1.5 of them it is cut off.

    Up to 1.5 is a warning: brokers bear it, the standard does not [MQTT-3.1.2-23].
    """
    board, keep_alive = online_board, keep_alive_of(online_board)
    connack = timeline.last(where("gateway", "connack", board.name, code=0))
    assert connack is not None
    try:
        timeline.never(
            where("gateway", "close", board.name, how="keep-alive"),
            seconds=WATCHED * keep_alive,
            after=connack.sequence,
        )
    except UnwantedEvent as cut:
        hear_of(board, timeline, keep_alive)
        pytest.fail(f"it was cut off for its silence, with a keep-alive of {keep_alive} s\n{cut}")
    own = [
        event
        for event in timeline.events(where("gateway", None, board.name), after=connack.sequence)
        if event.kind in SPEECH and event.get("direction", "up") == "up"
    ]
    silences = [late.monotonic - early.monotonic for early, late in pairwise([connack, *own])]
    pings = sum(event.kind == "pingreq" for event in own)
    finding(f"its longest silence was {max(silences):.2f} s of {keep_alive} s; {pings} pings")
    if max(silences) > (1 + LATE) * keep_alive:
        warn(f"it was silent for {max(silences):.2f} s, longer than its keep-alive of {keep_alive} s")


@pytest.mark.needs("mqtt-5")
@pytest.mark.scenario(
    "keeps the broker's Server Keep Alive", covers=("MQTT-3.1.2-21",), waits="online.within and 3 keep-alives"
)
def test_keeps_server_keep_alive(
    board: Board, gateway: Gateway, timeline: Timeline, warn: Callable[[str], None]
) -> None:
    """The broker states another keep-alive in its CONNACK: it must speak by that one, and not by its own.

    One half as long is kept, or it is cut off. With one three times as long, pings as often as ever are a warning:
    they show that the broker's word is not heard.
    """
    keep_alive = keep_alive_of(board)
    for stated in sorted({max(keep_alive // 2, 1), 3 * keep_alive}):
        mark = timeline.mark()
        gateway.arm(ServerKeepAlive(stated), board.name, Schedule(count=1))
        board.power_cycle()
        connack = timeline.wait(
            where("gateway", "connack", board.name, code=0), timeout=board.contract.online.within, after=mark
        )
        watched = 2.0 * keep_alive
        number = connack["connection"]
        try:
            timeline.never(
                where("gateway", "close", board.name, connection=number), seconds=watched, after=connack.sequence
            )
        except AssertionError as cut:
            pytest.fail(f"the broker stated a keep-alive of {stated} s, and it was cut off for its silence\n{cut}")
        pings = timeline.events(where("gateway", "pingreq", board.name, connection=number), after=connack.sequence)
        if stated > keep_alive and len(pings) >= 2 and pings[1].monotonic - connack.monotonic < watched:
            warn(
                f"the broker stated a keep-alive of {stated} s, and {len(pings)} pings came within {watched:g} s: "
                "it goes by its own"
            )
