"""A machine's /sys, /dev, /proc, /etc and /run in a folder, for checks that read them there."""

from __future__ import annotations

import os
from pathlib import Path

from hil import rig as rigs
from hil.doctor import Case, Finding
from hil.doctor.check import Check
from hil.doctor.host import Host
from hil.doctor.user import User

CONTRACT = Path(__file__).parents[2] / "rigs" / "contracts" / "reference.toml"
#: The group that the fake's files have: whatever the test's own are created with.
GID = os.getgid()
SOMEBODY = User(uid=1234, groups=frozenset({1234}))


class FakeHost:
    """Files below `root`. `user`: who uses the machine; not root, unless a test says so."""

    def __init__(self, root: Path, user: User = SOMEBODY) -> None:
        self.root = root
        self.user = user
        self.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\nada:x:1234:1234::/home/ada:/bin/sh\n")
        self.write("/etc/group", f"root:x:0:\ndialout:x:{GID or 20}:\nplugdev:x:46:\n")

    @property
    def host(self) -> Host:
        """The machine as the doctor sees it now."""
        return Host(self.root, self.user)

    def write(self, path: str, text: str) -> Path:
        """A file of the machine."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def link(self, path: str, target: str) -> None:
        """A symbolic link of the machine, to be read as it is."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.symlink_to(target)

    def usb(self, location: str, vendor: str, product: str, **facts: str) -> None:
        """A USB device: `serial`, `manufacturer`, `product` (the last as `name`)."""
        folder = f"/sys/bus/usb/devices/{location}"
        self.write(f"{folder}/idVendor", vendor + "\n")
        self.write(f"{folder}/idProduct", product + "\n")
        for key, value in facts.items():
            self.write(f"{folder}/{'product' if key == 'name' else key}", value + "\n")

    def tty(self, name: str, location: str, *, interface: int = 0, mode: int = 0o660, by_id: str | None = None) -> None:
        """A serial port of a USB device, as usb-serial or cdc_acm make it, and its device file."""
        folder = f"/sys/bus/usb/devices/{location}/{location}:1.{interface}"
        below = f"{folder}/tty/{name}" if name.startswith("ttyACM") else f"{folder}/{name}/tty/{name}"
        self.write(f"{folder}/bInterfaceNumber", f"{interface:02x}\n")
        self.write(f"{below}/dev", "188:0\n")
        self.link(f"{below}/device", os.path.relpath(folder if "ACM" in name else f"{folder}/{name}", below))
        self.link(f"/sys/class/tty/{name}", os.path.relpath(below, "/sys/class/tty"))
        self.write(f"/dev/{name}", "").chmod(mode)
        if by_id is not None:
            self.link(f"/dev/serial/by-id/{by_id}", f"../../{name}")

    def process(self, pid: int, name: str, *command: str, opened: str | None = None) -> None:
        """A process, with one file or socket open."""
        self.write(f"/proc/{pid}/comm", name + "\n")
        self.write(f"/proc/{pid}/cmdline", "".join(f"{word}\0" for word in command or (name,)))
        (self.root / f"proc/{pid}/fd").mkdir()
        if opened is not None:
            self.link(f"/proc/{pid}/fd/7", opened)

    def case(self, folder: Path, boards: str, **options: object) -> Case:
        """A case for a rig with these boards: TOML, `port = ...` lines and so on, each board named in it."""
        path = folder / "rig.toml"
        path.write_text(boards.replace("CONTRACT", f'contract = "{CONTRACT}"\nwifi = {{ ssid = "net" }}'))
        rig = rigs.load(path)
        return Case(rig, list(rig.boards.values()), self.host, **options)  # type: ignore[arg-type]


def board(port: str, more: str = "") -> str:
    """A rig of one real board, 'kit'."""
    return f'name = "x"\n{more}\n[boards.kit]\nport = "{port}"\nCONTRACT\n'


def found(checks: tuple[Check, ...], name: str, case: Case) -> list[Finding]:
    """What the check of this name finds."""
    return list(next(check for check in checks if check.name == name).run(case))
