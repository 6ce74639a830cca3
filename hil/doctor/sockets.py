"""Who has a port of this host: the kernel's list of sockets, and the processes that have them open.

/proc/net/tcp and its like (proc(5), and Documentation/networking/proc_net_tcp.rst of the kernel) give for each socket
its address in hexadecimal, its state, its user and its inode; a process that has it open has a link 'socket:[inode]'.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

from hil.doctor.host import Host
from hil.ports.processes import Process

#: The state of a TCP socket that listens.
_LISTENS = "0A"


@dataclass(frozen=True)
class Listener:
    """A socket that has a port. `process` is None where only root may see whose it is; `user` is known all the same."""

    address: str
    port: int
    user: str
    process: Process | None

    def __str__(self) -> str:
        who = str(self.process) if self.process is not None else f"a process of user {self.user}"
        return f"{who}, on {self.address}:{self.port}"


def listeners(host: Host, kind: socket.SocketKind, port: int) -> list[Listener]:
    """The sockets that have `port`: TCP ones that listen, or UDP ones (SOCK_DGRAM)."""
    protocol = "tcp" if kind == socket.SOCK_STREAM else "udp"
    found = []
    for file in (protocol, f"{protocol}6"):
        for line in (host.text(f"/proc/net/{file}") or "").split("\n")[1:]:
            fields = line.split()
            if len(fields) < 10 or (protocol == "tcp" and fields[3] != _LISTENS):
                continue
            address, _, number = fields[1].rpartition(":")
            if int(number, 16) == port:
                holders = host.held.files.get(f"socket:[{fields[9]}]", [])
                process = holders[0] if holders else None
                found.append(Listener(_address(address), port, host.user_name(int(fields[7])), process))
    return found


def _address(words: str) -> str:
    """An address as the kernel prints it: words of four bytes in the byte order of this host."""
    data = bytes.fromhex(words)
    little = b"".join(data[start : start + 4][::-1] for start in range(0, len(data), 4))
    return socket.inet_ntop(socket.AF_INET if len(data) == 4 else socket.AF_INET6, little)
