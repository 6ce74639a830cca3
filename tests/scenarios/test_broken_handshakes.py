"""A handshake that does not end as it should: it stalls, is closed half-way, or is refused for the device's own part.

The device must give it up, try again with patience, and never try it without TLS.
"""

from __future__ import annotations

import contextlib

import pytest

from hil.board import Board
from hil.gateway import Gateway
from hil.gateway.faults import CloseHandshake, NoCloseNotify, RefuseClient, StallHandshake
from hil.gateway.faults.handshake import Closing
from hil.schedule import Schedule
from hil.timeline import NoSuchEvent, Timeline, where

from .backoff import pauses

pytestmark = [pytest.mark.tls, pytest.mark.needs("own-tls", "gateway", "retry")]

#: Refusals whose gaps are judged, and the part of the promised waiting that is too little by any jitter.
REFUSALS = 6
HARDLY = 0.2

#: Seconds that a device may take besides what its contract says: busy hosts, slow networks.
MARGIN = 10.0


@pytest.mark.quick
@pytest.mark.needs("connect-timeout")
@pytest.mark.scenario(
    "gives up a handshake that stalls",
    covers=("PubSubClient #527: blocked by a silent port", "TLS handshake stalled"),
    waits="mqtt.connect_timeout, retry.first, online.within and 10 s",
)
def test_gives_up_a_handshake_that_stalls(board: Board, gateway: Gateway, timeline: Timeline) -> None:
    """The server says nothing after the ClientHello; the device tries again within its own time-out, and gets in."""
    patience = board.contract.mqtt.connect_timeout
    assert patience is not None
    with gateway.fault(StallHandshake("client-hello"), board=board.name, when=Schedule(count=1)):
        mark = timeline.mark()
        board.power_cycle()
        stalled = timeline.wait(
            where("gateway", "tls-stalled", board.name), timeout=board.contract.online.within, after=mark
        )
        board.wait_online(
            after=stalled.sequence,
            timeout=patience + board.contract.retry.first + board.contract.online.within + MARGIN,
        )


@pytest.mark.parametrize(
    ("step", "how"),
    [("client-hello", "reset"), ("server-hello", "fin"), ("client-certificate", "alert"), ("client-finished", "reset")],
)
@pytest.mark.scenario(
    "comes back from a handshake that was cut off",
    covers=("Establishing a connection often fails (field failure 6)", "esp-mqtt #98"),
    waits="2 failures, each for its gap, and online.within twice",
)
def test_comes_back_from_a_handshake_that_was_cut_off(
    board: Board, gateway: Gateway, timeline: Timeline, step: str, how: Closing
) -> None:
    """Closed twice at one step of the handshake, politely, by RST or by an alert: the third connection stands."""
    with gateway.fault(CloseHandshake(step, how), board=board.name, when=Schedule(count=2)):
        mark = timeline.mark()
        board.power_cycle()
        failures = timeline.wait_count(
            where("gateway", "tls-failed", board.name), 2, timeout=2 * board.contract.online.within, after=mark
        )
        board.wait_online(after=failures[-1].sequence, timeout=board.contract.online.within + board.contract.retry.most)


@pytest.mark.quick
@pytest.mark.scenario(
    "never falls back to plain MQTT",
    covers=("PubSubClient #527: plain client on a TLS port",),
    waits="3 failures, each for its gap, and online.within twice",
)
def test_never_falls_back_to_plain_mqtt(board: Board, gateway: Gateway, timeline: Timeline) -> None:
    """TLS fails three times; the device must not send its CONNECT, and its secrets, without TLS in the end."""
    with gateway.fault(CloseHandshake("client-hello", "alert"), board=board.name, when=Schedule(count=3)):
        mark = timeline.mark()
        board.power_cycle()
        with contextlib.suppress(NoSuchEvent):
            timeline.wait_count(
                where("gateway", "close", board.name), 3, timeout=2 * board.contract.online.within, after=mark
            )
        plain = timeline.events(
            where("gateway", "tls-failed", board.name, reason="plain MQTT on the TLS port"), after=mark
        )
        assert not plain, "after TLS had failed, the device tried plain MQTT on the TLS port"
        board.wait_online(after=mark, timeout=board.contract.online.within + board.contract.retry.most)


@pytest.mark.needs("client-certificate")
@pytest.mark.parametrize("alert", ["bad_certificate", "unknown_ca", "access_denied"])
@pytest.mark.scenario(
    "bears that its certificate is refused",
    covers=("client certificate refused, with each alert",),
    waits="6 refusals, each for its gap, and online.within twice",
)
def test_bears_that_its_certificate_is_refused(board: Board, gateway: Gateway, timeline: Timeline, alert: str) -> None:
    """Refused with an alert it tries again with patience, and is online once the server thinks better of it."""
    retry = board.contract.retry
    gaps = [
        min(retry.first * 2**n, retry.most) if retry.kind.startswith("exp") else retry.first for n in range(REFUSALS)
    ]
    with gateway.fault(RefuseClient(alert), board=board.name, when=Schedule(count=REFUSALS)):
        mark = timeline.mark()
        board.power_cycle()
        refusals = timeline.wait_count(
            where("gateway", "tls-failed", board.name),
            REFUSALS,
            timeout=2 * board.contract.online.within + sum(gaps),
            after=mark,
        )
        assert {refusal["alert"] for refusal in refusals} == {alert}
        board.wait_online(after=refusals[-1].sequence, timeout=board.contract.online.within + retry.most)
    paused = sum(pauses(timeline.events(after=mark, before=refusals[-1].sequence + 1), board))
    # Jitter may halve what is promised, or worse; a device that hardly waits at all is meant.
    assert paused >= HARDLY * sum(gaps[:-1]), f"it waits only {paused:.3f} s in all between {REFUSALS} attempts"


@pytest.mark.scenario(
    "takes an end without close_notify for an end",
    covers=("connection closed without close_notify",),
    waits="online.within twice and retry.most",
)
def test_takes_an_end_without_close_notify_for_an_end(board: Board, gateway: Gateway, timeline: Timeline) -> None:
    """The server's side ends with a bare FIN, as a crash does: the device notices, and connects again."""
    with gateway.fault(NoCloseNotify(), board=board.name):
        board.power_cycle()
        board.wait_online()
        mark = timeline.mark()
        gateway.drop(board.name, "fin")
        board.wait_online(after=mark, timeout=board.contract.online.within + board.contract.retry.most)
