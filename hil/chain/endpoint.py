"""Where a server is, and a connection to it: one clear line for each way in which there is none."""

from __future__ import annotations

import ipaddress
import socket
import time
from dataclasses import dataclass


class ChainError(ValueError):
    """A chain that cannot be had or written. One line: what was found, what is expected, the cure."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host, by name or address, and a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """From `HOST:PORT`; an IPv6 address stands in brackets. Raises ChainError."""
        host, colon, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ChainError(f"found {text!r}, expected HOST:PORT, an IPv6 address in brackets such as [::1]:8883")
        if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise ChainError(
                f"found {text!r}, expected HOST:PORT with a port from 1 to 65535, such as {host or text}:8883"
            )
        return cls(host, int(port))

    @property
    def is_address(self) -> bool:
        """Whether the host is an IP address: such a server is asked for no name (RFC 6066 section 3)."""
        return is_address(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_address(text: str) -> bool:
    """Whether it is an IP address, and no name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def connect(endpoint: Endpoint, timeout: float) -> socket.socket:
    """A TCP connection within `timeout` seconds, whatever the number of addresses. Raises ChainError.

    The resolver's own time-outs come on top: it cannot be hurried.
    """
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a host name"
        raise ChainError(
            f"{endpoint.host!r} cannot be resolved ({why}); check its spelling and the DNS server"
        ) from None
    deadline = time.monotonic() + timeout
    last: OSError = TimeoutError()
    for family, kind, protocol, _, address in found:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            break
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(remaining)
            sock.connect(address)
        except OSError as error:
            sock.close()
            last = error
        else:
            return sock
    raise ChainError(_why_not(endpoint, last, timeout))


def _why_not(endpoint: Endpoint, error: OSError, timeout: float) -> str:
    if isinstance(error, ConnectionRefusedError):
        return (
            f"{endpoint}: connection refused; nothing listens there: check the port (MQTT over TLS is mostly on 8883)"
        )
    if isinstance(error, TimeoutError):
        return f"{endpoint}: no answer within {timeout:g} s; check the address, and whether a firewall drops it"
    return f"{endpoint}: no connection ({error.strerror or error})"
