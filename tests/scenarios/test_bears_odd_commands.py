"""Commands that are not as one would expect: as long as it may be, or left over from long ago."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from hil.board import Board
from hil.broker import Monitor
from hil.gateway import Gateway
from hil.gateway.faults import Deliver
from hil.schedule import Schedule
from hil.timeline import Timeline, where

from .asking import MARGIN, listens, must_answer, must_not_reboot

pytestmark = [pytest.mark.needs("gateway", "command"), pytest.mark.mqtt]

#: Seconds in which an answer to a retained command would come.
SETTLE = 1.0


def padded(payload: str, size: int) -> bytes:
    """The command, made `size` bytes long: by one more key, if it is a JSON object; by blanks otherwise."""
    try:
        body = json.loads(payload)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return payload.encode().ljust(size)
    bare = len(json.dumps({**body, "padding": ""}))
    return json.dumps({**body, "padding": "x" * max(size - bare, 0)}).encode()


@pytest.mark.needs("large-command")
@pytest.mark.quick
@pytest.mark.scenario(
    "bears a command as long as it may be",
    covers=("Device Advisor: TLS receive maximum size fragments", "large payloads"),
    waits="command.within",
)
def test_bears_a_large_command(online_board: Board, monitor: Monitor, timeline: Timeline) -> None:
    """A command of command.max_payload bytes: it need not understand it, but it stays, and answers the next one."""
    board, command = online_board, online_board.contract.command
    assert command is not None
    assert command.max_payload is not None
    listens(timeline, board, after=board.started())
    mark = timeline.mark()
    monitor.publish(command.topic, padded(command.payload, command.max_payload), qos=1)
    timeline.wait(
        where("gateway", "publish", board.name, direction="down", topic=command.topic), timeout=MARGIN, after=mark
    )
    # Ask again only when it has had the time to fail.
    end = where("gateway", "close", board.name) | where("gateway", "puback", board.name, direction="up")
    first = timeline.wait(end | where("board", "boot", board.name), timeout=MARGIN, after=mark)
    assert first.kind == "puback", f"{command.max_payload} bytes were too much for it: {first}"
    must_answer(monitor, board)
    must_not_reboot(timeline, board, after=mark)
    closed = timeline.last(where("gateway", "close", board.name), after=mark)
    assert closed is None, f"{command.max_payload} bytes were too much for it: {closed}"


@pytest.mark.quick
@pytest.mark.scenario(
    "does not obey a retained command", covers=("retained command at connect",), waits="command.within and 1 s"
)
def test_does_not_obey_a_retained_command(
    board: Board, gateway: Gateway, monitor: Monitor, timeline: Timeline, warn: Callable[[str], None]
) -> None:
    """A retained command waits for it when it subscribes: it stays, and takes live commands; obeying it is a warning.

    Nobody meant it for this moment. A retained 'restart' is a boot loop.
    """
    command = board.contract.command
    assert command is not None
    mark = timeline.mark()
    message = Deliver(command.topic, command.payload.encode(), qos=1, retain=True)
    gateway.arm(message, board.name, Schedule(count=1))
    board.power_cycle()
    retained = where("gateway", "publish", board.name, direction="down", topic=command.topic, retain=True)
    came = timeline.wait(retained, timeout=board.contract.online.within, after=mark)
    try:
        timeline.never(
            where("monitor", "message", None, topic=command.answer_topic), seconds=SETTLE, after=came.sequence
        )
    except AssertionError:
        warn("it obeys a retained command at each connect: a retained 'restart' would be a boot loop")
    must_answer(monitor, board)
