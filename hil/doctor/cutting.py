"""Whether a power switch cuts: measured on the board, since many hubs say that they switch and do not.

Three things tell, and none of them is the switch: the console (does it fall silent), the first line of the next start
(a reset cause 'power-on' is a chip whose clock and RTC memory had no supply), and the running time that many firmwares
print before each line of their log (does it begin anew). A board that speaks on, or starts with another cause, or whose
time runs on, had a supply all the while: the switch does nothing, or a second cable feeds it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from hil.boot import Boot, parse_boot
from hil.console import Console
from hil.doctor.check import Case, Check
from hil.doctor.finding import Finding, fault, note, ok
from hil.doctor.line import HINDRANCES, opened, reason
from hil.power import PowerSwitch
from hil.rig import RigBoard
from hil.timeline import Event, NoSuchEvent, Timeline, where

#: Seconds for which a board that has been seen to speak is given to tell its reset cause.
CAUSE_WITHIN = 2.0
#: The longest time without power that is tried, in seconds.
LONGEST = 10.0
#: The shortest, in seconds: what is said within it may have been under way.
SHORTEST = 0.3

#: Milliseconds since the start, as the logs of ESP-IDF ('I (1234) wifi:') and arduino-esp32 ('[  1234][I]') have them.
_UPTIME = re.compile(r"^(?:\x1b\[[\d;]*m)?(?:[EWIDV] \((\d+)\) |\[ *(\d+)\]\[[EWIDV]\])")


@dataclass(frozen=True)
class Cut:
    """One cut, as the board showed it. Times in seconds from the moment at which the switch said it was done.

    `off_time`: how long it was off; `last_word`: when it said its last line while it was off, None for none at all;
    `lost`: when its port vanished; `boot`: how it started once it was on, after `boot_after`; `first_word`: when it
    said its first line then. `uptime`: milliseconds that it said it had been running, last before and first after.
    """

    off_time: float
    last_word: float | None
    lost: float | None
    boot: Boot | None
    boot_after: float | None
    first_word: float | None
    uptime: tuple[int | None, int | None]

    @property
    def spoke_on(self) -> bool:
        """Whether it still spoke when it should long have been without supply."""
        return self.last_word is not None and self.last_word > max(SHORTEST, self.off_time / 2)

    @property
    def is_real(self) -> bool | None:
        """Whether the board was without supply; None: it cannot be told."""
        if self.spoke_on:
            return False
        if self.boot is not None:
            return self.boot.name == "power-on"
        before, after = self.uptime
        if before is not None and after is not None:
            return after < before
        return None if self.first_word is None or self.lost is not None else False


def measure(console: Console, power: PowerSwitch, off_time: float, *, patience: float) -> Cut:
    """Cut the supply for `off_time` seconds and see what becomes of the board. `patience`: seconds for it to start.

    Raises PowerError.
    """
    timeline, board = console.timeline, console.board
    ordered = timeline.mark()
    power.off()
    cut, cut_at = timeline.mark(), time.monotonic()
    time.sleep(off_time)
    on = timeline.mark()
    on_at = time.monotonic()
    power.on()
    _await_start(timeline, board, on, patience)
    said = where("console", "line", board)
    off_lines, on_lines = timeline.events(said, after=cut, before=on), timeline.events(said, after=on)
    # A switch may tell that it is done later than the bridge is gone.
    lost = timeline.events(where("console", "port", board, state="lost"), after=ordered)
    boots = timeline.events(where("board", "boot", board), after=on)
    return Cut(
        off_time=off_time,
        last_word=off_lines[-1].monotonic - cut_at if off_lines else None,
        lost=max(0.0, lost[0].monotonic - cut_at) if lost else None,
        boot=parse_boot(boots[0]["line"]) if boots else None,
        boot_after=boots[0].monotonic - on_at if boots else None,
        first_word=on_lines[0].monotonic - on_at if on_lines else None,
        uptime=(_uptime(timeline.events(said, before=cut)[::-1]), _uptime(on_lines)),
    )


def _await_start(timeline: Timeline, board: str, after: int, patience: float) -> None:
    """Wait for the reset cause; or for the first line, and a little longer."""
    boot = where("board", "boot", board)
    line = where("console", "line", board)
    try:
        first = timeline.wait(lambda event: boot(event) or line(event), timeout=patience, after=after)
        if not boot(first):
            timeline.wait(boot, timeout=CAUSE_WITHIN, after=after)
    except NoSuchEvent:
        return


def _uptime(lines: list[Event]) -> int | None:
    """Milliseconds of the first of these lines that tells any."""
    for event in lines:
        match = _UPTIME.match(event["text"])
        if match is not None:
            return int(match[1] or match[2])
    return None


def measure_board(
    console: Console, power: PowerSwitch, off_time: float, *, patience: float, longest: float = LONGEST
) -> list[Cut]:
    """The cut of the rig's `off_time`; then a longer one until one is real, or one of half the time: is there a margin?

    Raises PowerError.
    """
    cuts = [measure(console, power, off_time, patience=patience)]
    if cuts[0].is_real:
        return [*cuts, measure(console, power, off_time / 2, patience=patience)]
    # Only a supply that sinks too slowly is cured by more time: that board has fallen silent, and starts anew.
    while cuts[-1].is_real is False and cuts[-1].boot and not cuts[-1].spoke_on and cuts[-1].off_time * 2 <= longest:
        cuts.append(measure(console, power, cuts[-1].off_time * 2, patience=patience))
    return cuts


_OTHER_SWITCH = (
    "see whether its LED goes out; a second cable (USB data, UART, debugger) may feed it; else take a hub of uhubctl's "
    "list (github.com/mvp/uhubctl), or a relay in the supply"
)


def judge(about: str, kind: str, cuts: list[Cut]) -> Iterator[Finding]:
    """What the cuts show of a switch of this kind. The first is that of the rig's off_time."""
    first, last = cuts[0], cuts[-1]
    if first.is_real is None:
        what = "its port vanished, and it told neither reset cause nor running time afterwards"
        what = what if first.lost is not None else "it said nothing after the power came back"
        yield note(
            about,
            f"{kind}: cannot tell whether it cuts: {what}",
            "have the firmware print its reset cause at each start; hil doctor --listen shows what it prints",
        )
    elif first.is_real:
        yield ok(about, f"{kind}: cuts: {_seen(first)}")
        if last is not first and last.is_real is False:
            yield note(
                about,
                f"{kind}: {first.off_time:g} s without power are enough, {last.off_time:g} s too few: {_seen(last)}",
                f"off_time = {first.off_time * 2:g} gives a margin",
            )
    elif last.is_real:
        yield fault(
            about,
            f"{kind}: {first.off_time:g} s without power are too few: {_seen(first)}; {last.off_time:g} s are enough",
            f"set off_time = {last.off_time:g} in the rig, or more",
        )
    else:
        yield fault(about, f"{kind}: says that it cuts, and does not: {_seen(first)}", _OTHER_SWITCH)


