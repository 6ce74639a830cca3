"""Whether a console is read at the rate at which the board speaks: listened to, at its rate and at the usual ones.

At a wrong rate the bytes are noise. How much of what came can be printed tells noise from text; a ROM and its firmware
may speak at two rates (an ESP8266's ROM speaks at 74880 bit/s), and then a part of it can.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hil import reset
from hil.console import Console, ConsoleError
from hil.doctor.check import Case, Check
from hil.doctor.finding import Finding, fault, note, ok
from hil.doctor.line import HINDRANCES, opened, reason
from hil.rig import RigBoard
from hil.timeline import Event

#: The rates that consoles of these boards have, in bit/s, the likeliest first.
RATES = (115200, 9600, 921600, 460800, 74880, 230400, 57600)
#: Seconds for which each rate is listened to.
SECONDS = 3.0
#: Bytes that are enough to judge by.
ENOUGH = 400
#: Bytes that are too few to judge by.
TOO_FEW = 12
#: The share of printable characters from which on it is text, and up to which it is noise.
TEXT, NOISE = 0.95, 0.6


@dataclass(frozen=True)
class Heard:
    """What came at one rate: how many bytes, and which share of the characters in them can be printed."""

    baud: int
    size: int
    printable: float

    @property
    def verdict(self) -> str:
        """'silence', 'text', 'noise', or 'both'."""
        if self.size < TOO_FEW:
            return "silence"
        return "text" if self.printable >= TEXT else "noise" if self.printable <= NOISE else "both"


def share(data: bytes) -> float:
    """The share of bytes that belong to printable characters, line ends and colours of a terminal; UTF-8 counts."""
    if not data:
        return 0.0
    good = 0
    for character in data.decode("utf-8", "surrogateescape"):
        if character.isprintable() or character in "\r\n\t\x1b":
            good += len(character.encode("utf-8", "surrogateescape"))
    return good / len(data)


def listen(console: Console, seconds: float) -> Heard:
    """Reset the board, if it can be, and listen for so many seconds, or until there is enough. Raises ConsoleError."""
    enough, lines, mark = threading.Event(), 0, console.mark()

    def count(event: Event) -> None:
        nonlocal lines
        if (event.source, event.kind) == ("console", "line"):
            lines += len(event["text"])
            if lines >= ENOUGH:
                enough.set()

    listening = console.timeline.listen(count)
    try:
        with contextlib.suppress(ConsoleError):  # without reset lines it is heard as it is
            reset.hard(console)
        enough.wait(seconds)
    finally:
        listening()
    data = console.received(mark)
    return Heard(console.baud, len(data), share(data))


def judge(about: str, heard: list[Heard]) -> Finding:
    """What was heard at the contract's rate, which is the first, and at others."""
    first, others = heard[0], heard[1:]
    percent = f"{first.printable:.0%} of {first.size} bytes can be printed"
    if first.verdict == "text":
        return ok(about, f"text at {first.baud} bit/s: {percent}")
    fits = max((h for h in others if h.verdict == "text"), key=lambda h: (h.printable, h.size), default=None)
    if first.verdict == "both":
        rate = f"; all of it is text at {fits.baud} bit/s" if fits is not None else ""
        cure = f"set console.baud = {fits.baud} in the contract" if fits is not None else "see hil console --reset"
        what = f"text and noise at {first.baud} bit/s: {percent}; ROM and firmware may speak at two rates{rate}"
        return note(about, what, cure)
    if fits is not None:
        return fault(
            about,
            f"{first.verdict} at {first.baud} bit/s, text at {fits.baud}",
            f"set console.baud = {fits.baud} in the contract, or change the rate in the firmware",
        )
    if all(h.verdict == "silence" for h in heard):
        return fault(
            about,
            "it said nothing after a reset, at no rate",
            "is it flashed, and does it have power? TX and RX crossed? A cable for charging only has no data lines",
        )
    tried = ", ".join(str(h.baud) for h in heard)
    cure = "a rate of its own? Set console.baud to what the firmware sets; else TX's level, or the ground wire"
    return fault(about, f"noise at {first.baud} bit/s, and text at none of {tried}", cure)


def _baud(case: Case) -> Iterator[Finding]:
    for board in case.boards:
        about = f"{board.name} console"
        case.say(f"{board.name}: is reset and listened to now")
        try:
            yield judge(about, list(_heard(case, board)))
        except HINDRANCES as error:
            yield fault(about, reason(error, board), "as it says")


def _heard(case: Case, board: RigBoard) -> Iterator[Heard]:
    """The contract's rate, and until one fits all others. Raises one of HINDRANCES."""
    own = board.contract.console.baud
    for baud in (own, *(rate for rate in RATES if rate != own)):
        console = board.contract.console.model_copy(update={"baud": baud})
        contract = board.contract.model_copy(update={"console": console})
        with opened(case, replace(board, contract=contract)) as line:
            heard = listen(line.console, SECONDS)
        yield heard
        if heard.verdict == "text":
            return


CHECKS = (
    Check(
        "console",
        "resets each board and judges whether what it prints is text at the contract's `console.baud`; tries the usual "
        "rates where it is not",
        "`console.baud` in the contract; the wiring, where it is silent or noisy at all of them",
        _baud,
        asked="--listen",
    ),
)
