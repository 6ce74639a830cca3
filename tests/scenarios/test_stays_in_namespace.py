"""Topics that the broker's namespace does not have: the device connects, is cut off, and connects again, for ever.

Its own log says only that it connected, or that a subscribe request was sent. The will and the subscription are judged
apart, since the cures lie in different places of the firmware.
"""

from __future__ import annotations

import pytest

from hil.attempts import End, attempts
from hil.board import Board
from hil.timeline import Match, Timeline, where

#: Seconds that a broker may take to cut a client off after its CONNECT (ours: at once).
SETTLE = 2.0


def cut_off_for(timeline: Timeline, board: Board, what: str, end: End) -> None:
    """Switch on, wait for the first CONNACK, and fail with the loop's own words if the board is cut off."""
    mark = timeline.mark()
    board.power_cycle()
    timeline.wait(where("gateway", "connack", board.name), timeout=board.contract.online.within, after=mark)
    denied: Match = where("gateway", "denied", board.name, what=what)
    try:
        timeline.never(denied, seconds=SETTLE, after=mark)
    except AssertionError:
        tries = [a for a in attempts(timeline.events(after=mark), board.name) if a.end is end]
        pytest.fail(f"{len(tries)} connections were {end}: {tries[0].detail}; the device connects again, and so on")


@pytest.mark.needs("gateway", "namespace")
@pytest.mark.scenario("will topic lies in the namespace")
def test_will_topic_lies_in_the_namespace(board: Board, timeline: Timeline) -> None:
    cut_off_for(timeline, board, "will", End.WILL_DENIED)


@pytest.mark.needs("gateway", "namespace")
@pytest.mark.scenario("subscriptions lie in the namespace")
def test_subscriptions_lie_in_the_namespace(board: Board, timeline: Timeline) -> None:
    cut_off_for(timeline, board, "subscribe", End.SUBSCRIBE_DENIED)


@pytest.mark.needs("gateway", "namespace")
@pytest.mark.scenario("publications lie in the namespace")
def test_publications_lie_in_the_namespace(board: Board, timeline: Timeline) -> None:
    cut_off_for(timeline, board, "publish", End.PUBLISH_DENIED)
