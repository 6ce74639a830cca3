"""Memory that is lost a little at each connect is gone after a night of bad network, and no handshake works any more.

The device says itself how much heap is free. Only its trend is judged: what one connect costs, all of them cost.
"""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from hil.board import Board
from hil.gateway import Gateway
from hil.gateway.faults import RefuseClient, RefuseConnack
from hil.schedule import Schedule
from hil.timeline import Timeline, where

from .asking import MARGIN

pytestmark = [pytest.mark.needs("own-network", "gateway", "telemetry-heap", "retry"), pytest.mark.mqtt]

#: How often the heap is read, with something that may cost memory in between.
READINGS = 4

#: Bytes that a heap may lose by the way at each step: fragments, caches that are still filling.
NOISE = 256


def free_heap(timeline: Timeline, board: Board, after: int) -> int:
    """The free heap of the next new telemetry message, in bytes; one that is only sent again tells of the past."""
    telemetry = board.contract.telemetry
    assert telemetry is not None
    assert telemetry.heap is not None
    sent = timeline.events(where("gateway", "publish", board.name, direction="up"), after=board.started(), before=after)
    known = {event["payload"] for event in sent}
    heard = timeline.wait(
        where("monitor", "message", None, topic=telemetry.topic, payload=lambda payload: payload not in known),
        timeout=telemetry.period + board.contract.retry.most + MARGIN,
        after=after,
    )
    return int(json.loads(heard["payload"])[telemetry.heap])


def judge(readings: list[int], what: str) -> None:
    """Fail if the heap falls at each step, by more than noise."""
    steps = [early - late for early, late in pairwise(readings)]
    # The first step may be something that is made once and kept.
    leaks = all(step > NOISE for step in steps[1:])
    assert not leaks, f"its free heap falls with {what}: {', '.join(map(str, readings))} bytes"


@pytest.mark.scenario(
    "loses no memory when connections end",
    covers=("heap trend over reconnects",),
    waits="3 reconnects, each with its gap, and a telemetry message after each",
)
def test_loses_no_memory_over_reconnects(online_board: Board, gateway: Gateway, timeline: Timeline) -> None:
    """Its connection breaks three times: its free heap, read from its telemetry, does not fall each time."""
    board = online_board
    readings = [free_heap(timeline, board, timeline.mark())]
    while len(readings) < READINGS:
        cut = timeline.mark()
        gateway.drop(board.name)
        back = timeline.wait(
            where("gateway", "connack", board.name, code=0), timeout=board.contract.retry.most + MARGIN, after=cut
        )
        readings.append(free_heap(timeline, board, back.sequence))
    judge(readings, "each connection that ends")


FAILURES = {
    "refused": RefuseConnack(3),
    "certificate-refused": RefuseClient("bad_certificate"),
}


@pytest.mark.parametrize("failure", list(FAILURES))
@pytest.mark.scenario(
    "loses no memory when connects fail",
    covers=("arduino-esp32 #3808: failed mTLS connects leak", "PubSubClient #938: heap falls per failed try"),
    waits="3 times 1 refused connect, with its gap, and a telemetry message after each",
)
def test_loses_no_memory_over_failed_connects(
    online_board: Board, gateway: Gateway, timeline: Timeline, failure: str
) -> None:
    """Its connects are refused, by CONNACK or for its certificate: its free heap does not fall with each of them."""
    board = online_board
    readings = [free_heap(timeline, board, timeline.mark())]
    while len(readings) < READINGS:
        cut = timeline.mark()
        gateway.arm(FAILURES[failure], board.name, Schedule(count=1))
        gateway.drop(board.name)
        limit = 2 * board.contract.retry.most + MARGIN
        back = timeline.wait(where("gateway", "connack", board.name, code=0), timeout=limit, after=cut)
        readings.append(free_heap(timeline, board, back.sequence))
    judge(readings, "each connect that fails")
