"""QoS is a promise of both ends: what a device got it says so, and what comes twice it does once."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable

import pytest

from hil.board import Board
from hil.broker import Monitor
from hil.gateway import Gateway
from hil.gateway.faults import Deliver, Redeliver
from hil.schedule import Schedule
from hil.timeline import Event, NoSuchEvent, Timeline, where

from .asking import MARGIN, listens, must_answer, must_not_reboot

pytestmark = [pytest.mark.needs("gateway", "command"), pytest.mark.mqtt]

#: Seconds in which a second execution would show.
SETTLE = 1.0


def commanded(board: Board) -> str:
    command = board.contract.command
    assert command is not None
    return command.topic


#: Seconds for an answer to come that should not.
SETTLE = 1.0


def answers(timeline: Timeline, board: Board, after: int) -> list[Event]:
    command = board.contract.command
    assert command is not None
    pattern = re.compile(command.answer)
    heard = timeline.events(where("monitor", "message", None, topic=command.answer_topic), after=after)
    return [event for event in heard if pattern.search(event["payload"].decode("utf-8", "replace"))]


@pytest.mark.needs("own-network")
@pytest.mark.quick
@pytest.mark.scenario(
    "acknowledges what it gets at QoS 1", covers=("Device Advisor: MQTT PUBACK for QoS 1",), waits="command.within"
)
def test_acknowledges_a_command(online_board: Board, monitor: Monitor, timeline: Timeline) -> None:
    """A command at QoS 1 is answered, and acknowledged by a PUBACK with its packet id."""
    board = online_board
    listens(timeline, board, after=board.started())
    mark = timeline.mark()
    must_answer(monitor, board)
    got = timeline.wait(
        where("gateway", "publish", board.name, direction="down", topic=commanded(board)), timeout=MARGIN, after=mark
    )
    if got["qos"] == 0:
        pytest.skip("not applicable: it subscribes at QoS 0, so nothing is to be acknowledged")
    timeline.wait(
        where("gateway", "puback", board.name, direction="up", packet_id=got["packet_id"]), timeout=MARGIN, after=mark
    )


@pytest.mark.quick
@pytest.mark.scenario(
    "does what comes twice only once",
    covers=("redelivery with DUP", "MQTT 3.1.1 section 4.3.2"),
    waits="command.within and 1 s",
)
def test_does_a_redelivered_command_once(
    online_board: Board, gateway: Gateway, monitor: Monitor, timeline: Timeline, warn: Callable[[str], None]
) -> None:
    """A command at QoS 1 comes again with DUP: it acknowledges both, and stays; obeying it twice is a warning.

    At QoS 1 the standard allows to take it for a new message. A motor that runs twice is not what was meant.
    """
    board = online_board
    listens(timeline, board, after=board.started())
    mark = timeline.mark()
    gateway.arm(Redeliver(), board.name, Schedule(count=1))
    must_answer(monitor, board)
    down = where("gateway", "publish", board.name, direction="down", topic=commanded(board))
    first, again = timeline.wait_count(down, 2, timeout=MARGIN, after=mark)
    if first["qos"] == 0:
        pytest.skip("not applicable: it subscribes at QoS 0, where nothing is sent again")
    timeline.wait_count(
        where("gateway", "puback", board.name, direction="up", packet_id=again["packet_id"]),
        2,
        timeout=MARGIN,
        after=mark,
    )
    must_answer(monitor, board)
    assert board.contract.command is not None
    answer = where("monitor", "message", None, topic=board.contract.command.answer_topic)
    with contextlib.suppress(NoSuchEvent):  # the one that it must not give may still be on its way
        timeline.wait_count(answer, 3, timeout=SETTLE, after=mark)
    if len(answers(timeline, board, mark)) > 2:
        warn("it obeys a command twice that comes again at QoS 1, marked DUP")
    must_not_reboot(timeline, board, after=mark)


@pytest.mark.needs("own-network")
@pytest.mark.quick
@pytest.mark.scenario(
    "does a QoS 2 command exactly once",
    covers=("redelivery with DUP", "MQTT-4.3.3-10"),
    waits="command.within and 1 s",
)
def test_does_a_qos2_command_once(board: Board, gateway: Gateway, timeline: Timeline) -> None:
    """A command at QoS 2 comes twice before its release: PUBREC for each, PUBCOMP, and it is obeyed exactly once."""
    command = board.contract.command
    assert command is not None
    message = Deliver(command.topic, command.payload.encode(), qos=2, retain=False)
    gateway.arm(message, board.name, Schedule(count=1))
    gateway.arm(Redeliver(), board.name, Schedule(count=1))
    mark = timeline.mark()
    board.power_cycle()
    down = where("gateway", "publish", board.name, direction="down", topic=command.topic, qos=2)
    first = timeline.wait_count(down, 2, timeout=board.contract.online.within, after=mark)[0]
    mine = {"direction": "up", "connection": first["connection"], "packet_id": first["packet_id"]}
    timeline.wait_count(where("gateway", "pubrec", board.name, **mine), 2, timeout=MARGIN, after=mark)
    timeline.wait(where("gateway", "pubcomp", board.name, **mine), timeout=MARGIN, after=mark)
    heard = where("monitor", "message", None, topic=command.answer_topic)
    answer = timeline.wait(heard, timeout=command.within, after=mark)
    try:
        timeline.never(heard, seconds=SETTLE, after=answer.sequence + 1)
    except AssertionError:
        pytest.fail("it obeyed a QoS 2 command twice, which was sent again before its release")
