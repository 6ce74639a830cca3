"""The supply goes at the worst moments, or flickers. The device must not lose what it is set to, nor stay away.

Nothing is asked of it while the power is away: what counts is that it is back, with its settings, once it has power.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hil.board import Board
from hil.power.patterns import brown_out, cut_at
from hil.timeline import Match, Timeline, where

pytestmark = [pytest.mark.power, pytest.mark.needs("power-cut")]

Tell = Callable[[str], None]

#: Power cycles that show a start that only mostly works.
COLD_BOOTS = 6

#: Short cuts in a row, as a loose connector or a starting engine makes them. Seconds off, and on.
FLICKERS = 6
OFF, ON = 0.05, 0.25

#: Seconds without supply after a cut at a bad moment.
OFF_LONG = 0.5

#: Seconds from the ROM's first line to a moment when firmware reads, and maybe writes, its settings.
AFTER_BOOT = 0.2

#: Seconds that a slow switch may take for all of this.
PATIENCE = 60.0


@pytest.mark.scenario(
    "comes online at each of many cold boots",
    covers=("esp-mqtt #98: after a cold boot connects fail for minutes",),
    waits="online.within, 6 times",
)
def test_comes_online_at_each_of_many_cold_boots(board: Board, timeline: Timeline, finding: Tell) -> None:
    """Six power cycles in a row, and online after each; the times that it took are a finding."""
    times = []
    for _ in range(COLD_BOOTS):
        board.power_cycle()
        start = timeline.last(where("power", "on", board.name))
        online = board.wait_online()
        assert start is not None
        times.append(online.monotonic - start.monotonic)
    finding(f"online {min(times):.1f} to {max(times):.1f} s after power-on, in {COLD_BOOTS} cold boots")


@pytest.mark.quick
@pytest.mark.scenario(
    "survives a flickering supply",
    covers=("brown-out train of short cuts",),
    waits="6 cuts of 0.05 s, then online.within",
)
def test_survives_a_flickering_supply(board: Board, finding: Tell) -> None:
    """Six short cuts, each in the middle of its start; then the supply is steady, and it comes online as ever."""
    board.power_on()
    flicker = brown_out(board, cuts=FLICKERS, off=OFF, on=ON)
    flicker.run(timeout=PATIENCE)
    if flicker.finding:
        finding(flicker.finding)
    board.wait_online()


MOMENTS: dict[str, Callable[[Board], Match]] = {
    "as-it-starts": lambda board: where("board", "boot", board.name),
    "in-the-handshake": lambda board: where("gateway", "hello", board.name),
    "after-its-connect": lambda board: where("gateway", "connect", board.name),
    "before-its-puback": lambda board: where("gateway", "publish", board.name, direction="up", qos=1),
}


@pytest.mark.needs("gateway")
@pytest.mark.parametrize("moment", list(MOMENTS))
@pytest.mark.scenario(
    "comes back from a cut at a bad moment",
    covers=("power cut in mid-publish", "power cut in the TLS handshake"),
    waits="online.within, twice",
)
def test_comes_back_from_a_cut_at_a_bad_moment(board: Board, moment: str, finding: Tell) -> None:
    """The power goes for half a second as it starts, connects or publishes; then it comes online as ever."""
    delay = AFTER_BOOT if moment == "as-it-starts" else 0.0
    with cut_at(board, MOMENTS[moment](board), off=OFF_LONG, delay=delay) as cut:
        board.power_on()
        cut.wait(timeout=board.contract.online.within + PATIENCE)
        if cut.finding:
            finding(cut.finding)
        board.wait_online()