def _seen(cut: Cut) -> str:
    """What the board showed, in words."""
    words = []
    if cut.last_word is not None and cut.last_word > SHORTEST:
        words.append(f"it still spoke {cut.last_word:.1f} s after off")
    elif cut.last_word is not None:
        words.append(f"silent after {max(0.0, cut.last_word):.2f} s")
    else:
        words.append("silent at once")
    if cut.lost is not None:
        words.append("its port went away")
    if cut.boot is not None:
        kept = "" if cut.boot.name == "power-on" else ": clock and RTC memory had a supply"
        words.append(f"started {cut.boot_after:.2f} s after on, cause {cut.boot.name}{kept}")
    elif cut.first_word is not None:
        words.append(f"spoke {cut.first_word:.2f} s after on, without a start")
    before, after = cut.uptime
    if cut.boot is None and before is not None and after is not None:
        words.append(f"running time {before / 1000:.1f} s before and {after / 1000:.1f} s after")
    return ", ".join(words)


def _power(case: Case) -> Iterator[Finding]:
    for board in case.boards:
        about, kind = f"{board.name} cut", board.config.power_kind
        if kind == "none":
            yield note(about, "there is no switch to measure", "docs/power.md lists those that there are")
            continue
        off_time = max(SHORTEST * 2, 0.0 if board.config.virtual else board.config.off_time)
        case.say(f"{board.name}: its power is switched off and on now ({kind}), {off_time:g} s and more")
        try:
            yield from judge(about, kind, _measured(case, board, off_time))
        except HINDRANCES as error:
            yield fault(about, reason(error, board), f"more is in {case.artifacts}")


def _measured(case: Case, board: RigBoard, off_time: float) -> list[Cut]:
    with opened(case, board) as line:
        patience = min(board.contract.online.within, LONGEST)
        # What it says before is needed for comparison; a board that says nothing by itself is measured all the same.
        _await_start(line.console.timeline, board.name, 0, CAUSE_WITHIN)
        return measure_board(line.console, line.power, off_time, patience=patience)


CHECKS = (
    Check(
        "cut",
        "switches each board off and on and measures whether it falls silent, how it starts, whether its clock ran on, "
        "and whether `off_time` is long enough",
        "a longer `off_time`; no second cable that feeds the board; another hub, or a relay",
        _power,
        asked="--power",
    ),
)
