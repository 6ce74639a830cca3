"""Resets through the modem lines, as dev kits are wired, and by the firmware's own command.

Two transistors cross the lines (Espressif, 'Boot Mode Selection', automatic bootloader; the same truth table holds
for the USB-Serial-JTAG of newer chips):

    RTS asserted, DTR not   EN low: the chip is held in reset
    DTR asserted, RTS not   IO0 low: a chip that leaves reset now starts its ROM loader
    both, or neither        EN and IO0 high: the chip runs

Every step below changes what it must and passes no other state on the way: on a tty both lines change in one request,
and hil/serial_port.py orders them where they cannot.
"""

from __future__ import annotations

import time

from hil.console import Console, ConsoleError

# How long EN is held low, in seconds: well above the millisecond that the RC circuit at EN takes. Same as esptool.
EN_LOW = 0.1
# How long IO0 is held low after EN goes up, in seconds: until the ROM has read its straps, with a capacitor of some
# microfarads at EN that makes it rise late. Same as esptool.
IO0_LOW = 0.05


def hard(console: Console) -> None:
    """Hold EN low for 100 ms: to the chip a power-on: its clock and RTC memory are lost. Raises ConsoleError.

    A chip whose USB port is its own vanishes from the bus meanwhile; this waits until it is back.
    """
    console.timeline.record("reset", "hard", console.board)
    console.set_lines(dtr=False, rts=True)
    time.sleep(EN_LOW)
    _let_go(console)


def dtr(console: Console) -> None:
    """Assert DTR for 100 ms: through a capacitor that pulls an Arduino's RESET low. Raises ConsoleError."""
    console.timeline.record("reset", "hard", console.board)
    console.set_lines(dtr=True, rts=False)
    time.sleep(EN_LOW)
    _let_go(console)


def download(console: Console) -> None:
    """Start the chip in its ROM loader, which waits for a flasher. Raises ConsoleError."""
    console.timeline.record("reset", "download", console.board)
    console.set_lines(dtr=False, rts=True)
    time.sleep(EN_LOW)
    console.set_lines(dtr=True, rts=False)
    time.sleep(IO0_LOW)
    _let_go(console)


def soft(console: Console, command: str) -> None:
    """Send the console command that makes the firmware restart itself. Raises ConsoleError."""
    console.timeline.record("reset", "soft", console.board)
    console.send_line(command)


def _let_go(console: Console) -> None:
    try:
        console.set_lines(dtr=False, rts=False)
    except ConsoleError:
        console.wait_open()  # the new connection has both lines released
