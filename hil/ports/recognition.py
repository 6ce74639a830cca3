"""Whether the board that answers is the one that is meant: two that were swapped are noticed before one is written.

A chip says its MAC address each time that esptool connects. It has to be the one that the rig names, or else the one
that was last seen for this board. Boards that cannot say who they are are known by the USB serial number of their port,
where it has one.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import replace

from hil.ports.finder import PortFinder, port_seen
from hil.ports.seen import Register, Seen
from hil.ports.usb import UsbPort


class WrongBoard(Exception):
    """Another board answers than the one that is meant. One line: who answers, who is meant, and the cure."""


class Recognition:
    """For one board of a rig, on the port that the rig names.

    `macs`: the MAC address of each board of the rig whose address it names. `register`: what was seen in runs before.
    """

    def __init__(
        self, board: str, port: str | PortFinder, macs: Mapping[str, str], others: list[str], register: Register
    ):
        self.board = board
        self._port = port
        self._macs = macs
        self._others = others
        self._register = register

    def chip_says(self, mac: str, chip: str) -> None:
        """The chip has said who it is; it is remembered if it is the right one. Raises WrongBoard."""
        seen = self._register.read(self.board)
        meant = self._macs.get(self.board) or (seen.mac if seen else None)
        if meant is not None and meant != mac:
            raise WrongBoard(self._wrong_chip(mac, chip, meant, seen))
        if seen is None or (seen.mac, seen.chip) != (mac, chip):
            self._remember(Seen(mac, chip))

    def port_says(self) -> None:
        """Look at the USB serial number of the port; it is remembered if it is the right one. Raises WrongBoard."""
        there = port_seen(self._port)
        if there is None or there.serial_number is None:
            return
        seen = self._register.read(self.board)
        if seen is not None and seen.serial_number not in (None, there.serial_number):
            raise WrongBoard(self._wrong_port(there, seen))
        if seen is None or seen.serial_number is None:
            self._remember(seen or Seen())

    def _remember(self, seen: Seen) -> None:
        there = port_seen(self._port)
        if there is not None:
            seen = replace(seen, serial_number=there.serial_number, location=there.location)
        day = datetime.datetime.now(datetime.UTC).date().isoformat()
        self._register.write(self.board, replace(seen, day=day))

    def _wrong_chip(self, mac: str, chip: str, meant: str, seen: Seen | None) -> str:
        named = self.board in self._macs
        why = "as the rig says" if named else f"as last seen on {seen.day if seen else 'another day'}"
        owner = next((name for name in self._others if self._mac_of(name) == mac), None)
        who = f"board {owner}" if owner else "a board that is not in the rig"
        return f"on {self._port} answers {who} ({chip}, MAC {mac}), expected {self.board} (MAC {meant}, {why}); " + (
            self._cure(owner, "correct mac in the rig" if named else f"hil boards --accept {self.board}")
        )

    def _wrong_port(self, there: UsbPort, seen: Seen) -> str:
        owner = next((name for name in self._others if self._serial_of(name) == there.serial_number), None)
        who = f"board {owner}" if owner else "another board"
        return (
            f"{there} is the port of {who}, expected {self.board} (USB serial number {seen.serial_number}, as last "
            f"seen on {seen.day}); " + self._cure(owner, f"hil boards --accept {self.board}")
        )

    @staticmethod
    def _cure(owner: str | None, accept: str) -> str:
        back = (
            "the two were swapped: swap their cables, or their ports in the rig" if owner else "plug the right one in"
        )
        return f"{back}; if it was replaced on purpose: {accept}"

    def _mac_of(self, name: str) -> str | None:
        seen = self._register.read(name)
        return self._macs.get(name) or (seen.mac if seen else None)

    def _serial_of(self, name: str) -> str | None:
        seen = self._register.read(name)
        return seen.serial_number if seen else None
