"""Whether gateway and time server can listen where the rig says, and who is there already."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator

from hil.doctor.check import Case, Check
from hil.doctor.finding import Finding, fault, note, ok
from hil.doctor.host import Host
from hil.doctor.sockets import Listener, listeners
from hil.rig import RigBoard
from hil.rig_file import ExternalBroker

#: What to do about a service that has a port, by its process's short name.
_SERVICES = {
    "mosquitto": "sudo systemctl disable --now mosquitto (hil starts one of its own), or take another {key}",
    "chronyd": "have chrony serve nobody (`port 0` in chrony.conf), or sudo systemctl stop chrony, or change {key}",
    "ntpd": "sudo systemctl stop ntp, or change {key}; systemd-timesyncd keeps this host's clock without port 123",
    "emqx": "sudo systemctl stop emqx, or take another {key}",
}
_CAPABILITY = "let users of this host have it, once (docs/first-rig.md, 'The time server'), or take a port above 1023"
#: Seconds within which a port of this very host is reached.
_PATIENCE = 5.0


def _gateway(case: Case) -> Iterator[Finding]:
    rig = case.rig
    if isinstance(rig.file.broker, ExternalBroker):
        return
    config = rig.file.gateway
    host = config.host or config.bind
    yield from _loopback_for_real_boards("gateway", host, case.boards)
    for index, board in enumerate(rig.boards.values()):
        about = f"gateway for {board.name}"
        port = config.first_port + index if config.first_port else 0
        if port > 65535:
            cure = f"set first_port to {65536 - len(rig.boards)} or less"
            yield fault(about, f"would listen on port {port}, and 65535 is the last there is", cure)
        else:
            yield from listen(case.host, about, config.bind, port, socket.SOCK_STREAM, host, key="gateway.first_port")


def _time_server(case: Case) -> Iterator[Finding]:
    rig, config = case.rig, case.rig.file.time_server
    yield from _loopback_for_real_boards("time server", config.host or config.bind, case.boards)
    yield from listen(
        case.host, "time server", config.bind, config.port, socket.SOCK_DGRAM, None, key="time_server.port"
    )
    real = [board.name for board in case.boards if board.config.port is not None]
    if real and config.port not in (0, 123):
        yield note(
            "time server",
            f"listens on port {config.port}",
            "most SNTP clients know port 123 only; see that the firmware can be told another",
        )
    nameless = [b.name for b in case.boards if b.config.port is not None and config.port and not b.config.address]
    if nameless and len(rig.boards) > 1:
        yield note(
            "time server",
            f"cannot tell whose request it is: {', '.join(nameless)} have no address",
            "give each board its address in the rig",
        )


def _loopback_for_real_boards(about: str, host: str, boards: list[RigBoard]) -> Iterator[Finding]:
    real = [board.name for board in boards if board.config.port is not None]
    if real and (host == "localhost" or host.startswith("127.") or host == "::1"):
        yield fault(
            about,
            f"boards are told {host}, which is this host's loopback: {', '.join(real)} cannot reach it",
            "set bind to this host's address in the boards' network",
        )


def listen(
    host: Host, about: str, bind: str, port: int, kind: socket.SocketKind, told: str | None, *, key: str
) -> Iterator[Finding]:
    """Listen for a moment as the bench would; connect to `told` as a board would. `key`: the rig's, for the cure."""
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with contextlib.closing(socket.socket(family, kind)) as server:
        if kind == socket.SOCK_STREAM:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((bind, port))
            if kind == socket.SOCK_STREAM:
                server.listen(1)
        except PermissionError:
            yield fault(about, f"may not listen on port {port}", _CAPABILITY)
            return
        except socket.gaierror:
            yield fault(about, f"the address {bind!r} cannot be resolved", "write a numeric address")
            return
        except OSError as error:
            yield _cannot_listen(host, about, bind, port, kind, error, key)
            return
        found = f"can listen on {bind}:{port or 'any port'}"
        if told is not None and kind == socket.SOCK_STREAM:
            reached = reach(about, told, server.getsockname()[1])
            if reached.level != "ok":
                yield reached
                return
            found += f", and is reached as {told}"
        yield ok(about, found)


def _cannot_listen(
    host: Host, about: str, bind: str, port: int, kind: socket.SocketKind, error: OSError, key: str
) -> Finding:
    if error.errno == errno.EADDRINUSE:
        there = listeners(host, kind, port)
        if there:
            return fault(about, f"port {port} is taken by {there[0]}", _give_way(there[0], key))
        return fault(about, f"port {port} of {bind} is taken", f"sudo ss -lnp 'sport = :{port}' shows by whom")
    why = error.strerror or str(error)
    if error.errno == errno.EADDRNOTAVAIL:
        own = ", ".join(sorted(own_addresses(host))) or "none but loopback"
        return fault(
            about,
            f"cannot listen on {bind}:{port}: {why}",
            f"is {bind} an address of this host? ip addr; there are now: {own}",
        )
    return fault(about, f"cannot listen on {bind}:{port}: {why}", "see `ip addr`, and the address in the rig")


def _give_way(there: Listener, key: str) -> str:
    if there.process is None:
        return f"sudo ss -lnp 'sport = :{there.port}' shows which; stop it, or take another {key}"
    words = " ".join(there.process.command)
    if "pytest" in words or "hil" in words.split("/")[-1:]:
        return "a run of hil has it: wait until it is over, or take another port for this rig"
    known = _SERVICES.get(there.process.name, f"stop it (kill {there.process.pid}), or take another {{key}}")
    return known.format(key=key)


def own_addresses(host: Host) -> set[str]:
    """This host's IPv4 addresses besides loopback: the local routes of /proc/net/fib_trie (kernel: 'LC-trie')."""
    found, last = set(), ""
    for line in (host.text("/proc/net/fib_trie") or "").split("\n"):
        word = line.strip()
        if word.startswith("|-- "):
            last = word.removeprefix("|-- ")
        elif word.startswith("/32 host LOCAL") and not last.startswith("127."):
            found.add(last)
    return found


def reach(about: str, host: str, port: int) -> Finding:
    """Whether a TCP port is reached from this host."""
    try:
        with socket.create_connection((host, port), timeout=_PATIENCE):
            return ok(about, f"is reached as {host}:{port}")
    except OSError as error:
        why = error.strerror or str(error)
        return fault(about, f"{host}:{port} is not reached: {why}", "check the address, the route and the firewall")


CHECKS = (
    Check(
        "gateway-address",
        "the gateway can listen for each board on its port, and is reached under the address that boards are told; "
        "who has the port, if it is taken",
        "an address of this host in the boards' network as `bind`; stop the service that has the port, or another "
        "`first_port`",
        _gateway,
    ),
    Check(
        "time-address",
        "the same for the time server; port 123 and the right to use it; boards that it cannot tell apart",
        "CAP_NET_BIND_SERVICE; stop chrony or ntpd; each board's `address`",
        _time_server,
    ),
)
