"""What a connection may take, and how many there may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may take, and how many there may be. Times in seconds, sizes in bytes.

    `keep_alive_grace`: how many keep-alives of silence end a connection (1.5: MQTT 3.1.1 section 3.1.2.10).
    `handshake`, `connect`: time for the TLS handshake, and from there to the CONNECT. `max_packet`: the longest
    packet that a board may send; `unfinished`: of all packets together that have begun and not ended.

    Open at once: `connections` for each board, `peer` of them from one address, `total` for the gateway. `rate`: new
    ones a second from one address to one board; so many as `peer` says may come at once, and again after a while.
    `files_left`: file descriptors that are left to the rest of this process.

    A full house makes room for a newcomer at the expense of the address with most connections that have not finished
    their handshake, the oldest first; where there is none the newcomer is refused.
    """

    keep_alive_grace: float = 1.5
    handshake: float = 60.0
    connect: float = 60.0
    max_packet: int = 16 * 1024 * 1024
    unfinished: int = 256 * 1024 * 1024
    connections: int = 2048
    peer: int = 1024
    total: int = 8192
    rate: float = 100.0
    files_left: int = 128
