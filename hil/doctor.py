"""Checks everything a rig names before a run does, and says what to do about each fault.

Each check is a small function from the rig to findings; none changes anything on the bench: no board is reset, no
power is switched. What only a chip can say is asked by `hil.probe`.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import importlib.metadata
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hil.ports import PortNotFound, PortTable, connected, find
from hil.rig import ExternalBroker, MosquittoBroker, Rig, RigBoard
from hil.secret import MissingSecret, Secret

#: This file was written in 2026: a host clock before that is wrong, and every certificate it makes will be too.
_EARLIEST = 2026


@dataclass(frozen=True)
class Finding:
    """`level`: 'ok', 'note' (works, but know this) or 'fault'. `cure` says what to do, for all but 'ok'."""

    level: str
    about: str
    found: str
    cure: str = ""


def examine(rig: Rig, boards: list[RigBoard], *, probed: bool = False) -> Iterator[Finding]:
    """All findings for these boards of a rig, check by check. `probed`: the chips are asked besides (`hil.probe`)."""
    for check in (_tools, _broker, _gateway, _time_server, _clock, _folders):
        yield from check(rig, boards)
    for board in boards:
        for check_board in (_port, *(() if probed else (_chip,)), _power, _wifi, _identity):
            yield from check_board(rig, board)


# -- tools ---------------------------------------------------------------------------------------------------------


def _tools(rig: Rig, boards: list[RigBoard]) -> Iterator[Finding]:
    yield Finding("ok", "python", sys.version.split()[0])
    for package in ("esptool", "pyserial", "paho-mqtt"):
        yield _package(package, f"pip install {package}")
    if any(board.config.virtual for board in boards):
        yield _package("pyOpenSSL", "pip install 'hil[virtual]'")
    if any(board.config.power_kind == "uhubctl" for board in boards):
        yield _program("uhubctl", ["--version"], "sudo apt install uhubctl")


def _package(name: str, cure: str) -> Finding:
    try:
        return Finding("ok", name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding("fault", name, "is not installed", cure)


def _program(name: str, version: list[str], cure: str, path: str | None = None) -> Finding:
    program = shutil.which(path or name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if program is None:
        return Finding("fault", name, "was not found", cure)
    try:
        answer = subprocess.run([program, *version], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("fault", name, f"{program} does not run: {error}", cure)
    words = (answer.stdout + answer.stderr).strip().split("\n")[0]
    return Finding("ok", name, f"{program} ({words})")


# -- the broker's side ---------------------------------------------------------------------------------------------


def _broker(rig: Rig, boards: list[RigBoard]) -> Iterator[Finding]:
    broker = rig.file.broker
    if isinstance(broker, ExternalBroker):
        yield _reach(f"broker {broker.host}:{broker.port}", broker.host, broker.port)
        for name, secret in (("user name", broker.username), ("password", broker.password)):
            if isinstance(secret, Secret):
                yield _secret(f"broker {name}", secret)
        return
    program = broker.program if isinstance(broker, MosquittoBroker) else None
    mosquitto = _program("mosquitto", ["-h"], "sudo apt install mosquitto", program)
    if mosquitto.level == "ok" or broker.kind == "mosquitto":
        yield mosquitto
        return
    embedded = _package("amqtt", "sudo apt install mosquitto, or pip install 'hil[embedded]'")
    if embedded.level == "ok":
        yield Finding(
            "note",
            "broker",
            f"mosquitto was not found; the embedded broker (amqtt {embedded.found}) steps in",
            "sudo apt install mosquitto, or some scenarios are not applicable",
        )
    else:
        yield embedded


def _gateway(rig: Rig, boards: list[RigBoard]) -> Iterator[Finding]:
    if isinstance(rig.file.broker, ExternalBroker):
        return
    config = rig.file.gateway
    host = config.host or config.bind
    yield from _loopback_for_real_boards("gateway", host, boards)
    for index, board in enumerate(rig.boards.values()):
        port = config.first_port + index if config.first_port else 0
        yield from _listen(f"gateway for {board.name}", config.bind, port, socket.SOCK_STREAM, host)


def _time_server(rig: Rig, boards: list[RigBoard]) -> Iterator[Finding]:
    config = rig.file.time_server
    yield from _loopback_for_real_boards("time server", config.host or config.bind, boards)
    yield from _listen("time server", config.bind, config.port, socket.SOCK_DGRAM, None)
    real = [board.name for board in boards if board.config.port is not None]
    if real and config.port not in (0, 123):
        yield Finding(
            "note",
            "time server",
            f"listens on port {config.port}",
            "most SNTP clients know port 123 only; see that the firmware can be told another",
        )
    nameless = [b.name for b in boards if b.config.port is not None and config.port and not b.config.address]
    if nameless and len(rig.boards) > 1:
        yield Finding(
            "note",
            "time server",
            f"cannot tell whose request it is: {', '.join(nameless)} have no address",
            "give each board its address in the rig",
        )


def _loopback_for_real_boards(about: str, host: str, boards: list[RigBoard]) -> Iterator[Finding]:
    real = [board.name for board in boards if board.config.port is not None]
    if real and (host == "localhost" or host.startswith("127.") or host == "::1"):
        yield Finding(
            "fault",
            about,
            f"boards are told {host}, which is this host's loopback: {', '.join(real)} cannot reach it",
            "set bind to this host's address in the boards' network",
        )


def _listen(about: str, bind: str, port: int, kind: socket.SocketKind, host: str | None) -> Iterator[Finding]:
    """Listen for a moment as the bench would; with `host`, connect to it as a board would."""
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with contextlib.closing(socket.socket(family, kind)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((bind, port))
        except PermissionError:
            cure = "run as root, or give Python CAP_NET_BIND_SERVICE (docs/first-rig.md), or take a port above 1023"
            yield Finding("fault", about, f"may not listen on port {port}", cure)
            return
        except socket.gaierror:
            yield Finding("fault", about, f"the address {bind!r} cannot be resolved", "write a numeric address")
            return
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            cure = (
                f"see who has it: ss -lnp 'sport = :{port}'" if taken else f"is {bind} an address of this host? ip addr"
            )
            yield Finding("fault", about, f"cannot listen on {bind}:{port}: {error.strerror}", cure)
            return
        found = f"can listen on {bind}:{port or 'any port'}"
        if host is not None and kind == socket.SOCK_STREAM:
            server.listen(1)
            reached = _reach(about, host, server.getsockname()[1])
            if reached.level != "ok":
                yield reached
                return
            found += f", and is reached as {host}"
        yield Finding("ok", about, found)


def _reach(about: str, host: str, port: int) -> Finding:
    try:
        with socket.create_connection((host, port), timeout=5):
            return Finding("ok", about, f"is reached as {host}:{port}")
    except OSError as error:
        why = error.strerror or str(error)
        return Finding(
            "fault", about, f"{host}:{port} is not reached: {why}", "check the address, the route and the firewall"
        )


def _clock(rig: Rig, boards: list[RigBoard]) -> Iterator[Finding]:
    now = datetime.datetime.now(datetime.UTC)
    if now.year < _EARLIEST:
        yield Finding("fault", "clock", f"this host believes it is {now:%Y-%m-%d}", "sudo timedatectl set-ntp true")
        return
    synchronised = None
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        answer = subprocess.run(
            ["timedatectl", "show", "-p", "NTPSynchronized", "--value"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
        synchronised = answer.stdout.strip() or None
    if synchronised == "no":
        cure = "sudo timedatectl set-ntp true; boards are given this host's time"
        yield Finding("note", "clock", f"{now:%Y-%m-%d %H:%M} UTC, not synchronised", cure)
    else:
        yield Finding("ok", "clock", f"{now:%Y-%m-%d %H:%M} UTC" + (", synchronised" if synchronised else ""))


def _folders(rig: Rig, boards: list[RigBoard]) -> Iterator[Finding]:
    artifacts = rig.resolve(rig.file.artifacts)
    existing = next(p for p in [artifacts, *artifacts.parents] if p.exists())
    if os.access(existing, os.W_OK):
        yield Finding("ok", "artifacts", str(artifacts))
    else:
        yield Finding(
            "fault", "artifacts", f"{existing} may not be written", "change artifacts in the rig, or its owner"
        )
    if rig.file.credentials.directory is not None:
        kept = rig.resolve(rig.file.credentials.directory)
        if kept.exists() and stat.S_IMODE(kept.stat().st_mode) & 0o077:
            yield Finding("fault", "credentials", f"{kept} can be read by others", f"chmod -R go= {kept}")


# -- boards --------------------------------------------------------------------------------------------------------


def _port(rig: Rig, board: RigBoard) -> Iterator[Finding]:
    about = f"{board.name} port"
    port = board.config.port
    if port is None:
        yield Finding("ok", about, f"virtual {board.config.chip}, speed {board.config.speed:g}")
        return
    if isinstance(port, PortTable):
        yield _marked_port(about, port)
        return
    if "://" in port:
        yield Finding(
            "note", about, f"{port} is looked at only when it is opened", "hil console shows whether it answers"
        )
        return
    path = Path(port)
    if not path.exists():
        others = (
            sorted(str(p) for p in Path("/dev/serial/by-id").glob("*")) if Path("/dev/serial/by-id").is_dir() else []
        )
        cure = f"plug it in; there are now: {', '.join(others) or 'no serial ports by id'}"
        yield Finding("fault", about, f"{port} does not exist", cure)
        return
    if not os.access(path, os.R_OK | os.W_OK):
        group = _group_of(path)
        yield Finding(
            "fault",
            about,
            f"{port} may not be opened by this user",
            f"sudo usermod -aG {group} $USER, and log in again",
        )
        return
    if not port.startswith("/dev/serial/by-id/"):
        yield Finding(
            "note", about, f"{port} is there", "name it by /dev/serial/by-id: numbers change when boards are plugged"
        )
        return
    yield Finding("ok", about, f"{port} -> {path.resolve()}")


def _marked_port(about: str, wanted: PortTable) -> Finding:
    if wanted.ask:
        return Finding("note", about, f"{wanted}: asked for only when it is opened", "hil boards --ask asks all")
    try:
        return Finding("ok", about, f"{wanted} -> {find(wanted, connected())}")
    except PortNotFound as error:
        found, _, cure = str(error).partition("; ")
        return Finding("fault", about, found, cure)


def _chip(rig: Rig, board: RigBoard) -> Iterator[Finding]:
    if board.config.port is not None and not board.config.resets_by_dtr:
        yield Finding(
            "note",
            f"{board.name} chip",
            "was not asked for flash encryption and secure boot",
            f"hil doctor --probe --board {board.name} asks it, which resets the board",
        )


def _group_of(path: Path) -> str:
    try:
        return path.group()
    except KeyError:
        return "dialout"


def _power(rig: Rig, board: RigBoard) -> Iterator[Finding]:
    about = f"{board.name} power"
    kind = board.config.power_kind
    if kind == "none":
        yield Finding(
            "note",
            about,
            "no switch: a hard reset stands in",
            "scenarios that need a real power cut are not applicable",
        )
        return
    if kind == "virtual":
        yield Finding("ok", about, "virtual")
        return
    from hil.parts import make_power
    from hil.power import PowerError

    try:
        with contextlib.closing(make_power(rig, board, None, None)) as switch:
            state = switch.is_on()
    except PowerError as error:
        yield Finding("fault", about, str(error), "correct power in the rig")
        return
    if state is None:
        yield Finding(
            "note",
            about,
            f"{kind}: its state cannot be read",
            "let it tell its state where it can (docs/power.md), so that switching is checked",
        )
    else:
        yield Finding("ok", about, f"{kind}: {'on' if state else 'off'}")


def _wifi(rig: Rig, board: RigBoard) -> Iterator[Finding]:
    wifi = board.config.wifi
    for name, secret in (("SSID", wifi.ssid), ("password", wifi.password)) if wifi is not None else ():
        if isinstance(secret, Secret):
            yield _secret(f"{board.name} Wi-Fi {name}", secret)


def _secret(about: str, secret: Secret) -> Finding:
    try:
        secret.value(about)
    except MissingSecret:
        return Finding("fault", about, f"the environment variable {secret.env} is not set", f"export {secret.env}=...")
    return Finding("ok", about, f"from {secret.env}")


def _identity(rig: Rig, board: RigBoard) -> Iterator[Finding]:
    if board.config.identity is None:
        return
    for key, value in board.config.identity:
        path = rig.resolve(value)
        if not path.is_file():
            yield Finding(
                "fault", f"{board.name} identity.{key}", f"{path} does not exist", "correct identity in the rig"
            )
