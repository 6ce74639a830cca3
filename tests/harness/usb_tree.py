"""A host's /dev and /sys in a folder, with USB serial ports that are ptys: what kernel and udev show of real ones."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from ptys import Device


@dataclass
class Plugged:
    """One USB device of a tree, or one of its interfaces."""

    node: Path
    device: Device
    links: list[Path]
    sys: list[Path]

    def unplug(self) -> None:
        self.device.unplug()
        for link in self.links:
            link.unlink()
        for folder in self.sys:
            shutil.rmtree(folder, ignore_errors=True)


class Tree:
    """`plug` puts a device in. `root` is what HIL_DEV_ROOT is to name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.plugged: list[Plugged] = []
        for folder in ("dev/serial/by-id", "dev/serial/by-path", "sys/class/tty"):
            (root / folder).mkdir(parents=True)

    def plug(
        self,
        name: str,
        location: str,
        vid_pid: str = "10c4:ea60",
        serial: str | None = "0001",
        *,
        interface: int = 0,
        by_id: str | None = None,
        links: bool = True,
    ) -> Plugged:
        """ttyUSB ports hang below a folder of usb-serial, ttyACM ports at the interface, as on Linux."""
        usb = self.root / "sys" / "devices" / "pci0000:00" / "usb1" / location
        inner = usb / f"{location}:1.{interface}"
        port = inner / name if name.startswith("ttyUSB") else inner
        port.mkdir(parents=True)
        vid, pid = vid_pid.split(":")
        facts = {"idVendor": vid, "idProduct": pid, "serial": serial, "manufacturer": "Maker", "product": "Bridge"}
        for key, value in facts.items():
            if value is not None:
                (usb / key).write_text(value + "\n")
        (inner / "bInterfaceNumber").write_text(f"{interface:02x}\n")
        of_tty = self.root / "sys" / "class" / "tty" / name
        of_tty.mkdir()
        (of_tty / "device").symlink_to(port)
        node = self.root / "dev" / name
        made = []
        if links:
            mark = by_id or f"usb-Maker_Bridge_{serial}-if{interface:02}"
            path = f"pci-0000:00:14.0-usb-0:{location.split('-')[1]}:1.{interface}"
            for folder, link in (("by-id", mark), ("by-path", path)):
                made.append(self.root / "dev" / "serial" / folder / link)
                made[-1].unlink(missing_ok=True)
                made[-1].symlink_to(f"../../{name}")
        plugged = Plugged(node, Device(node), made, [of_tty, inner])
        self.plugged.append(plugged)
        return plugged

    def close(self) -> None:
        for plugged in self.plugged:
            plugged.device.unplug()
