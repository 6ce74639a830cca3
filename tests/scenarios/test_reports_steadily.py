"""Telemetry is counted on: as often as promised, each message with a number of its own, and no worrying silence."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise

import pytest

from hil.board import Board
from hil.timeline import NoSuchEvent, Timeline, UnwantedEvent, where

from .asking import MARGIN

pytestmark = pytest.mark.mqtt

#: Messages that show a period.
MESSAGES = 5

#: By what factor the mean period may differ from the promised one, and from where on it is a warning.
WRONG, ODD = 2.0, 1.25

#: How many limits of silence are watched.
WATCHED = 3.0


def numbers(timeline: Timeline, board: Board, count: int, *, after: int) -> list[int]:
    """The counters of the next so many telemetry messages, in the order in which they came; each message once.

    What is sent again, word for word, is no new message. Fails for one without a number.
    """
    telemetry = board.contract.telemetry
    assert telemetry is not None
    heard, seen, position = where("monitor", "message", None, topic=telemetry.topic), dict[bytes, int](), after
    while len(seen) < count:
        message = timeline.wait(heard, timeout=telemetry.period + MARGIN, after=position)
        position = message.sequence + 1
        try:
            seen.setdefault(message["payload"], int(json.loads(message["payload"])[telemetry.sequence]))
        except (ValueError, KeyError, TypeError):
            pytest.fail(f"telemetry without a number {telemetry.sequence!r}: {message['payload']!r}")
    return list(seen.values())


@pytest.mark.needs("telemetry")
@pytest.mark.quick
@pytest.mark.scenario(
    "telemetry comes as often as promised", covers=("telemetry interval",), waits="5 telemetry periods and 10 s"
)
def test_telemetry_comes_as_often_as_promised(
    online_board: Board, timeline: Timeline, warn: Callable[[str], None], finding: Callable[[str], None]
) -> None:
    """Five messages in a row: the mean time between them is the promised period.

    Off by a quarter is a warning, by a factor of two a failure.
    """
    telemetry = online_board.contract.telemetry
    assert telemetry is not None
    heard = where("monitor", "message", None, topic=telemetry.topic)
    limit = WRONG * MESSAGES * telemetry.period + MARGIN
    came = timeline.wait_count(heard, MESSAGES, timeout=limit, after=timeline.mark())
    mean = (came[-1].monotonic - came[0].monotonic) / (MESSAGES - 1)
    words = f"its telemetry comes every {mean:.2f} s; its contract promises {telemetry.period:g} s"
    factor = max(mean / telemetry.period, telemetry.period / max(mean, 1e-6))
    assert factor < WRONG, words
    if factor > ODD:
        warn(words)
    finding(f"telemetry every {mean:.2f} s")


@pytest.mark.needs("telemetry-sequence", "power-cut")
@pytest.mark.scenario(
    "numbers its telemetry from 1 at each start",
    covers=("sequence numbers and gaps over resets",),
    waits="online.within, twice, and 5 telemetry periods each time",
)
def test_numbers_its_telemetry(board: Board, timeline: Timeline) -> None:
    """Its numbers go up by one without a gap, and begin with 1 again after a power cut, and after a reset."""
    for restart in (board.power_cycle, board.hard_reset):
        mark = timeline.mark()
        restart()
        online = board.wait_online(after=mark)
        found = numbers(timeline, board, MESSAGES, after=online.sequence)
        gaps = [f"{late} after {early}" for early, late in pairwise(found) if late != early + 1]
        assert not gaps, f"its telemetry is numbered {', '.join(map(str, found))}: {gaps[0]}"
        assert found[0] == 1, f"it numbers its telemetry from {found[0]} on after a start, and not from 1"


@pytest.mark.needs("link")
@pytest.mark.quick
@pytest.mark.scenario(
    "says often enough that it is there", covers=("heartbeat over a serial line",), waits="3 times link.silence"
)
def test_says_often_enough_that_it_is_there(online_board: Board, timeline: Timeline) -> None:
    """It never says nothing for as long as its contract's link.silence: nobody takes it for dead while it lives."""
    link = online_board.contract.link
    assert link is not None
    dead = where("link", "dead", online_board.name)
    try:
        timeline.never(dead, seconds=WATCHED * link.silence, after=online_board.started())
    except UnwantedEvent:
        gone = timeline.last(dead)
        assert gone is not None
        try:  # heard again: then it has only kept silent
            timeline.wait(
                where("link", "alive", online_board.name), timeout=4 * link.silence + MARGIN, after=gone.sequence
            )
        except NoSuchEvent:
            pytest.fail(f"it says nothing any more: {gone}")
        pytest.fail(f"it was taken for dead, and lives: it must say something every {link.silence:g} s ({gone})")
