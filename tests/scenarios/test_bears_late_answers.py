"""A broker under load answers late. That is no reason to hang up."""

from __future__ import annotations

import pytest

from hil.board import Board
from hil.gateway import Gateway
from hil.gateway.faults import Late, LateConnack
from hil.timeline import Timeline, where

from .asking import MARGIN

pytestmark = [pytest.mark.needs("own-network", "gateway"), pytest.mark.mqtt]


@pytest.mark.needs("connect-timeout")
@pytest.mark.scenario(
    "waits for a late CONNACK", covers=("answers late",), waits="half of mqtt.connect_timeout, and online.within"
)
def test_waits_for_a_late_connack(board: Board, gateway: Gateway, timeline: Timeline) -> None:
    """CONNACK takes half as long as it promises to wait: it is online on that very connection."""
    limit = board.contract.mqtt.connect_timeout
    assert limit is not None
    mark = timeline.mark()
    gateway.arm(LateConnack(limit / 2), board.name)
    board.power_cycle()
    first = timeline.wait(where("gateway", "connect", board.name), timeout=board.contract.online.within, after=mark)
    number = first["connection"]
    ended = where("gateway", "connack", board.name, connection=number) | where(
        "gateway", "close", board.name, connection=number
    )
    end = timeline.wait(ended, timeout=limit + MARGIN, after=first.sequence)
    assert end.kind == "connack", f"it did not wait for a CONNACK that took {limit / 2:g} s: {end}"
    board.wait_online(after=mark)


@pytest.mark.needs("telemetry")
@pytest.mark.scenario(
    "bears late acknowledgements",
    covers=("answers late", "Device Advisor: MQTT publish retry, no PUBACK (no disconnect first)"),
    waits="2 keep-alives or 3 telemetry periods",
)
def test_bears_late_acknowledgements(online_board: Board, gateway: Gateway, timeline: Timeline) -> None:
    """Each PUBACK comes late, by three quarters of a keep-alive: it does not hang up for that, and goes on."""
    board, telemetry = online_board, online_board.contract.telemetry
    assert telemetry is not None
    if telemetry.qos == 0:
        pytest.skip(f"not applicable: the contract '{board.contract.name}' has no telemetry at QoS 1 (telemetry.qos)")
    late = 0.75 * (board.contract.mqtt.keep_alive or 2)
    mark = timeline.mark()
    gateway.arm(Late("puback", late), board.name)
    sent = where("gateway", "publish", board.name, direction="up", topic=telemetry.topic)
    first = timeline.wait(sent, timeout=telemetry.period + MARGIN, after=mark)
    acked = where("gateway", "puback", board.name, direction="down", packet_id=first["packet_id"])
    closed = where("gateway", "close", board.name)
    for _ in range(2):
        end = timeline.wait(acked | closed, timeout=late + MARGIN, after=first.sequence)
        assert end.kind != "close", f"it hangs up because a PUBACK takes {late:g} s: {end}"
        first = timeline.wait(sent | closed, timeout=telemetry.period + MARGIN, after=end.sequence)
        assert first.kind != "close", f"it hangs up because a PUBACK takes {late:g} s: {first}"
        acked = where("gateway", "puback", board.name, direction="down", packet_id=first["packet_id"])
