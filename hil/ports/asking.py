"""Asks the chips themselves who they are, through esptool. It resets each board that is asked."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hil.flash import FlashError
from hil.flash.esptool import Esptool
from hil.flash.identity import Identity
from hil.ports.finder import Asking
from hil.ports.known import recognised
from hil.ports.locked import reserved
from hil.ports.usb import UsbPort
from hil.timeline import Timeline
from hil.wiring.choosing import seen


def ask(port: UsbPort, timeline: Timeline, artifacts: Path | None) -> Identity:
    """What the chip on this port says that it is; it is reset before and after, and locked meanwhile.

    Raises FlashError, also where another run has locked it: that one's board is not reset.
    """
    name = Path(port.device).name
    with reserved(port) as other:
        if other is not None:
            raise FlashError(f"board {name}: not asked: {port.device} is held by {other.words}; wait for it, or end it")
        quiet = Esptool(
            timeline, name, port.lasting, attempts=1, artifacts=artifacts, wiring=seen(port), show_progress=False
        )
        return quiet.identity()


def may_be_asked(port: UsbPort) -> bool:
    """Whether esptool may find a chip here: not where USB says that it is another maker's board."""
    known = recognised(port)
    return known is None or known.perhaps_espressif


def by_mac(timeline: Timeline, artifacts: Path | None) -> Asking:
    """For a PortFinder: asks one board after the other until one has the MAC address that is looked for."""

    def look(mac: str, candidates: Iterable[UsbPort]) -> UsbPort | None:
        for port in candidates:
            if not may_be_asked(port):
                continue
            try:
                if ask(port, timeline, artifacts).mac == mac:
                    return port
            except FlashError:
                continue  # another program has it, or no chip of Espressif's answers
        return None

    return look
