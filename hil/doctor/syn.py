"""Connection attempts as they arrive at this host, seen before any firewall of it (packet(7)); needs CAP_NET_RAW.

A SYN that arrives and makes no connection was dropped by this host, or its answer found no way back. The kernel's
filter lets through the first packets of TCP connections to one port and nothing else, IPv4 only.
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct

_ETH_P_IP = 0x0800
_SO_ATTACH_FILTER = 26
#: Classic BPF (Linux, uapi/linux/bpf_common.h): load byte, half-word, and header length; jump if equal, if bits set.
_LDB, _LDH, _LDXB, _LDH_X, _LDB_X, _JEQ, _JSET, _RET = 0x30, 0x28, 0xB1, 0x48, 0x50, 0x15, 0x45, 0x06
_TCP, _SYN, _ACK = 6, 0x02, 0x10


class SynWatch:
    """Remembers who tries to connect to `port`. Raises PermissionError without the right to."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_IP))
        self._socket.setblocking(False)
        program = _program(port)
        code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
        self._socket.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(program), ctypes.addressof(code))
        )
        with contextlib.suppress(BlockingIOError):  # what came before the filter was in force
            while True:
                self._socket.recv(65536)

    def sources(self) -> list[str]:
        """The addresses that tried since the last time, in order."""
        found: dict[str, None] = {}
        with contextlib.suppress(BlockingIOError):
            while True:
                packet = self._socket.recv(65536)
                found[socket.inet_ntoa(packet[12:16])] = None
        return list(found)

    def close(self) -> None:
        """Stop watching."""
        self._socket.close()


def _program(port: int) -> list[tuple[int, int, int, int]]:
    """(code, jump if true, jump if false, operand): TCP, no later fragment, to `port`, SYN and not ACK."""
    return [
        (_LDB, 0, 0, 9),
        (_JEQ, 0, 9, _TCP),
        (_LDH, 0, 0, 6),
        (_JSET, 7, 0, 0x1FFF),
        (_LDXB, 0, 0, 0),
        (_LDH_X, 0, 0, 2),
        (_JEQ, 0, 4, port),
        (_LDB_X, 0, 0, 13),
        (_JSET, 2, 0, _ACK),
        (_JSET, 0, 1, _SYN),
        (_RET, 0, 0, 0xFFFF),
        (_RET, 0, 0, 0),
    ]
