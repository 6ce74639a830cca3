"""A device that cannot get in, or is thrown out, comes back later and later, and not in step with all the others.

A broker that has just come back is met by all its devices at once. Each case here keeps the device out in another way
and looks at the pauses between its tries; backoff.py has the rules.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hil.board import Board
from hil.gateway import Gateway
from hil.gateway.faults import Cut, Fault, RefuseConnack, ServerDisconnect, Withhold
from hil.schedule import Schedule
from hil.timeline import Event, Timeline

from .backoff import ENOUGH, judge, pauses, tries

pytestmark = [pytest.mark.needs("own-network", "gateway", "retry"), pytest.mark.mqtt]

Warn = Callable[[str], None]

#: Seconds after CONNACK at which an unstable connection breaks.
UNSTABLE = 0.2

SERVER_SHUTTING_DOWN = 0x8B


def kept_out(
    board: Board, gateway: Gateway, timeline: Timeline, faults: list[tuple[Fault, Schedule]], times: int, each: float
) -> list[Event]:
    """Switch on with faults that keep the board out so many times, of `each` seconds; returns its connects' events.

    The board must be let in, and be online, at the end.
    """
    mark = timeline.mark()
    for fault, when in faults:
        gateway.arm(fault, board.name, when)
    board.power_cycle()
    accepts = tries(timeline, board, times + 1, after=mark, each=each)
    board.wait_online(after=accepts[-1].sequence)
    return timeline.events(after=mark, before=accepts[-1].sequence + 1)


@pytest.mark.needs("connect-timeout")
@pytest.mark.scenario(
    "backs off when no CONNACK comes",
    covers=("Device Advisor: MQTT connect, jitter backoff retries",),
    waits="5 CONNACKs that never come, each mqtt.connect_timeout, and the gaps",
)
def test_backs_off_without_connack(board: Board, gateway: Gateway, timeline: Timeline, warn: Warn) -> None:
    """CONNACK is withheld five times: it gives each try up by itself, waits longer each time, and gets in at the sixth.

    Gaps that grow by equal steps or not at all fail; doubling without jitter is a warning.
    """
    limit = board.contract.mqtt.connect_timeout
    assert limit is not None
    withheld = [(Withhold("connack"), Schedule(count=5))]
    events = kept_out(board, gateway, timeline, withheld, 5, limit)
    ends = [event for event in events if (event.source, event.kind) == ("gateway", "close")]
    others = [end for end in ends if end["by"] != "device" and end["seconds"] > limit]
    assert not others, f"it waits for CONNACK for longer than {limit:g} s, until the broker gives it up: {others[0]}"
    judge(pauses(events, board), board.contract.retry, warn)


@pytest.mark.parametrize("how", ["server-disconnect", "unstable-connection"])
@pytest.mark.scenario(
    "backs off when it is cut off",
    covers=(
        "Device Advisor: MQTT reconnect backoff on server disconnect",
        "Device Advisor: MQTT reconnect backoff on an unstable connection",
        "Event Grid: connects, then is disconnected",
    ),
    waits="6 connections that do not last, each with its gap",
)
def test_backs_off_when_cut_off(board: Board, gateway: Gateway, timeline: Timeline, warn: Warn, how: str) -> None:
    """Let in and cut off six times it comes back each time, after gaps that grow; constant or linear ones fail.

    Server disconnect: DISCONNECT 'server shutting down' to an MQTT 5 client, a polite close to others. Unstable
    connection: a reset 0.2 s after CONNACK. A CONNACK alone is no success that ends the back-off.
    """
    fault = ServerDisconnect(SERVER_SHUTTING_DOWN) if how == "server-disconnect" else Cut("reset", UNSTABLE)
    events = kept_out(board, gateway, timeline, [(fault, Schedule(count=ENOUGH))], ENOUGH, 1.0)
    judge(pauses(events, board), board.contract.retry, warn)


@pytest.mark.quick
@pytest.mark.scenario(
    "backs off when CONNACK refuses it",
    covers=("PubSubClient #938: hammering a broker that refuses",),
    waits="6 refusals, each with its gap",
)
def test_backs_off_when_refused(board: Board, gateway: Gateway, timeline: Timeline, warn: Warn) -> None:
    """Refused by CONNACK six times, with one code after the other, its gaps grow, and it gets in at the end."""
    codes = [0x88, 0x87, 0x86, 0x85, 0x97, 0x9F] if board.contract.mqtt.version == "5" else [3, 5, 4, 2, 3, 5]
    faults: list[tuple[Fault, Schedule]] = [(RefuseConnack(code), Schedule(count=1)) for code in codes]
    events = kept_out(board, gateway, timeline, faults, len(codes), 0.0)
    judge(pauses(events, board), board.contract.retry, warn)
