"""Acknowledgements get lost. What was not acknowledged is sent again, as itself and not as something new."""

from __future__ import annotations

import pytest

from hil.board import Board
from hil.broker import Monitor
from hil.gateway import Gateway
from hil.gateway.faults import Withhold
from hil.schedule import Schedule
from hil.timeline import Event, Match, NoSuchEvent, Timeline, where

from .asking import MARGIN, must_answer

pytestmark = [pytest.mark.needs("own-network", "gateway"), pytest.mark.mqtt]


def published(board: Board, **more: object) -> Match:
    return where("gateway", "publish", board.name, direction="up", **more)


def unacknowledged(gateway: Gateway, timeline: Timeline, board: Board) -> Event:
    """Keep the next PUBACK from the board; returns the PUBLISH that stays without it."""
    telemetry = board.contract.telemetry
    if telemetry is None or telemetry.qos == 0:
        pytest.skip(f"not applicable: the contract '{board.contract.name}' has no telemetry at QoS 1 (telemetry.qos)")
    mark = timeline.mark()
    gateway.arm(Withhold("puback"), board.name, Schedule(count=1))
    applied = timeline.wait(
        where("gateway", "fault", board.name, name="withhold", state="applied"),
        timeout=telemetry.period + MARGIN,
        after=mark,
    )
    sent = timeline.last(published(board, packet_id=applied["packet_id"]))
    assert sent is not None
    return sent


@pytest.mark.needs("resend", "telemetry")
@pytest.mark.quick
@pytest.mark.scenario(
    "sends a message again that gets no PUBACK",
    covers=("Device Advisor: MQTT publish retry, no PUBACK",),
    waits="mqtt.resend and 10 s",
)
def test_sends_a_publish_again(online_board: Board, gateway: Gateway, timeline: Timeline) -> None:
    """Without a PUBACK it sends the PUBLISH again on the same connection: same packet id, DUP set."""
    board, resend = online_board, online_board.contract.mqtt.resend
    assert resend is not None
    sent = unacknowledged(gateway, timeline, board)
    seen = {"connection": sent["connection"], "topic": sent["topic"], "payload": sent["payload"]}
    again = published(board, **seen)
    closed = where("gateway", "close", board.name, connection=sent["connection"])
    first = timeline.wait(again | closed, timeout=resend + MARGIN, after=sent.sequence + 1)
    assert first.kind != "close", f"it drops the connection instead of sending the message again: {first}"
    assert first["packet_id"] == sent["packet_id"], (
        f"sent again under another packet id, {first['packet_id']} instead of {sent['packet_id']}: "
        "the broker cannot know it again"
    )
    assert first["dup"], "sent again without DUP [MQTT-3.3.1-1]"


@pytest.mark.needs("resend", "command")
@pytest.mark.scenario(
    "asks again for a subscription that gets no SUBACK",
    covers=("Device Advisor: MQTT subscribe retry, no SUBACK",),
    waits="mqtt.resend and 10 s",
)
def test_sends_a_subscribe_again(board: Board, gateway: Gateway, monitor: Monitor, timeline: Timeline) -> None:
    """Without a SUBACK it sends the SUBSCRIBE again on the same connection, with the same packet id, and listens."""
    resend = board.contract.mqtt.resend
    assert resend is not None
    mark = timeline.mark()
    gateway.arm(Withhold("suback"), board.name, Schedule(count=1))
    board.power_cycle()
    subscribe = where("gateway", "subscribe", board.name)
    asked = timeline.wait(subscribe, timeout=board.contract.online.within, after=mark)
    closed = where("gateway", "close", board.name, connection=asked["connection"])
    try:
        again = timeline.wait(subscribe | closed, timeout=resend + MARGIN, after=asked.sequence + 1)
    except NoSuchEvent as silence:
        pytest.fail(f"no SUBACK came, and it never asked again: it is deaf to commands\n{silence}")
    assert again.kind != "close", f"it drops the connection instead of asking again: {again}"
    assert again["packet_id"] == asked["packet_id"], "asked again under another packet id"
    assert again["filters"] == asked["filters"]
    timeline.wait(where("gateway", "suback", board.name), timeout=MARGIN, after=again.sequence)
    must_answer(monitor, board)


@pytest.mark.needs("telemetry", "kept-session", "broker:persistent-sessions")
@pytest.mark.scenario(
    "sends what was not acknowledged again on the next connection",
    covers=("MQTT-4.4.0-1",),
    waits="mqtt.resend of MQTT 3.1.1 clients at most, retry.most and 10 s",
)
def test_sends_again_on_the_next_connection(online_board: Board, gateway: Gateway, timeline: Timeline) -> None:
    """With its session kept, a PUBLISH without PUBACK goes out again after the reconnect: same packet id, DUP set.

    An MQTT 5 client must not send it again while the connection lasts [MQTT-4.4.0-1].
    """
    board = online_board
    sent = unacknowledged(gateway, timeline, board)
    again = published(board, topic=sent["topic"], payload=sent["payload"])
    if board.contract.mqtt.version == "5":
        telemetry = board.contract.telemetry
        assert telemetry is not None
        timeline.wait_count(published(board), 3, timeout=3 * telemetry.period + MARGIN, after=sent.sequence + 1)
        early = timeline.events(again, after=sent.sequence + 1)
        assert not early, f"MQTT 5 forbids to send it again while the connection lasts: {early[0]}"
    cut = timeline.mark()
    gateway.drop(board.name)
    try:
        late = timeline.wait(again, timeout=board.contract.retry.most + MARGIN, after=cut)
    except NoSuchEvent as silence:
        pytest.fail(f"a message without PUBACK was lost with the connection\n{silence}")
    assert late["packet_id"] == sent["packet_id"], "sent again under another packet id"
    assert late["dup"], "sent again without DUP [MQTT-3.3.1-1]"
