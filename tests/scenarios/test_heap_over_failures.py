"""A failed TLS connect must give back what it took: some 40 leaks of 4 KB, and a device can connect no more."""

from __future__ import annotations

import json

import pytest

from hil.board import Board
from hil.gateway import Gateway
from hil.gateway.faults import RefuseClient
from hil.schedule import Schedule
from hil.timeline import Timeline, where

#: Failures that show a leak, and bytes for each that are no noise.
FAILURES = 4
LEAK = 1024

MARGIN = 10.0


@pytest.mark.tls
@pytest.mark.needs("gateway", "client-certificate", "retry", "telemetry-heap")
@pytest.mark.scenario(
    "gives back its memory after failed connects",
    covers=("arduino-esp32 #3808: failed mTLS connects leak", "PubSubClient #938: heap falls per failed try"),
    waits="4 refusals, each for its gap, online.within twice, and telemetry",
)
def test_gives_back_its_memory_after_failed_connects(board: Board, gateway: Gateway, timeline: Timeline) -> None:
    """Its free heap, as its telemetry tells it, is not lower for the handshakes that were refused in between."""
    retry, within = board.contract.retry, board.contract.online.within
    board.power_cycle()
    board.wait_online()
    before = heap(board, timeline)
    with gateway.fault(RefuseClient("bad_certificate"), board=board.name, when=Schedule(count=FAILURES)):
        mark = timeline.mark()
        gateway.drop(board.name)
        longest = sum(min(retry.most, retry.first * 2**n) for n in range(FAILURES + 1))
        refusals = timeline.wait_count(
            where("gateway", "tls-failed", board.name), FAILURES, timeout=2 * within + longest, after=mark
        )
        board.wait_online(after=refusals[-1].sequence, timeout=within + retry.most)
    after = heap(board, timeline)
    lost = before - after
    assert lost < FAILURES * LEAK, (
        f"{lost} bytes of heap are gone after {FAILURES} failed connects ({before} -> {after})"
    )


def heap(board: Board, timeline: Timeline) -> int:
    """Its free heap in bytes, from the next telemetry."""
    telemetry = board.contract.telemetry
    assert telemetry is not None
    seen = timeline.wait(
        where("monitor", "message", None, topic=telemetry.topic),
        timeout=telemetry.period + MARGIN,
        after=timeline.mark(),
    )
    return int(json.loads(seen["payload"])[telemetry.heap])
