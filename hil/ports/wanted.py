"""Which port a rig means by other marks than its name: `port = { serial_number = "A50285BI" }`.

A mark has to lead to one port and no other. Cheap bridges often have the same serial number ('0001' of many CP2102),
or none; then the place tells them apart, and the message says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, model_validator

from hil.ports.usb import UsbPort
from hil.toml import Strict

MAC = r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$"


class PortNotFound(Exception):
    """No port is what was asked for, or several are. One line: what was looked for, what is connected, and the cure."""


class PortAmbiguous(PortNotFound):
    """Several ports are what was asked for: waiting does not help."""


class PortTable(Strict):
    """A port by its marks; all that are given have to fit.

    `serial_number`: as USB tells it. `location`: bus and hub ports, '1-1.4'. `mac`: of the chip: USB-Serial/JTAG has it
    as serial number; behind a bridge it can only be asked for, which resets the boards, so only with `ask`.
    `interface`: which port of a device that has several.
    """

    serial_number: Annotated[str, Field(min_length=1)] | None = None
    location: Annotated[str, Field(pattern=r"^\d+-\d+(\.\d+)*$")] | None = None
    mac: Annotated[str, Field(pattern=MAC)] | None = None
    interface: Annotated[int, Field(ge=0, le=255)] | None = None
    ask: bool = False

    @model_validator(mode="after")
    def _marked(self) -> PortTable:
        if self.serial_number is None and self.location is None and self.mac is None:
            raise ValueError("found none of serial_number, location and mac, expected at least one of them")
        if self.ask and self.mac is None:
            raise ValueError("found ask and no mac, expected mac: what the chips are asked for")
        return self

    def __str__(self) -> str:
        marks = [
            ("serial number", self.serial_number),
            ("location", self.location),
            ("MAC address", self.mac),
            ("interface", self.interface),
        ]
        return ", ".join(f"{name} {value}" for name, value in marks if value is not None)


def fits(wanted: PortTable, port: UsbPort) -> bool:
    """Whether this port has all the marks, the MAC address left out where only the chip could tell it."""
    return (
        wanted.serial_number in (None, port.serial_number)
        and wanted.location in (None, port.location)
        and wanted.interface in (None, port.interface)
        and (wanted.mac is None or wanted.ask or wanted.mac == port.mac)
    )


def find(wanted: PortTable, ports: Sequence[UsbPort]) -> UsbPort:
    """The one port with these marks. Raises PortNotFound where it is not connected, or is not the only one."""
    found = [port for port in ports if fits(wanted, port)]
    if len(found) == 1:
        return found[0]
    raise PortAmbiguous(_several(wanted, found)) if found else PortNotFound(_none(wanted, ports))


def now_connected(ports: Sequence[UsbPort]) -> str:
    """What is connected, in words for a message."""
    return "connected now: " + (", ".join(str(port) for port in ports) or "no USB serial port")


def _none(wanted: PortTable, ports: Sequence[UsbPort]) -> str:
    cure = "plug it in, or correct port in the rig (`hil boards` shows what there is)"
    if wanted.mac is not None and any(port.mac is None for port in ports):
        cure = (
            "behind a USB bridge only the chip can tell its MAC address, which resets it: add ask = true, or name the "
            "port by serial_number or location"
        )
    return f"no port has {wanted}; {now_connected(ports)}; {cure}"


def _several(wanted: PortTable, found: Sequence[UsbPort]) -> str:
    words = f"{len(found)} ports have {wanted}: {', '.join(str(port) for port in found)}"
    if len({port.location for port in found}) == 1:
        numbers = " or ".join(str(port.interface) for port in found)
        return f"{words}; they belong to one device: add interface = {numbers}"
    example = next(port for port in found if port.location)
    path = f', or port = "{example.by_path[0]}"' if example.by_path else ""
    return (
        f"{words}; many bridges have all the same serial number: name the port by the place where it is plugged in, as "
        f'port = {{ location = "{example.location}" }}{path}'
    )
