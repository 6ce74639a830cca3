"""The device has the time, but it is wrong; or the time server asks to be left alone.

A wrong clock looks like a broken certificate: every server's certificate has expired, or is not valid yet. A device
that believes the first answer for ever never comes back, although the time server has long been right again.
"""

from __future__ import annotations

import itertools

import pytest

from hil.board import Board
from hil.timeline import Timeline, where
from hil.timeserver import KissOfDeath, Offset, TimeServer, TrueTime

pytestmark = [pytest.mark.time, pytest.mark.needs("gateway", "time")]

YEAR = 365 * 86400.0

#: Attempts that fail for the wrong time before it is right again.
FAILURES = 2

#: Requests that are refused, so that their gaps can be judged: the last two must be so many times the first, unless
#: all gaps are of at least so many seconds.
REFUSED = 6
GROWTH = 2.0
SELDOM = 1.0


@pytest.mark.quick
@pytest.mark.parametrize("offset", [30 * YEAR, -3 * YEAR], ids=["future", "past"])
@pytest.mark.scenario(
    "recovers from a wrong time",
    covers=("esp-at #432: validity starts in the future at boot, works later", "clock wrong by any offset"),
    waits="2 failed attempts, each for its gap, then online.within three times and retry.most",
)
def test_recovers_from_a_wrong_time(board: Board, timeline: Timeline, time_server: TimeServer, offset: float) -> None:
    """The first answer is years off, so TLS fails; it asks again by itself, and is online once the answer is right."""
    if board.contract.time.dates == "unchecked":
        pytest.skip("not applicable: dates unchecked, as the contract says (time.dates): a wrong clock harms nothing")
    within, retry = board.contract.online.within, board.contract.retry
    time_server.set(Offset(offset), board.name)
    mark = timeline.mark()
    board.power_cycle()
    timeline.wait(where("time", "answer", board.name), timeout=within, after=mark)
    failures = timeline.wait_count(
        where("gateway", "tls-failed", board.name), FAILURES, timeout=2 * within + 2 * retry.most, after=mark
    )
    assert not timeline.events(where("gateway", "connack", board.name, code=0), after=mark), (
        "it connected with its clock years off: it cannot have checked any date"
    )
    time_server.set(TrueTime(), board.name)
    board.wait_online(after=failures[-1].sequence, timeout=3 * within + retry.most)


@pytest.mark.parametrize("code", ["RATE", "DENY"])
@pytest.mark.scenario(
    "leaves a time server alone that says so",
    covers=("RFC 5905 section 7.4: kiss-o'-death",),
    waits="6 requests, 60 s at most, then online.within three times",
)
def test_leaves_a_time_server_alone(board: Board, timeline: Timeline, time_server: TimeServer, code: str) -> None:
    """Refused with a kiss-o'-death it asks with growing gaps, or seldom; once it is served again it comes online."""
    within = board.contract.online.within
    time_server.set(KissOfDeath(code), board.name)
    mark = timeline.mark()
    board.power_cycle()
    asked = timeline.wait_count(where("time", "request", board.name), REFUSED, timeout=60 + within, after=mark)
    gaps = [late.monotonic - early.monotonic for early, late in itertools.pairwise(asked)]
    time_server.set(TrueTime(), board.name)
    shown = ", ".join(f"{gap:.2f}" for gap in gaps)
    patient = min(gaps) >= SELDOM or min(gaps[-2:]) >= GROWTH * gaps[0]
    assert patient, f"told {code}, it goes on asking every {shown} s"
    board.wait_online(after=asked[-1].sequence, timeout=3 * within)
