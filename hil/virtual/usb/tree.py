"""A small /dev and /sys of virtual boards: what the kernel and udev show of USB serial ports, in a folder.

    DIR/dev/ttyACM0 -> /dev/pts/7
    DIR/dev/serial/by-id/usb-Espressif_USB_JTAG_serial_debug_unit_24:0A:C4:00:01:10-if00 -> ../../ttyACM0
    DIR/dev/serial/by-path/pci-0000:00:14.0-usb-0:1.4:1.0 -> ../../ttyACM0
    DIR/sys/class/tty/ttyACM0/device -> .../usb1/1-1/1-1.4/1-1.4:1.0

Several boards share a tree, as they share a host: each device takes the lowest name that is free, and keeps its place.
A name is taken by locking a file, so that what a killed board has left behind is cleared away by the next.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

_CONTROLLER = "pci0000:00/0000:00:14.0"
_MOST = 256


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a USB device says of itself: ids of four hexadecimal digits, and texts."""

    vid: str
    pid: str
    manufacturer: str
    product: str
    serial_number: str


class Plug:
    """A device that is in the tree under `name` ('ttyACM0') until `remove`."""

    def __init__(self, tree: Tree, name: str, lock: int, links: list[Path], interface: Path) -> None:
        self.name = name
        self._tree = tree
        self._lock = lock
        self._links = links
        self._interface = interface

    def remove(self) -> None:
        """Take it out: its name first, then its links, then what /sys says. The name is free afterwards."""
        self._tree.clear(self.name, self._links)
        shutil.rmtree(self._interface.parent, ignore_errors=True)
        os.close(self._lock)


class Tree:
    """The tree in `root`, made if it is not there; what boards that are gone have left in it is cleared away."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._places: list[int] = []
        for folder in ("dev/serial/by-id", "dev/serial/by-path", "sys/class/tty", "taken"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for name in sorted(os.listdir(root / "taken")):
            lock = self._take(name)
            if lock is not None:
                if name.startswith("tty"):
                    self.clear(name, [])
                os.close(lock)

    def by_path(self, location: str) -> Path:
        """The link that leads to whatever port is plugged in at `location` ('1-1.4')."""
        path = f"pci-0000:00:14.0-usb-0:{location.partition('-')[2]}:1.0"
        return self.root / "dev" / "serial" / "by-path" / path

    def take_place(self, location: str | None) -> str:
        """Take the place `location` ('1-1.4'), or the first free one of the hub '1-1', as long as this process runs.

        Raises OSError if it is taken, or all are.
        """
        for place in [location] if location else [f"1-1.{number}" for number in range(1, _MOST)]:
            lock = self._take(f"place {place}")
            if lock is not None:
                self._places.append(lock)
                return place
        if location:
            raise OSError(f"another virtual board is plugged in at {location}; give this one another --usb-location")
        raise OSError(f"{_MOST} virtual boards are plugged in below {self.root} already")

    def plug(self, device: Descriptor, location: str, slave: str) -> Plug:
        """Show a port that is the pty `slave`, plugged in at `location`, under the lowest name that is free."""
        name, lock = self._free_name()
        self.clear(name, [])
        interface = self._describe(device, location, name)
        self._link(self.root / "dev" / name, slave)
        links = [self.by_path(location), self.root / "dev" / "serial" / "by-id" / _by_id(device)]
        for link in links:
            self._link(link, f"../../{name}")
        return Plug(self, name, lock, links, interface)

    def clear(self, name: str, links: list[Path]) -> None:
        """Remove the port `name`, those of `links` that lead to it, and any other link that does."""
        serial = self.root / "dev" / "serial"
        (self.root / "dev" / name).unlink(missing_ok=True)
        for link in [*links, *serial.glob("by-id/*"), *serial.glob("by-path/*")]:
            with contextlib.suppress(OSError):
                if os.path.basename(os.readlink(link)) == name:
                    link.unlink()
        shutil.rmtree(self.root / "sys" / "class" / "tty" / name, ignore_errors=True)

    def _free_name(self) -> tuple[str, int]:
        for number in range(_MOST):
            lock = self._take(f"ttyACM{number}")
            if lock is not None:
                return f"ttyACM{number}", lock
        raise OSError(f"all names below {self.root} are taken")

    def _take(self, what: str) -> int | None:
        """Lock the file that stands for a name or a place: a file descriptor, or None where another has it."""
        lock = os.open(self.root / "taken" / what, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return None
        return lock

    def _describe(self, device: Descriptor, location: str, name: str) -> Path:
        """What /sys says of the device; the folder of its interface."""
        usb = self.root / "sys" / "devices" / _CONTROLLER / f"usb{location.partition('-')[0]}" / location
        shutil.rmtree(usb, ignore_errors=True)
        interface = usb / f"{location}:1.0"
        (interface / "tty" / name).mkdir(parents=True)
        facts = {
            "idVendor": device.vid,
            "idProduct": device.pid,
            "manufacturer": device.manufacturer,
            "product": device.product,
            "serial": device.serial_number,
            "bNumInterfaces": " 3",
        }
        for key, value in facts.items():
            (usb / key).write_text(value + "\n")
        (interface / "bInterfaceNumber").write_text("00\n")
        entry = self.root / "sys" / "class" / "tty" / name
        entry.mkdir()
        (entry / "device").symlink_to(interface)
        return interface

    @staticmethod
    def _link(link: Path, target: str) -> None:
        """Make a link, in place of one that is there: of two devices with one name by id, the last one has it."""
        draft = link.with_name(f".{link.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        draft.symlink_to(target)
        os.replace(draft, link)


def _by_id(device: Descriptor) -> str:
    """As udev makes it of vendor, product and serial number: whatever is no usual character becomes '_'."""
    words = f"usb-{device.manufacturer}_{device.product}_{device.serial_number}-if00"
    return re.sub(r"[^0-9A-Za-z#+.:=@_-]", "_", words)
