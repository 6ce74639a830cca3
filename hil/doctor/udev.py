"""Rules for udev that make a bench's devices usable: written for a person to review, never installed.

For each USB serial port of the rig's boards (and relays): a name that stays (/dev/hil/BOARD), a group and mode, and the
mark that has ModemManager pass it by, on the USB device as well, since that is where it looks. For a hub that uhubctl
switches: the right to do so, for the hub's file and, from Linux 6.0 on, for the `disable` files of its ports (README of
uhubctl). Keys and operators are those of udev(7).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from hil import process
from hil.doctor.check import Case
from hil.doctor.finding import Finding, fault, note
from hil.doctor.host import Host
from hil.doctor.ports import GROUPS, Port, local_ports, usb_ports
from hil.doctor.usb import device_at
from hil.ports import UsbPort

#: Switches on USB that are no serial ports, by kind: (vendor, product) as patterns of udev. usbrelay: its own
#: 50-usbrelay.rules; sispmctl: its 60-sispmctl.rules; Yepkit's ids as ykushcmd's source has them.
_SWITCHES = {
    "usbrelay": [("16c0", "05df")],
    "sispmctl": [("04b4", "fd1[0-5]")],
    "ykush": [("04d8", "f2f7"), ("04d8", "f11b"), ("04d8", "f0cd")],
}
#: What a pattern may hold as it is; anything else becomes '?', which stands for any one character.
_PLAIN = re.compile(r"[^A-Za-z0-9_.: /-]")
_TOKEN = re.compile(
    r'\s*(?P<key>[A-Z_]+)(?:\{(?P<attribute>[^}"]+)\})?(?P<operator>==|!=|\+=|-=|:=|=)"(?P<value>(?:[^"\\]|\\.)*)"\s*'
)
_MATCHES = {"SUBSYSTEM", "SUBSYSTEMS", "KERNEL", "KERNELS", "DRIVER", "ATTR", "ATTRS", "ACTION"}
_ASSIGNS = {"GROUP", "MODE", "SYMLINK", "RUN", "TAG"}


def write(case: Case, path: Path) -> Finding:
    """Write rules for what is connected of the rig to a new file. It is not installed, and nothing is overwritten."""
    lines = list(rules(case))
    text = "\n".join([*_head(case), *lines]) + "\n"
    faults = list(mistakes(text))
    if faults:
        return fault("udev", f"the rules would be wrong: {faults[0]}", "report it, with the names of your devices")
    if not any(line and not line.startswith("#") for line in lines):
        return fault("udev", "nothing of this rig is connected that needs a rule", "plug the boards in, and try again")
    try:
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return fault("udev", f"{path} is there already, and is not overwritten", "name another file, or remove it")
    except OSError as error:
        return fault("udev", f"{path} cannot be written: {error.strerror}", "name a file in a folder of yours")
    install = f"review it, then: sudo cp {path} /etc/udev/rules.d/72-hil.rules, sudo udevadm control --reload, "
    return _verified(path) or note("udev", f"{path} is written", f"{install}sudo udevadm trigger")


def _head(case: Case) -> list[str]:
    return [
        f"# Rules for the rig {_comment(case.rig.name)}, written by `hil doctor --udev` from what was connected.",
        "# Behind 60-serial.rules, which finds ID_USB_INTERFACE_NUM; before 77-mm-*.rules, which ask for the marks.",
    ]


def rules(case: Case) -> Iterator[str]:
    """The lines of the file: a comment and rules for each device."""
    ports = usb_ports(case.host)
    twins = Counter((port.vid, port.pid, port.serial_number) for port in ports if not port.interface)
    for port in local_ports(case):
        if port.usb is not None:
            yield from _port_rules(case.host, port, port.usb, twins)
    for board in case.boards:
        table = board.config.power
        if table is None:
            continue
        relay = _relay(case.host, getattr(table, "port", None), ports)
        if relay is not None:
            port = Port(board, "", case.host.inside(relay.device), relay)
            yield from _port_rules(case.host, port, relay, twins, "-power")
        elif table.kind == "uhubctl":
            yield from _hub_rules(case.host, str(table.location))
        elif table.kind == "gpio":
            yield from ["", f"# {board.name}: its power switch is a GPIO line"]
            yield f'SUBSYSTEM=="gpio", KERNEL=="gpiochip*", GROUP="{_group(case.host, "gpio")}", MODE="0660"'
        for vendor, product in _SWITCHES.get(table.kind, []):
            ids = f'ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}"'
            rights = f'GROUP="{_group(case.host, "plugdev")}", MODE="0660"'
            yield from ["", f"# {board.name}: its power switch ({table.kind})"]
            yield f'SUBSYSTEM=="usb", ENV{{DEVTYPE}}=="usb_device", {ids.replace("ATTRS", "ATTR")}, {rights}'
            yield f'SUBSYSTEM=="hidraw", {ids}, {rights}'


def _relay(host: Host, port: object, ports: list[UsbPort]) -> UsbPort | None:
    """The USB serial port that a switch is worked through."""
    if not isinstance(port, str) or not port.startswith("/"):
        return None
    device = host.real(port)
    return next((found for found in ports if host.inside(found.device) == device), None)


def _port_rules(
    host: Host, port: Port, usb: UsbPort, twins: Counter[tuple[int | None, int | None, str | None]], suffix: str = ""
) -> Iterator[str]:
    ids = [f'ATTRS{{idVendor}}=="{usb.vid or 0:04x}"', f'ATTRS{{idProduct}}=="{usb.pid or 0:04x}"']
    if usb.serial_number and twins[usb.vid, usb.pid, usb.serial_number] < 2:
        mark = [f'ATTRS{{serial}}=="{_pattern(usb.serial_number)}"']
    else:
        mark = [f'KERNELS=="{usb.location}"']
    several = usb.interface is not None and any(
        other.location == usb.location and other.interface != usb.interface for other in usb_ports(host)
    )
    interface = [f'ENV{{ID_USB_INTERFACE_NUM}}=="{usb.interface:02x}"'] if several else []
    name = f"{port.board.name}{suffix}"
    yield ""
    yield f"# {name}: {_comment(str(usb.product or 'USB serial port'))}, at {usb.location}"
    on_device = ", ".join([*ids, *mark]).replace("ATTRS{", "ATTR{").replace("KERNELS", "KERNEL")
    yield f'SUBSYSTEM=="usb", ENV{{DEVTYPE}}=="usb_device", {on_device}, ENV{{ID_MM_DEVICE_IGNORE}}="1"'
    group = _group(host, host.group(host.path(port.device).stat().st_gid))
    rights = f'GROUP="{group}", MODE="0660", ENV{{ID_MM_DEVICE_IGNORE}}="1", ENV{{ID_MM_PORT_IGNORE}}="1"'
    yield f'SUBSYSTEM=="tty", {", ".join([*ids, *mark, *interface])}, {rights}, SYMLINK+="hil/{name}"'


def _hub_rules(host: Host, location: str) -> Iterator[str]:
    hub = device_at(host, location)
    group = _group(host, "plugdev")
    known = f', ATTR{{idVendor}}=="{hub.vendor}", ATTR{{idProduct}}=="{hub.product}"' if hub is not None else ""
    which = f'SUBSYSTEM=="usb", DRIVER=="hub|usb", KERNEL=="{_pattern(location)}*"{known}'
    yield from ["", f"# the hub at {_comment(location)}, whose ports uhubctl switches"]
    yield f'{which}, GROUP="{group}", MODE="0664"'
    files = "$sys$devpath/*-port*/disable"
    commands = (f"chown -f root:{group} {files} || true", f"chmod -f 0664 {files} || true")
    runs = ", ".join(f"RUN+=\"/bin/sh -c '{command}'\"" for command in commands)
    yield f'SUBSYSTEM=="usb", DRIVER=="hub", KERNEL=="{_pattern(location)}*", {runs}'


def _group(host: Host, wanted: str) -> str:
    """A group that this host has: the wanted one, or one that distributions give to such devices."""
    return next((g for g in (wanted, *GROUPS) if g != "root" and host.has_group(g)), GROUPS[0])


def _pattern(text: str) -> str:
    """A text of a device's own as a pattern that fits it, and cannot be anything else."""
    return _PLAIN.sub("?", text)


