"""What a board and an outlet physically are: two names of one thing, in one rig file or two, give one identity.

A board is what its port is: the USB interface on which a tty lies (its place in the tree of hubs, which survives a
re-enumeration under another name, and which two boards with one serial number do not share), else the device's real
path, else host and port of a URL. A virtual board is its name in the folder where its files lie.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from serial.tools import list_ports

from hil.ports import PortTable, UsbPort, connected
from hil.ports.wanted import fits
from hil.power.outlet import OutletPower
from hil.rig import Rig, RigBoard


@dataclass(frozen=True)
class Identity:
    """`key` is the same wherever this thing is named; `what` is for people. Neither holds a secret."""

    key: str
    what: str


def board(entry: RigBoard, state: Path | None) -> Identity | None:
    """A board's identity. `state`: the folder of virtual boards, None for one that this run alone knows.

    None where nobody else can reach it: a virtual board of this run, a port within this process.
    """
    if entry.config.virtual is not None:
        if state is None:
            return None
        return Identity(f"virtual {state.resolve()} {entry.name}", f"the virtual board in {state.resolve()}")
    assert entry.config.port is not None
    return port(entry.config.port)


def port(named: str | PortTable, where: Sequence[Path] | None = None) -> Identity | None:
    """The identity of a serial port: a device's path, any pyserial URL, or marks; None for one within this process.

    `where`: the trees with `dev` and `sys`, see hil.ports. A port that is not there now, or whose chip has to be asked
    for its MAC address, is what the rig calls it.
    """
    if isinstance(named, PortTable):
        found = [] if named.ask else [usb for usb in connected(where) if fits(named, usb)]
        return _usb(found[0], str(named)) if len(found) == 1 else Identity(f"port {named}", f"the port with {named}")
    return _named(named, where)


def _named(name: str, where: Sequence[Path] | None) -> Identity | None:
    scheme, separator, rest = name.partition("://")
    if not separator:
        return _device(name, where)
    if scheme in ("spy", "alt"):
        return _device(rest.partition("?")[0], where)
    if scheme == "hwgrep":
        found = next(iter(list_ports.grep(rest.partition("&")[0])), None)
        return Identity(f"port {name}", name) if found is None else _device(found.device, where)
    if scheme == "loop":
        return None
    try:
        parts = urlsplit(name)
        return Identity(f"net {_address(parts.hostname or '')}:{parts.port}", f"{parts.hostname}:{parts.port}")
    except ValueError:
        return Identity(f"port {name}", name)


def outlet(entry: RigBoard) -> Identity | None:
    """The identity of what switches this board; None where nothing does, or where it is part of the board."""
    power = entry.config.power
    if not isinstance(power, OutletPower):
        return None
    told = power.identity
    return Identity(f"outlet {told}", f"the outlet {told}")


def mates(rig: Rig, name: str) -> list[str]:
    """The other boards of this rig that lose their supply whenever board `name` does: those on the same outlet."""
    mine = outlet(rig.boards[name])
    return [] if mine is None else [n for n, b in rig.boards.items() if n != name and outlet(b) == mine]


def _device(name: str, where: Sequence[Path] | None) -> Identity:
    path = os.path.realpath(name)
    for usb in connected(where):
        if os.path.realpath(usb.device) == path:
            return _usb(usb, name)
    return Identity(f"tty {path}", name if path == name else f"{name} ({path})")


def _usb(port: UsbPort, name: str) -> Identity:
    """By the place, in the tree of devices in which it was found: virtual boards have such trees of their own."""
    tree = os.path.dirname(os.path.dirname(port.device))
    what = port.device if name == port.device else f"{port.device} ({name})"
    return Identity(f"usb {port.location} interface {port.interface or 0} below {tree}", what)


def _address(host: str) -> str:
    """One spelling for each host, as far as this host can tell."""
    try:
        address = ipaddress.ip_address(host if host != "localhost" else "127.0.0.1")
    except ValueError:
        try:
            address = ipaddress.ip_address(socket.gethostbyname(host))
        except (OSError, ValueError):
            return host.lower()
    return "localhost" if address.is_loopback else str(address)
