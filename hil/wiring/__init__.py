"""How DTR and RTS of a port reach a board: which sequence resets it, and which starts it in its loader."""

from __future__ import annotations

from hil.wiring.kinds import (
    ARDUINO,
    INVERTED,
    NONE,
    USB_OTG,
    USB_SERIAL_JTAG,
    USB_UART,
    Wiring,
    custom,
)
from hil.wiring.sequence import BadSequence, Lines, Sequence, Wait

__all__ = [
    "ARDUINO",
    "INVERTED",
    "NONE",
    "USB_OTG",
    "USB_SERIAL_JTAG",
    "USB_UART",
    "BadSequence",
    "Lines",
    "Sequence",
    "Wait",
    "Wiring",
    "custom",
]
