"""Asking a board something, as whoever commands it would: is it still there, and does it listen?"""

from __future__ import annotations

import re

from hil.board import Board
from hil.broker.monitor import Monitor
from hil.timeline import Event, Timeline, where

#: Seconds that a message may be late on a busy host or a slow network.
MARGIN = 10.0


def granted(timeline: Timeline, board: Board, *, after: int, timeout: float = MARGIN) -> Event:
    """Wait for the SUBACK that grants the board its command topic. Raises NoSuchEvent."""
    command = board.contract.command
    assert command is not None

    def names_it(filters: list[list[object]]) -> bool:
        return any(each[0] == command.topic for each in filters)

    def grants(suback: Event) -> bool:
        return any(
            ask["connection"] == suback["connection"] and ask["packet_id"] == suback["packet_id"]
            for ask in timeline.events(where("gateway", "subscribe", board.name, filters=names_it), after=after)
        )

    suback = where("gateway", "suback", board.name, codes=lambda codes: all(code < 0x80 for code in codes))
    asked = timeline.wait(where("gateway", "subscribe", board.name, filters=names_it), timeout=timeout, after=after)
    position = asked.sequence
    while True:
        answer = timeline.wait(suback, timeout=timeout, after=position)
        if grants(answer):
            return answer
        position = answer.sequence + 1


def listens(timeline: Timeline, board: Board, *, after: int) -> None:
    """Wait until a command would reach the board: its session was kept, or its subscription is granted.

    `after`: from before its CONNACK. A device subscribes after it has said that it is online; a command sent in
    between would be lost.
    """
    connack = timeline.wait(where("gateway", "connack", board.name, code=0), timeout=MARGIN, after=after)
    if not connack["session_present"]:
        granted(timeline, board, after=connack.sequence)


def must_answer(monitor: Monitor, board: Board) -> Event:
    """Give the board the command of its contract; returns its answer. Raises NoSuchEvent."""
    command = board.contract.command
    assert command is not None
    asked = monitor.publish(command.topic, command.payload, qos=1)
    return monitor.expect(command.answer_topic, re.compile(command.answer), timeout=command.within, after=asked)


def must_not_reboot(timeline: Timeline, board: Board, *, after: int) -> None:
    """Fail if the board's console has told of a boot since `after`."""
    boot = timeline.last(where("board", "boot", board.name), after=after)
    assert boot is None, f"the board has restarted: {boot}"
