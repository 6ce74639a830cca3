"""A SUBACK may say no. A device that does not look is online, and deaf."""

from __future__ import annotations

import pytest

from hil.board import Board
from hil.broker import Monitor
from hil.gateway import Gateway
from hil.gateway.faults import RefuseSubscribe
from hil.schedule import Schedule
from hil.timeline import NoSuchEvent, Timeline, where

from .asking import granted, must_answer

#: How often the subscription is refused before it is granted.
REFUSALS = 2


@pytest.mark.needs("own-network", "gateway", "command", "retry")
@pytest.mark.mqtt
@pytest.mark.quick
@pytest.mark.scenario(
    "notices a refused subscription",
    covers=("PubSubClient #341: SUBACK 0x80 is not seen", "unauthorised subscribe topic"),
    waits="online.within",
)
def test_notices_a_refused_subscription(board: Board, gateway: Gateway, monitor: Monitor, timeline: Timeline) -> None:
    """Its subscription is refused twice, by 0x80 (MQTT 5: 0x87): it asks again until it is granted, and listens."""
    mark = timeline.mark()
    code = 0x87 if board.contract.mqtt.version == "5" else 0x80
    gateway.arm(RefuseSubscribe(code), board.name, Schedule(count=REFUSALS))
    board.power_cycle()
    refused = timeline.wait(
        where("gateway", "suback", board.name, codes=[code]), timeout=board.contract.online.within, after=mark
    )
    try:
        granted(timeline, board, after=refused.sequence, timeout=board.contract.online.within)
    except NoSuchEvent as silence:
        pytest.fail(f"its subscription was refused, and it never asked again: it is deaf to commands\n{silence}")
    must_answer(monitor, board)
