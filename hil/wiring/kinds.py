"""The ways in which a port's lines reach a board.

    usb-uart           a bridge (CP2102, CH340, FT232, ...) and two transistors between its lines and EN and IO0
    usb-serial-jtag    the chip's own USB-Serial/JTAG: the lines are orders to that peripheral
    usb-otg            the chip's own USB-OTG: the lines are what the firmware, or the ROM, makes of them
    none               nothing reaches the chip: a person presses its buttons
    custom             sequences of one's own

Sources:

- Bridges: Espressif, 'Boot Mode Selection', automatic bootloader. RTS alone pulls EN low, DTR alone IO0; both or
  neither leave both high. The NodeMCU boards of the ESP8266 have the same circuit. Times as esptool has them.
- USB-Serial/JTAG: technical reference manuals of the S3 and the H2, 'CDC-ACM Settings with RTS and DTR': DTR alone sets
  a flag, neither line clears it, RTS alone resets the chip, into download mode where the flag is set; both do nothing.
- USB-OTG: arduino-esp32's USBCDC.cpp starts the loader at RTS, both, DTR, neither, in this order and no other;
  ESP-IDF's usb_console.c when RTS is released while DTR is asserted. Neither restarts the firmware that Arduino's core
  built at a pulse of RTS; the ROM's loader does (esptool, hard_reset of the S2 and the S3).

No hardware has confirmed any of it here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from hil.wiring.sequence import Sequence

Leaving = Literal["lines", "watchdog"]

_PULSE = Sequence.parse("R1|W0.1|R0")


@dataclass(frozen=True, slots=True)
class Wiring:
    """One of them. `hard` resets the board, `download` starts it in its loader; None where the lines cannot.

    `power_on`: whether `hard` is a power-on to the chip, which loses its clock. `before`: esptool's option.
    `own_sequences`: esptool is given these sequences, as it knows no such wiring. `goes_first`: the sequence is run
    before esptool, as the port goes away in it and comes back as another one. `leaving`: how the board leaves the
    loader after flashing. `cure`: what to do if it does not enter it.
    """

    name: str
    hard: Sequence | None
    download: Sequence | None
    cure: str
    power_on: bool = True
    before: str = "default-reset"
    own_sequences: bool = False
    goes_first: bool = False
    leaving: Leaving = "lines"


_BRIDGE_HARD = Sequence.parse("U0,1|W0.1|U0,0")
_BRIDGE_DOWNLOAD = Sequence.parse("U0,1|W0.1|U1,0|W0.05|U0,0")

USB_UART = Wiring(
    "usb-uart",
    hard=_BRIDGE_HARD,
    download=_BRIDGE_DOWNLOAD,
    cure="check power, cable, and that DTR and RTS are wired to IO0 and EN; hold the BOOT button; if it is the chip's "
    'own USB port, say so in the rig: reset = "usb-serial-jtag" or "usb-otg"',
)
INVERTED = Wiring(
    "usb-uart, inverted",
    hard=_BRIDGE_HARD.inverted(),
    download=_BRIDGE_DOWNLOAD.inverted(),
    own_sequences=True,
    cure="check power and cable, and whether both lines are inverted, as the rig says (reset.inverted)",
)
USB_SERIAL_JTAG = Wiring(
    "usb-serial-jtag",
    hard=_BRIDGE_HARD,
    power_on=False,
    download=Sequence.parse("U0,0|W0.1|D1|W0.1|R1|D0|W0.1|R0"),
    before="usb-reset",
    cure="check the cable; hold BOOT and press RST once: firmware that uses the USB pins, or sleeps, is out of reach; "
    'if there is a bridge between chip and port, say so in the rig: reset = "usb-uart"',
)
_OTG_DOWNLOAD = Sequence.parse("D0|R1|D1|R0|D0")
USB_OTG = Wiring(
    "usb-otg",
    hard=Sequence.parse(f"{_OTG_DOWNLOAD}|W1|{_PULSE}"),
    download=_OTG_DOWNLOAD,
    power_on=False,
    before="no-reset",
    goes_first=True,
    leaving="watchdog",
    cure="hold BOOT and press RST: only firmware with a USB console of its own starts the loader when it is asked; if "
    'there is a bridge between chip and port, say so in the rig: reset = "usb-uart"',
)
NONE = Wiring(
    "none",
    hard=None,
    download=None,
    before="no-reset",
    leaving="watchdog",
    cure='only a person starts its loader, as the rig says (reset = "none"): hold BOOT, press RST, and try again',
)
ARDUINO = Wiring(
    "arduino",
    hard=Sequence.parse("U1,0|W0.1|U0,0"),
    download=None,
    cure="check that DTR is wired to RESET",
)

WIRINGS = {wiring.name: wiring for wiring in (USB_UART, USB_SERIAL_JTAG, USB_OTG, NONE)}

HAS_USB: Mapping[str, frozenset[str]] = {
    "usb-serial-jtag": frozenset(
        (
            "esp32s3",
            "esp32c3",
            "esp32c5",
            "esp32c6",
            "esp32c61",
            "esp32h2",
            "esp32h21",
            "esp32h4",
            "esp32p4",
            "esp32s31",
        )
    ),
    "usb-otg": frozenset(("esp32s2", "esp32s3", "esp32p4", "esp32s31", "esp32e22")),
}
"""Chips with each kind of USB of their own (esptool, USB_SERIAL_JTAG_SUPPORTED and USB_OTG_SUPPORTED)."""

HAS_WATCHDOG_RESET = frozenset(
    ("esp32s2", "esp32s3", "esp32c2", "esp32c3", "esp32c5", "esp32c61", "esp32p4", "esp32s31")
)
"""Chips that `esptool --after watchdog-reset` can reset (esptool, WATCHDOG_RESET_SUPPORTED)."""


def custom(download: str, hard: str | None = None) -> Wiring:
    """One with sequences of one's own; `hard` a pulse of RTS without one. Raises BadSequence."""
    return Wiring(
        "custom",
        hard=Sequence.parse(hard) if hard else _PULSE,
        download=Sequence.parse(download),
        own_sequences=True,
        cure="check power and cable, and the sequences in the rig (reset.download, reset.hard)",
    )
