"""A broker that answers nothing any more is dead, whatever TCP thinks. Only pings find out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hil.board import Board
from hil.gateway import Gateway
from hil.gateway.faults import Withhold
from hil.timeline import NoSuchEvent, Timeline, where

from .asking import MARGIN


@pytest.mark.needs("own-network", "gateway", "retry")
@pytest.mark.mqtt
@pytest.mark.quick
@pytest.mark.scenario(
    "drops a connection on which nothing is answered",
    covers=("Device Advisor: MQTT no PINGRESP", "PubSubClient #951: connected() stays true"),
    waits="3 keep-alives and 10 s at most",
)
def test_drops_a_dead_connection(
    online_board: Board, gateway: Gateway, timeline: Timeline, warn: Callable[[str], None]
) -> None:
    """All of the broker's packets are withheld: it drops the connection, and is back once somebody answers.

    Later than two keep-alives is a warning: for so long what it publishes goes nowhere.
    """
    board, keep_alive = online_board, online_board.contract.mqtt.keep_alive
    if keep_alive == 0:
        pytest.skip(f"not applicable: the contract '{board.contract.name}' has no keep-alive (mqtt.keep_alive 0)")
    mark = timeline.mark()
    silence = gateway.arm(Withhold("all"), board.name)
    armed = timeline.events(after=mark)[-1].monotonic
    try:
        closed = timeline.wait(where("gateway", "close", board.name), timeout=3 * keep_alive + MARGIN, after=mark)
    except NoSuchEvent:
        pytest.fail(
            f"nothing was answered for {3 * keep_alive + MARGIN:g} s, and it did not drop the connection: "
            "does it look for PINGRESP?"
        )
    assert closed["by"] == "device", f"not the device dropped the dead connection: {closed}"
    silence.clear()
    took = closed.monotonic - armed
    if took > 2 * keep_alive + 1:
        warn(f"it took {took:.1f} s to drop a dead connection, with a keep-alive of {keep_alive} s")
    board.wait_online(after=closed.sequence, timeout=board.contract.retry.most + MARGIN)
