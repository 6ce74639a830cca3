"""Topics that the broker's namespace does not have: the device connects, is cut off, and connects again, for ever.

Its own log says only that it connected, or that a subscribe request was sent. The will and the subscription are judged
apart, since the cures lie in different places of the firmware.
"""

from __future__ import annotations

import contextlib

import pytest

from hil.attempts import End, attempts
from hil.board import Board
from hil.timeline import Match, NoSuchEvent, Timeline, where

#: Seconds that a broker may take to cut a client off after its CONNECT (ours: at once).
SETTLE = 2.0

#: Connections that show a loop.
LOOP = 3

#: Seconds that telemetry may be late on a busy host or a slow network.
MARGIN = 10.0


def must_stay(timeline: Timeline, board: Board, what: str, end: End) -> None:
    """Switch on, wait for the first CONNACK, and see that the board is not cut off. If it is, count how often."""
    within = board.contract.online.within
    mark = timeline.mark()
    board.power_cycle()
    timeline.wait(where("gateway", "connack", board.name), timeout=within, after=mark)
    denied = where("gateway", "denied", board.name, what=what)
    with contextlib.suppress(NoSuchEvent):
        timeline.wait(denied, timeout=SETTLE, after=mark)
    if what == "publish":
        _wait_for_telemetry(timeline, board, denied, mark)
    if not timeline.events(denied, after=mark):
        return
    with contextlib.suppress(NoSuchEvent):
        timeline.wait_count(denied, LOOP, timeout=within, after=mark)
    tries = [a for a in attempts(timeline.events(after=mark), board.name) if a.end is end]
    seconds = tries[-1].began - tries[0].began
    pytest.fail(f"{len(tries)} connections in {seconds:.1f} s were {end}: {tries[0].detail}")


def _wait_for_telemetry(timeline: Timeline, board: Board, denied: Match, mark: int) -> None:
    """Until it has published what it is there for, or was cut off: who has not spoken yet has not stayed."""
    telemetry = board.contract.telemetry
    if telemetry is not None:
        reported = where("gateway", "publish", board.name, direction="up", topic=telemetry.topic)
        with contextlib.suppress(NoSuchEvent):  # other scenarios judge that it reports
            timeline.wait(denied | reported, timeout=telemetry.period + MARGIN, after=mark)


@pytest.mark.needs("own-network", "gateway", "namespace")
@pytest.mark.mqtt
@pytest.mark.quick
@pytest.mark.scenario(
    "will topic lies in the namespace",
    covers=("field failure 1: will outside of the namespace",),
    waits="2 s after the first CONNACK",
)
def test_will_topic_lies_in_the_namespace(board: Board, timeline: Timeline) -> None:
    """Its will's topic is one that the namespace has: it is not cut off for it."""
    must_stay(timeline, board, "will", End.WILL_DENIED)


@pytest.mark.needs("gateway", "namespace")
@pytest.mark.mqtt
@pytest.mark.quick
@pytest.mark.scenario(
    "subscriptions lie in the namespace",
    covers=("field failure 2: subscription outside of the namespace",),
    waits="2 s after the first CONNACK",
)
def test_subscriptions_lie_in_the_namespace(board: Board, timeline: Timeline) -> None:
    """What it subscribes to is in the namespace: it is not cut off for it."""
    must_stay(timeline, board, "subscribe", End.SUBSCRIBE_DENIED)


@pytest.mark.needs("gateway", "namespace")
@pytest.mark.mqtt
@pytest.mark.quick
@pytest.mark.scenario(
    "publications lie in the namespace",
    covers=("unauthorised publish topic",),
    waits="2 s after the first CONNACK; its first telemetry",
)
def test_publications_lie_in_the_namespace(board: Board, timeline: Timeline) -> None:
    """What it publishes is in the namespace: it is not cut off for it."""
    must_stay(timeline, board, "publish", End.PUBLISH_DENIED)
