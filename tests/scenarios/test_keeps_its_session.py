"""A kept session (clean session off) is a promise of both sides: nothing is asked for twice, and nothing is missed."""

from __future__ import annotations

import re

import pytest

from hil.board import Board
from hil.broker import Monitor
from hil.gateway import Gateway
from hil.gateway.faults import ForgetSession, RefuseConnect, SessionPresent
from hil.schedule import Schedule
from hil.timeline import Event, NoSuchEvent, Timeline, where

from .asking import MARGIN, granted, listens, must_answer

pytestmark = [pytest.mark.needs("own-network", "gateway", "command", "retry"), pytest.mark.mqtt]

#: Refused connects, in which the broker has time to store a command.
AWAY = 3


def back(timeline: Timeline, board: Board, after: int) -> Event:
    """The CONNACK of the connection that the board makes anew."""
    return timeline.wait(
        where("gateway", "connack", board.name, code=0), timeout=3 * board.contract.retry.most + MARGIN, after=after
    )


@pytest.mark.needs("kept-session", "broker:persistent-sessions")
@pytest.mark.quick
@pytest.mark.scenario(
    "resumes its session",
    covers=("Device Advisor: MQTT persistent session, happy case",),
    waits="3 refused connects and their gaps, command.within",
)
def test_resumes_its_session(online_board: Board, gateway: Gateway, monitor: Monitor, timeline: Timeline) -> None:
    """Back on a session that was kept it does not subscribe again, and obeys what was commanded while it was away."""
    board, command = online_board, online_board.contract.command
    assert command is not None
    listens(timeline, board, after=board.started())
    must_answer(monitor, board)  # so it knows of its subscription, too: a reset takes along what is not read yet
    mark = timeline.mark()
    gateway.arm(RefuseConnect(), board.name, Schedule(count=AWAY))
    gateway.drop(board.name)
    timeline.wait(where("gateway", "close", board.name), timeout=MARGIN, after=mark)
    asked = monitor.publish(command.topic, command.payload, qos=1)
    connack = back(timeline, board, mark)
    assert asked < connack.sequence, "the command was not stored, but sent to a board that was back already"
    assert connack["session_present"], "the broker has not kept its session: did it ask for that?"
    monitor.expect(command.answer_topic, re.compile(command.answer), timeout=command.within, after=asked)
    must_answer(monitor, board)
    again = timeline.last(where("gateway", "subscribe", board.name), after=connack.sequence)
    assert again is None, f"it subscribes again, although its session was kept: {again}"


@pytest.mark.quick
@pytest.mark.scenario(
    "subscribes again when its session is lost",
    covers=("Device Advisor: MQTT persistent session, expired", "stored session dropped"),
    waits="retry.most and command.within",
)
def test_subscribes_again_when_its_session_is_lost(
    online_board: Board, gateway: Gateway, monitor: Monitor, timeline: Timeline
) -> None:
    """The broker has no session for it any more: it subscribes on the new connection, and hears commands.

    With a clean session that is so at each connect; a kept one is dropped here.
    """
    board = online_board
    listens(timeline, board, after=board.started())
    mark = timeline.mark()
    gateway.arm(ForgetSession(), board.name)
    gateway.drop(board.name)
    connack = back(timeline, board, mark)
    assert not connack["session_present"]
    try:
        granted(timeline, board, after=connack.sequence)
    except NoSuchEvent as silence:
        pytest.fail(f"its session was lost, and it did not subscribe again: it is deaf to commands\n{silence}")
    must_answer(monitor, board)


@pytest.mark.scenario(
    "does not believe in a session that it cannot have",
    covers=("session-present lie", "MQTT-3.2.2-4"),
    waits="online.within and command.within",
)
def test_does_not_believe_a_false_session(board: Board, gateway: Gateway, monitor: Monitor, timeline: Timeline) -> None:
    """Just switched on, it is told of a session that is not there: it subscribes all the same, and hears commands.

    It may also close and begin anew, as MQTT 5 demands of a client that has no session.
    """
    mark = timeline.mark()
    gateway.arm(SessionPresent(True), board.name, Schedule(count=1))
    board.power_cycle()
    timeline.wait(
        where("gateway", "connack", board.name, session_present=True), timeout=board.contract.online.within, after=mark
    )
    try:
        granted(timeline, board, after=mark)
    except NoSuchEvent as silence:
        pytest.fail(f"it was told of a session that it cannot have, and never subscribed: it is deaf\n{silence}")
    must_answer(monitor, board)
