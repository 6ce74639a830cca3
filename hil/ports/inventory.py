"""What is connected, put together: each port with what it probably is, whose it is, and who has it open."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hil.flash.identity import Identity
from hil.ports.known import Known, recognised
from hil.ports.locked import locked_by
from hil.ports.processes import Process, held
from hil.ports.usb import UsbPort
from hil.ports.wanted import PortTable, fits
from hil.rig import Rig


@dataclass(frozen=True, slots=True)
class Entry:
    """A connected port. `boards`: those of the rig that are meant to be on it. `held_by`: who has it open.

    `locked`: who has it locked, '' if nobody. `answer`: what its chip said when it was asked, or why it said nothing.
    """

    port: UsbPort
    known: Known | None
    boards: tuple[str, ...] = ()
    held_by: tuple[Process, ...] = ()
    locked: str = ""
    answer: Identity | str | None = None

    @property
    def what(self) -> str:
        """What it probably is, in words; what the chip said itself, where it was asked."""
        if isinstance(self.answer, Identity):
            size = f", {self.answer.flash_size} flash" if self.answer.flash_size else ""
            return f"{self.answer.chip}{size}"
        return self.known.name if self.known is not None else self.port.product or "not known"

    @property
    def mac(self) -> str | None:
        """The chip's MAC address, where USB or the chip tells it."""
        return self.answer.mac if isinstance(self.answer, Identity) else self.port.mac

    def facts(self) -> dict[str, Any]:
        """The entry for programs: JSON's types alone, None for what is not known."""
        port, answer = self.port, self.answer
        return {
            "device": port.device,
            "by_id": list(port.by_id),
            "by_path": list(port.by_path),
            "location": port.location,
            "interface": port.interface,
            "vid_pid": port.vid_pid or None,
            "serial_number": port.serial_number,
            "manufacturer": port.manufacturer,
            "product": port.product,
            "kind": self.known.kind if self.known else None,
            "what": self.what,
            "mac": self.mac,
            "chip": answer.name if isinstance(answer, Identity) else None,
            "flash_size": answer.flash_size if isinstance(answer, Identity) else None,
            "not_told": answer if isinstance(answer, str) else None,
            "boards": list(self.boards),
            "locked_by": self.locked or None,
            "held_by": [{"pid": holder.pid, "command": holder.name} for holder in self.held_by],
        }


def inventory(ports: Sequence[UsbPort], rig: Rig | None) -> list[Entry]:
    """An entry for each port. No port is opened."""
    files = held(Path("/proc")).files
    return [
        Entry(
            port,
            recognised(port),
            tuple(_meant(rig, port)),
            tuple(files.get(os.path.realpath(port.device), ())),
            _lock_words(port),
        )
        for port in ports
    ]


def _lock_words(port: UsbPort) -> str:
    holder = locked_by(port)
    return holder.words if holder is not None else ""


def asked(entry: Entry, answer: Identity | str) -> Entry:
    """The entry with what its chip said."""
    return replace(entry, answer=answer)


def _meant(rig: Rig | None, port: UsbPort) -> Iterable[str]:
    """The boards of the rig whose port this is. What only the chips could tell is left out."""
    for name, board in rig.boards.items() if rig is not None else ():
        wanted = board.config.port
        if isinstance(wanted, PortTable):
            if not wanted.ask and fits(wanted, port):
                yield name
        elif wanted is not None and os.path.realpath(wanted) == os.path.realpath(port.device):
            yield name
