"""TLS that needs room: long certificate chains, records of full size, handshake messages in many pieces.

Small devices save memory here (CONFIG_MBEDTLS_SSL_IN_CONTENT_LEN), and fail in the field when a broker changes its
certificate or somebody sends a large message.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hil.bench import Bench
from hil.board import Board
from hil.broker.monitor import Monitor
from hil.gateway import Gateway
from hil.gateway.faults import RecordSize
from hil.timeline import Timeline, where

from .first_attempt import first_attempt

pytestmark = [pytest.mark.tls, pytest.mark.needs("own-tls", "gateway")]

#: Seconds that a message may be late on a busy host or a slow network.
MARGIN = 10.0


@pytest.mark.scenario(
    "takes a very large server certificate chain",
    covers=("Device Advisor: TLS large size server certificate",),
    waits="online.within",
)
def test_takes_a_very_large_chain(bench: Bench, board: Board) -> None:
    """It completes the handshake with a server whose valid certificate chain is larger than one TLS record."""
    with bench.presenting(board, "very-large-chain"):
        attempt = first_attempt(bench.timeline, board)
    assert any(event.kind == "tls" for event in attempt.events), f"a valid but large chain was not taken: {attempt}"


@pytest.mark.needs("command", "large-command")
@pytest.mark.scenario(
    "takes a large message in one record",
    covers=("Device Advisor: TLS receive maximum size fragments",),
    waits="the SUBACK 10 s after online, then command.within",
)
def test_takes_a_large_message_in_one_record(
    board: Board, gateway: Gateway, monitor: Monitor, timeline: Timeline
) -> None:
    """A command as long as its contract allows, in one TLS record, arrives; it goes on living, and answers the next."""
    command = board.contract.command
    assert command is not None
    assert command.max_payload is not None
    with gateway.fault(RecordSize(16384, "application"), board=board.name):
        board.power_cycle()
        board.wait_online()
        timeline.wait(where("gateway", "suback", board.name), timeout=MARGIN, after=board.started())
        mark = monitor.publish(command.topic, b"x" * command.max_payload, qos=1)
        acknowledged = where("gateway", "puback", board.name, direction="up")
        timeline.wait(acknowledged | where("gateway", "close", board.name), timeout=command.within + MARGIN, after=mark)
        closed = timeline.events(where("gateway", "close", board.name), after=mark)
        assert not closed, f"a command of {command.max_payload} bytes ended the connection: {closed[0]}"
        asked = monitor.publish(command.topic, command.payload, qos=1)
        monitor.expect(command.answer_topic, timeout=command.within, after=asked)


@pytest.mark.needs("command")
@pytest.mark.scenario(
    "puts a message together from the smallest records",
    covers=("smallest record fragments",),
    waits="the SUBACK 10 s after online, then command.within",
)
def test_puts_a_message_together_from_the_smallest_records(
    board: Board, gateway: Gateway, monitor: Monitor, timeline: Timeline
) -> None:
    """Everything that the broker says comes one byte a TLS record, and is understood all the same."""
    command = board.contract.command
    assert command is not None
    with gateway.fault(RecordSize(1, "application"), board=board.name):
        board.power_cycle()
        board.wait_online()
        timeline.wait(where("gateway", "suback", board.name), timeout=MARGIN, after=board.started())
        asked = monitor.publish(command.topic, command.payload, qos=1)
        monitor.expect(command.answer_topic, timeout=command.within, after=asked)


@pytest.mark.scenario(
    "puts a handshake together from small pieces",
    covers=("Mbed TLS before 3.6.3: no fragmented handshake messages",),
    waits="online.within",
)
def test_puts_a_handshake_together_from_small_pieces(
    board: Board, gateway: Gateway, timeline: Timeline, warn: Callable[[str], None]
) -> None:
    """Handshake messages in records of 64 bytes are put together. Mbed TLS up to 3.6.2 cannot: a warning."""
    with gateway.fault(RecordSize(64, "handshake"), board=board.name):
        attempt = first_attempt(timeline, board)
    if not any(event.kind == "tls" for event in attempt.events):
        warn(f"it cannot put a fragmented handshake together, as RFC 5246 section 6.2.1 asks of it: {attempt}")
