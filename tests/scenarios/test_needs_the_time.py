"""After its power was cut a device stands at 1970, and no certificate is valid yet.

It has to fetch the time first, and connect then (RFC 9325, section 4). Whether dates are checked at all is probed by
test_refuses_bad_servers: where they are not, a clock at 1970 cannot fail anything, and this scenario proves nothing.
"""

from __future__ import annotations

import pytest

from hil.board import Board
from hil.timeline import Timeline, where
from hil.timeserver import Silent, TimeServer, TrueTime

#: Requests that go unanswered before the time server speaks: a device must ask again.
UNANSWERED = 2


@pytest.mark.needs("gateway", "time")
@pytest.mark.parametrize("how", ["power-cut", pytest.param("hard-reset", marks=pytest.mark.needs("hard-reset"))])
@pytest.mark.time
@pytest.mark.quick
@pytest.mark.scenario(
    "connects only once it has the time",
    covers=("field failure 7: no time after a hard reset", "RFC 9325 section 4"),
    waits="2 requests to a silent time server, then online.within twice",
)
def test_connects_only_once_it_has_the_time(
    board: Board, timeline: Timeline, time_server: TimeServer, how: str
) -> None:
    """With its clock at 1970 it asks for the time until it has it, and tries TLS only then.

    The time server stays silent at first, and answers later. Where no switch cuts the power, a reset stands in.
    """
    if board.contract.time.dates == "unchecked":
        pytest.skip("not applicable: dates unchecked, as the contract says (time.dates): a security finding, no pass")
    within = board.contract.online.within
    time_server.set(Silent(), board.name)
    if how == "hard-reset":
        board.power_on()
    mark = timeline.mark()
    if how == "hard-reset":
        board.hard_reset()
    else:
        board.power_cycle()
    timeline.wait_count(where("time", "request", board.name), UNANSWERED, timeout=3 * within, after=mark)
    early = timeline.events(where("gateway", "connack", board.name, code=0), after=mark)
    assert not early, "the device connected before it had the time: it cannot have checked any date"
    tried = timeline.events(where("gateway", "tls-failed", board.name), after=mark)
    assert not tried, "the device tried TLS with its clock at 1970, which can only fail: it has to wait for the time"
    answer = timeline.mark()
    time_server.set(TrueTime(), board.name)
    timeline.wait(where("time", "answer", board.name), timeout=3 * within, after=answer)
    board.wait_online(after=answer, timeout=2 * within)


@pytest.mark.needs("reset-command")
@pytest.mark.power
@pytest.mark.scenario("comes back after a soft reset", covers=("arduino-esp32: warm boots",), waits="online.within")
def test_comes_back_after_a_soft_reset(online_board: Board, timeline: Timeline) -> None:
    """It returns from a restart by software, which keeps the clock and what lies in RTC memory."""
    mark = timeline.mark()
    online_board.soft_reset()
    online_board.wait_online(after=mark)
