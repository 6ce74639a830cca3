"""A device that loses its power says nothing: the broker must speak for it, and only then."""

from __future__ import annotations

import pytest

from hil.board import Board
from hil.broker.monitor import Monitor
from hil.timeline import Match, Timeline, where

#: Brokers look at keep-alives in steps; mosquitto 2.0 was seen up to 6 s late, and hosts are busy.
MARGIN = 10.0


def will_message(board: Board) -> Match:
    will = board.contract.mqtt.will
    assert will is not None
    return where("monitor", "message", None, topic=will.topic, payload=will.payload.encode())


@pytest.mark.needs("will", "power-cut")
@pytest.mark.power
@pytest.mark.quick
@pytest.mark.scenario(
    "last will after a power cut", covers=("last will", "PubSubClient #520"), waits="1.5 keep-alives and 10 s"
)
def test_last_will_after_a_power_cut(online_board: Board, monitor: Monitor, timeline: Timeline) -> None:
    """No will while it lives; its will within 1.5 keep-alives and a margin after the cut, retained if promised."""
    board, will = online_board, online_board.contract.mqtt.will
    assert will is not None
    connect = timeline.last(where("gateway", "connect", board.name))
    if connect is not None:
        assert connect["will"] is not None, "the CONNECT carried no will: the broker has nothing to say"
    start = timeline.last(where("power", "on", board.name))
    assert start is not None
    assert not timeline.events(will_message(board), after=start.sequence), "the will came while the board was online"
    mark = timeline.mark()
    board.power_off()
    timeline.wait(will_message(board), timeout=1.5 * board.contract.mqtt.keep_alive + MARGIN, after=mark)
    if will.retain:
        assert monitor.retained(will.topic) == will.payload.encode()


@pytest.mark.needs("will", "disconnect-command", "gateway")
@pytest.mark.mqtt
@pytest.mark.scenario(
    "no will after a clean disconnect", covers=("last will",), waits="1.5 keep-alives and 0.5 s of silence"
)
def test_no_will_after_a_clean_disconnect(online_board: Board, timeline: Timeline) -> None:
    """After a DISCONNECT of its own no will is published, however long one waits."""
    board = online_board
    mark = timeline.mark()
    board.disconnect()
    timeline.wait(where("gateway", "disconnect", board.name, direction="up"), timeout=MARGIN, after=mark)
    # Long enough for a broker that mistakes the silence for a loss.
    timeline.never(will_message(board), seconds=1.5 * board.contract.mqtt.keep_alive + 0.5, after=mark)
