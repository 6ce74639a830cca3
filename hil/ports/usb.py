"""The USB serial ports that are connected, as the kernel describes them below /sys, with udev's links below /dev.

Where things are (kernel documentation, 'sysfs-bus-usb' and the tty class; systemd's 60-serial.rules for the links):

    /sys/class/tty/ttyACM0/device   leads to the USB interface (cdc_acm), or to a folder of usb-serial in it
    interface folder                '1-1.4:1.0', has bInterfaceNumber (hexadecimal)
    device folder                   '1-1.4', the place where it is plugged in; has idVendor, idProduct, serial, ...
    /dev/serial/by-id, by-path      links to the ports, by what the device says of itself, and by its place

The trees are looked for under `roots()`: '/', or what HIL_DEV_ROOT names (several with ':' between), where the `dev`
and `sys` of virtual boards are. pyserial's list_ports knows the same facts, and reads fixed paths only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Names the trees to look at in place of '/'.
ROOTS_VARIABLE = "HIL_DEV_ROOT"

#: Espressif's USB-Serial/JTAG: fixed in hardware, with the chip's MAC address as serial number (ESP-IDF Programming
#: Guide, 'USB Serial/JTAG Controller Console'; esptool names both ids).
USB_SERIAL_JTAG = (0x303A, 0x1001)

_MAC = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}")


@dataclass(frozen=True, slots=True)
class UsbPort:
    """A USB serial port. `device`: '/dev/ttyACM0'; `location`: '1-1.4', bus and hub ports, one for all of a device.

    `interface`: which of the device's interfaces it is (bInterfaceNumber). Whatever USB does not tell is None.
    `by_id`, `by_path`: udev's links to it.
    """

    device: str
    serial_number: str | None = None
    location: str | None = None
    vid: int | None = None
    pid: int | None = None
    interface: int | None = None
    manufacturer: str | None = None
    product: str | None = None
    by_id: tuple[str, ...] = ()
    by_path: tuple[str, ...] = ()

    @property
    def vid_pid(self) -> str:
        """'10c4:ea60', or '' where USB does not tell."""
        return "" if self.vid is None or self.pid is None else f"{self.vid:04x}:{self.pid:04x}"

    @property
    def mac(self) -> str | None:
        """The chip's MAC address, where the USB serial number is it: USB-Serial/JTAG. Lower case, with colons."""
        if (self.vid, self.pid) != USB_SERIAL_JTAG or not _MAC.fullmatch(self.serial_number or ""):
            return None
        return str(self.serial_number).lower()

    @property
    def lasting(self) -> str:
        """The name that leads to this port again after it was away: its place, what it says of itself, or its device.

        The place comes first: a chip with USB of its own may say something else of itself in download mode.
        """
        return next(iter((*self.by_path, *self.by_id)), self.device)

    def __str__(self) -> str:
        facts = [
            self.vid_pid,
            f"serial number {self.serial_number}" if self.serial_number else "no serial number",
            f"location {self.location}" if self.location else "",
            f"interface {self.interface}" if self.interface else "",
        ]
        return f"{self.device} ({', '.join(filter(None, facts))})"


def roots() -> list[Path]:
    """Where `dev` and `sys` are: '/', or what HIL_DEV_ROOT names."""
    named = os.environ.get(ROOTS_VARIABLE, "")
    return [Path(root) for root in named.split(os.pathsep) if root] or [Path("/")]


def connected(where: Sequence[Path] | None = None) -> list[UsbPort]:
    """The USB serial ports that are connected now, in the order of their places. Opens none of them, raises nothing."""
    found = [port for root in (roots() if where is None else where) for port in _below(root)]
    return sorted(found, key=lambda port: (_numbers(port.location or ""), port.interface or 0, port.device))


def _below(root: Path) -> Iterable[UsbPort]:
    links = {kind: _links(root / "dev" / "serial" / kind) for kind in ("by-id", "by-path")}
    for entry in _entries(root / "sys" / "class" / "tty"):
        node = root / "dev" / entry.name
        interface = _up(entry / "device", "bInterfaceNumber")
        device = _up(entry / "device", "idVendor")
        if device is None or not os.path.lexists(node):
            continue
        vid, pid = _hexadecimal(device / "idVendor"), _hexadecimal(device / "idProduct")
        yield UsbPort(
            device=str(node),
            serial_number=_text(device / "serial"),
            location=device.name,
            vid=vid,
            pid=pid,
            interface=None if interface is None else _hexadecimal(interface / "bInterfaceNumber"),
            manufacturer=_text(device / "manufacturer"),
            product=_text(device / "product"),
            by_id=tuple(links["by-id"].get(entry.name, ())),
            by_path=tuple(links["by-path"].get(entry.name, ())),
        )


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _links(folder: Path) -> dict[str, list[str]]:
    """Links by the name of the device that they lead to."""
    found: dict[str, list[str]] = {}
    for link in _entries(folder):
        try:
            found.setdefault(os.path.basename(os.readlink(link)), []).append(str(link))
        except OSError:
            continue  # no link, or gone meanwhile
    return found


def _up(start: Path, attribute: str) -> Path | None:
    """The folder that `start` leads to, or the nearest one above it, that has `attribute`."""
    try:
        folder = start.resolve(strict=True)
    except OSError:
        return None
    for candidate in (folder, *folder.parents[:4]):
        if (candidate / attribute).is_file():
            return candidate
    return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip() or None
    except OSError:
        return None


def _hexadecimal(path: Path) -> int | None:
    try:
        return int(_text(path) or "", 16)
    except ValueError:
        return None


def _numbers(location: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", location)]
