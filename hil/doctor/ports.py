"""Each board's serial port: is it there, may it be opened, and by what right."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hil.doctor.check import Case, Check
from hil.doctor.finding import Finding, fault, note, ok
from hil.doctor.host import Host
from hil.doctor.usb import devices
from hil.doctor.user import read_acl, right
from hil.ports import PortNotFound, PortTable, UsbPort, connected, find
from hil.rig import RigBoard

#: Groups that distributions give serial ports: Debian and Fedora, Arch, and the older habit for USB devices.
GROUPS = ("dialout", "uucp", "plugdev")


@dataclass(frozen=True)
class Port:
    """A board's port on this host: `name` as the rig has it, `device` where that leads ('/dev/ttyUSB0').

    `usb`: what USB tells of it; None for a port that is none of USB's.
    """

    board: RigBoard
    name: str
    device: str
    usb: UsbPort | None


def usb_ports(host: Host) -> list[UsbPort]:
    """The USB serial ports that are connected to this host."""
    return connected() if host.root == Path("/") else connected([host.root])


def local_ports(case: Case) -> list[Port]:
    """The ports of the boards that are files of this host, and there."""
    found = []
    known = {case.host.inside(port.device): port for port in usb_ports(case.host)}
    for board in case.boards:
        port = board.config.port
        if isinstance(port, PortTable):
            with contextlib.suppress(PortNotFound):
                device = None if port.ask else case.host.inside(find(port, list(known.values())).device)
                found += [Port(board, str(port), device, known[device])] if device is not None else []
        elif port is not None and "://" not in port and case.host.path(port).exists():
            device = case.host.real(port)
            found.append(Port(board, port, device, known.get(device)))
    return found


def missing_ports(case: Case) -> list[RigBoard]:
    """The boards whose ports should be files of this host, and are not there."""
    there = {port.board.name for port in local_ports(case)}
    return [
        board
        for board in case.boards
        if (port := board.config.port) is not None
        and board.name not in there
        and not (port.ask if isinstance(port, PortTable) else "://" in port)
    ]


def _there(case: Case) -> Iterator[Finding]:
    for board in case.boards:
        about, port = f"{board.name} port", board.config.port
        if port is None:
            yield ok(about, f"virtual {board.config.chip}, speed {board.config.speed:g}")
        elif isinstance(port, PortTable):
            yield _marked(case.host, about, port)
        elif "://" in port:
            yield note(about, f"{port} is looked at only when it is opened", "hil console shows whether it answers")
        elif not case.host.path(port).exists():
            yield _missing(case.host, about, port)
        elif not port.startswith("/dev/serial/") and case.host.real(port).startswith("/dev/tty"):
            cure = "name it by /dev/serial/by-id: numbers change when boards are plugged"
            yield note(about, f"{port} is there", cure)
        else:
            yield ok(about, f"{port} -> {case.host.real(port)}")


def _marked(host: Host, about: str, wanted: PortTable) -> Finding:
    if wanted.ask:
        return note(about, f"{wanted}: asked for only when it is opened", "hil boards --ask asks all")
    try:
        return ok(about, f"{wanted} -> {find(wanted, usb_ports(host))}")
    except PortNotFound as error:
        found, _, cure = str(error).partition("; ")
        return fault(about, found, cure)


def _missing(host: Host, about: str, port: str) -> Finding:
    ttys = [tty for device in devices(host) for tty in device.ttys]
    hidden = [tty for tty in ttys if not host.path(f"/dev/{tty}").exists()]
    container = host.container()
    engine = container in ("docker", "podman")
    if hidden and container is not None:
        how = f"start the container with --device=/dev/{hidden[0]}" if engine else "have it let the device in"
        return fault(
            about,
            f"{port} does not exist in this container ({container}), though the kernel knows {', '.join(hidden)}",
            f"{how}, and with -v /dev/serial:/dev/serial:ro for its name",
        )
    others = ", ".join(host.inside(link) for other in usb_ports(host) for link in other.by_id)
    return fault(about, f"{port} does not exist", f"plug it in; there are now: {others or 'no serial ports by id'}")


def _permission(case: Case) -> Iterator[Finding]:
    for port in local_ports(case):
        yield from permission(case.host, f"{port.board.name} port", port.device)


def permission(host: Host, about: str, device: str) -> Iterator[Finding]:
    """Whether this host's user may open a device; where not, why, and what to do."""
    path = host.path(device)
    status = path.stat()
    by = right(host.user, status, read_acl(path))
    group = host.group(status.st_gid)
    mode = f"{status.st_mode & 0o777:04o}"
    if by is None:
        yield fault(about, *_why_not(host, device, group, status.st_gid, mode))
    elif by == "acl":
        name = group if group in GROUPS else GROUPS[0]
        yield note(
            about,
            f"{device} may be opened by this user's entry in its access control list: while logged in at this screen",
            f"for runs over ssh and by services: sudo usermod -aG {name} $USER, and log in again",
        )
    elif by == "everybody":
        yield note(about, f"{device} may be opened by everybody on this host (mode {mode})", _WRITE_RULES)
    else:
        yield ok(about, f"{device} may be opened: {f'group {group}' if by == 'group' else by}")


_WRITE_RULES = "hil doctor --udev hil.rules writes rules that give it a group; review and install them"


def _why_not(host: Host, device: str, group: str, number: int, mode: str) -> tuple[str, str]:
    """What stands in the way, and the cure."""
    user = host.user_name(host.user.uid)
    start = f"{device} may not be opened by this user"
    if int(mode, 8) >> 3 & 6 != 6:
        return f"{start}: its mode is {mode}, so that not even group {group} may", _WRITE_RULES
    if number == 0:
        return f"{start}: it belongs to root and group root (mode {mode})", _WRITE_RULES
    if number in host.user.groups or number in host.groups_of(user):
        what = f"{start}: {user} is in group {group}, but not yet when this session began"
        return what, f"log out and in again, all sessions (tmux and screen too), or: newgrp {group}"
    return f"{start}: it belongs to group {group}", f"sudo usermod -aG {group} $USER, and log in again"


CHECKS = (
    Check(
        "port",
        "each board's port exists, in this container too, under a name that stays",
        "plug it in; `--device` for the container; a name of /dev/serial/by-id",
        _there,
    ),
    Check(
        "port-permission",
        "the port's own group, mode and access control list against this session's groups",
        "`sudo usermod -aG GROUP $USER` and a new log-in; rules (`hil doctor --udev`) where it has no group",
        _permission,
    ),
)
