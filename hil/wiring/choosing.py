"""Which wiring a rig means: what it says, or else what the port is seen to be.

reset = "usb-serial-jtag"
reset = { kind = "usb-uart", inverted = true }
reset = { kind = "custom", download = "D0|R1|W0.1|D1|R0|W0.05|D0", hard = "R1|W0.1|R0" }
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, field_validator

from hil.ports import UsbPort
from hil.ports.known import recognised
from hil.toml import Strict
from hil.wiring.kinds import HAS_USB, INVERTED, USB_OTG, USB_SERIAL_JTAG, USB_UART, WIRINGS, Wiring, custom
from hil.wiring.sequence import BadSequence, Sequence


class Plain(Strict):
    """One that has no keys of its own."""

    kind: Literal["usb-serial-jtag", "usb-otg", "none"]


class Bridge(Strict):
    """A bridge, both of whose lines may arrive inverted."""

    kind: Literal["usb-uart"]
    inverted: bool = False


class Custom(Strict):
    """Sequences of one's own, in esptool's notation; `hard` a pulse of RTS without one."""

    kind: Literal["custom"]
    download: str
    hard: str | None = None

    @field_validator("download", "hard")
    @classmethod
    def _sequence(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                Sequence.parse(value)
            except BadSequence as error:
                raise ValueError(str(error)) from None
        return value


def _table(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else value


Reset = Annotated[Annotated[Bridge | Plain | Custom, Discriminator("kind")], BeforeValidator(_table)]
"""As a rig has it: the kind alone, or a table."""


def wiring_of(reset: Reset) -> Wiring:
    """The wiring that a rig says."""
    if isinstance(reset, Bridge):
        return INVERTED if reset.inverted else USB_UART
    if isinstance(reset, Custom):
        return custom(reset.download, reset.hard)
    return WIRINGS[reset.kind]


def seen(port: UsbPort | None) -> Wiring:
    """The wiring of a port that is connected, as its vendor and product tell it; a bridge's where they tell nothing."""
    known = recognised(port) if port is not None else None
    return {"usb-serial-jtag": USB_SERIAL_JTAG, "usb-otg": USB_OTG}.get("" if known is None else known.kind, USB_UART)


def misfit(key: str, kind: str, chip: str) -> str | None:
    """Why a chip cannot be wired as `key` of a rig says, as a phrase; None if it can, or nothing is known of it."""
    chips = HAS_USB.get(kind)
    if chips is None or chip in chips or chip == "auto":
        return None
    others = [kind for kind, having in HAS_USB.items() if chip in having]
    expected = " or ".join(f'"{kind}"' for kind in ("usb-uart", *others))
    return f'found {key} "{kind}" on an {chip}, which has no such port of its own; expected {expected}'
