"""The power goes while the firmware is being written. The next flash must make a working board of it."""

from __future__ import annotations

import contextlib
import threading

import pytest

from hil.board import Board
from hil.flash import FlashError
from hil.timeline import Timeline, where

#: Bit/s: so slow that there is a middle to cut in. Bootloaders of other tools than esptool have one rate, a slow one.
SLOW = {"esptool": 9600}
#: Whole writes of which the flasher may tell nothing in between.
TRIES = 5


@pytest.mark.needs("power-cut")
@pytest.mark.power
@pytest.mark.scenario(
    "recovers from a power cut while flashing",
    covers=("power cut in mid-flash",),
    waits="60 s for the write to begin, 120 s for the flasher to give up",
)
def test_recovers_from_a_power_cut_while_flashing(board: Board, timeline: Timeline) -> None:
    """After the power went in the middle of a write, the next flash makes a working board of it."""
    # As in the field, it runs when the update begins: firmware may have locked its loader by then.
    board.power_on()
    board.wait_online()
    flashing, mark = _mid_write(board, timeline)
    board.power_off()
    timeline.wait(where("flash", "failed", board.name), timeout=120, after=mark)
    # The flasher may be trying again by itself: then it meets a board with power, as after a short cut.
    board.power_on()
    flashing.join(120)
    assert not flashing.is_alive(), "the flasher hangs on a board that lost its power"
    board.flash()
    board.power_cycle()
    board.wait_online()


def _mid_write(board: Board, timeline: Timeline) -> tuple[threading.Thread, int]:
    """A flasher that is in the middle of a write, and the timeline's position from before it began."""

    def flash() -> None:
        with contextlib.suppress(FlashError):
            board.flash(force=True, baud=SLOW.get(board.flasher.tool))

    # Progress is told in steps, and a busy host may see the next one only when all is written: then once more.
    for _ in range(TRIES):
        mark = timeline.mark()
        flashing = threading.Thread(target=flash)
        flashing.start()
        begun = where("flash", "progress", board.name, percent=lambda p: 5 <= p < 75)
        over = where("flash", "failed", board.name) | where("flash", "done", board.name)
        first = timeline.wait(begun | over, timeout=60, after=mark)
        if first.kind == "progress":
            return flashing, mark
        flashing.join(120)
        assert first.kind != "failed", f"the board cannot be flashed at all: {first['reason']}"
    pytest.fail(
        f"the flasher told nothing of {TRIES} whole writes before they were done: there was no middle to cut in"
    )
