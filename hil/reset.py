"""Resets through the modem lines, as a board's wiring wants them, and by the firmware's own command.

On a tty both lines change in one request, and hil/serial_port.py orders them where they cannot. A chip whose USB port
is its own may vanish from the bus at any step; what comes back has both lines released, and the sequence goes on.
"""

from __future__ import annotations

import time

from hil.console import Console, ConsoleError
from hil.wiring import ARDUINO, Sequence, Wait


def hard(console: Console) -> None:
    """Reset the board as its wiring wants it. Raises ConsoleError, also where no line of its port can.

    Through EN, behind a bridge, this is a power-on to the chip: its clock and RTC memory are lost. Through a USB port
    of its own it is a reset of all but the RTC: both survive.
    """
    sequence = console.wiring.hard
    if sequence is None:
        raise ConsoleError(
            f"console of {console.board}: no line of its port resets it, as the rig says (reset = "
            f'"{console.wiring.name}"): give it a power switch, or press its button'
        )
    console.timeline.record("reset", "hard", console.board)
    _run(console, sequence)


def dtr(console: Console) -> None:
    """Assert DTR for 100 ms: through a capacitor that pulls an Arduino's RESET low. Raises ConsoleError."""
    console.timeline.record("reset", "hard", console.board)
    assert ARDUINO.hard is not None
    _run(console, ARDUINO.hard)


def download(console: Console) -> None:
    """Start the chip in its ROM loader, which waits for a flasher. Raises ConsoleError, as `hard` does."""
    sequence = console.wiring.download
    if sequence is None:
        raise ConsoleError(f"console of {console.board}: {console.wiring.cure}")
    console.timeline.record("reset", "download", console.board)
    _run(console, sequence)


def soft(console: Console, command: str) -> None:
    """Send the console command that makes the firmware restart itself. Raises ConsoleError."""
    console.timeline.record("reset", "soft", console.board)
    console.send_line(command)


def _run(console: Console, sequence: Sequence) -> None:
    dtr = rts = False
    for step in sequence:
        if isinstance(step, Wait):
            time.sleep(step.seconds)
            continue
        dtr = dtr if step.dtr is None else step.dtr
        rts = rts if step.rts is None else step.rts
        try:
            console.set_lines(dtr=dtr, rts=rts)
        except ConsoleError:
            console.wait_open()  # a new connection, which has both lines released
            if dtr or rts:
                console.set_lines(dtr=dtr, rts=rts)
