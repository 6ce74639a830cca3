"""What others see of a device is a retained word: 'online' or 'offline'. In the end it has to be the truth."""

from __future__ import annotations

import contextlib

import pytest

from hil.board import Board
from hil.broker import Monitor
from hil.gateway import Gateway
from hil.gateway.faults import BlackHole
from hil.schedule import Schedule
from hil.timeline import NoSuchEvent, Timeline, where

from .asking import MARGIN

pytestmark = [pytest.mark.needs("own-network", "online-message", "retry"), pytest.mark.mqtt]

#: Seconds in which the will of a connection that is over comes.
SETTLE = 1.0


def must_read_online(monitor: Monitor, board: Board) -> None:
    """The retained state is the online message, if the contract has it retained."""
    online = board.contract.mqtt.online
    assert online is not None
    if online.retain and online.payload is not None:
        found = monitor.retained(online.topic)
        assert found == online.payload.encode(), f"{online.topic} reads {found!r}, and the board is online"


@pytest.mark.needs("gateway")
@pytest.mark.quick
@pytest.mark.scenario(
    "says online again after each connect", covers=("PubSubClient #872 #909",), waits="twice retry.most and 10 s"
)
def test_says_online_after_each_connect(
    online_board: Board, gateway: Gateway, monitor: Monitor, timeline: Timeline
) -> None:
    """Its connection breaks twice, and its will is published: each time it says anew that it is online."""
    board = online_board
    for _ in range(2):
        cut = timeline.mark()
        gateway.drop(board.name)
        back = timeline.wait(
            where("gateway", "connack", board.name, code=0), timeout=board.contract.retry.most + MARGIN, after=cut
        )
        try:
            board.wait_online(after=back.sequence, timeout=MARGIN)
        except NoSuchEvent as silence:
            pytest.fail(f"it is connected again and does not say so: its last word is that of its will\n{silence}")
        must_read_online(monitor, board)


@pytest.mark.needs("will", "broker:will-on-takeover", "gateway")
@pytest.mark.scenario(
    "reads online after a fast reset",
    covers=("PubSubClient #872 #909: 'offline' comes after the reconnect",),
    waits="online.within, 1.5 keep-alives and 10 s at most",
)
def test_reads_online_after_a_fast_reset(
    online_board: Board, gateway: Gateway, monitor: Monitor, timeline: Timeline
) -> None:
    """It loses its power and is back before the broker has missed it: once its old connection is gone, it reads online.

    The will of the old connection has to come before the new connection's online message. It does where the client id
    is the same, since the broker ends the old connection for the new one.
    """
    board, will, online = online_board, online_board.contract.mqtt.will, online_board.contract.mqtt.online
    assert will is not None
    assert online is not None
    if not online.retain:
        pytest.skip(f"not applicable: the contract '{board.contract.name}' has its online message not retained")
    old = timeline.last(where("gateway", "connack", board.name, code=0))
    assert old is not None
    reset = timeline.mark()
    # Nothing more comes of the old connection: no RST either, with which a board that is back answers its last packets.
    gateway.arm(BlackHole(), board.name, Schedule(count=1))
    board.power_cycle()
    board.wait_online(after=reset)
    timeline.wait(
        where("gateway", "close", board.name, connection=old["connection"]),
        timeout=1.5 * board.contract.mqtt.keep_alive + MARGIN,
        after=reset,
    )
    with contextlib.suppress(NoSuchEvent):  # a kept session that is taken over has no will to be published
        timeline.wait(
            where("monitor", "message", None, topic=will.topic, payload=will.payload.encode()),
            timeout=SETTLE,
            after=reset,
        )
    must_read_online(monitor, board)