def _comment(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def mistakes(text: str) -> Iterator[str]:
    """What is wrong with the syntax of rules, line by line: for hosts without `udevadm verify`."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line or line.startswith("#"):
            continue
        rest, separator = line, ","
        while rest and separator == ",":
            token = _TOKEN.match(rest)
            if token is None:
                yield f'line {number}: expected KEY=="value", found {rest[:40]!r}'
                break
            key, operator = token["key"], token["operator"]
            if key not in _MATCHES | _ASSIGNS | {"ENV"}:
                yield f"line {number}: unknown key {key}"
            elif (key in _MATCHES) != (operator in ("==", "!=")) and key != "ENV":
                yield f"line {number}: {key} does not go with {operator}"
            rest = rest[token.end() :]
            separator, rest = rest[:1], rest[1:]
        if separator not in ("", ","):
            yield f"line {number}: expected a comma before {(separator + rest)[:40]!r}"


def _verified(path: Path) -> Finding | None:
    """What `udevadm verify` (systemd 254 and later) says against the file; None where it is content, or not there."""
    program = shutil.which("udevadm")
    if program is None:
        return None
    with contextlib.suppress(OSError):
        done = process.run([program, "verify", str(path)], timeout=20, merge=True)
        if done.code != 0 and not re.search(r"[Uu]nknown (command|verb|operation)|unrecognized", done.output):
            return fault("udev", f"{path} is written, and udevadm finds fault with it: {done.last_words}", "report it")
    return None
