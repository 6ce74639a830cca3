"""TLS records of one side of a connection, as far as they can be read without its keys.

Source: RFC 8446, section 5.1 (records), RFC 5246, section 7.4 (handshake messages) and RFC 8446, B.2 (alerts). In TLS
1.2 all of the handshake up to ChangeCipherSpec is in clear, certificates included; in TLS 1.3 only the two hellos.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

CHANGE_CIPHER, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23

CLIENT_HELLO, SERVER_HELLO, CERTIFICATE = 1, 2, 11

_HEADER: Final = 5
_MOST: Final = (1 << 14) + 2048  # RFC 5246, 6.2.3: the longest ciphertext
_FATAL: Final = 2


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert in clear: its number, and where its record begins in the stream."""

    description: int
    at: int
    fatal: bool


@dataclass(slots=True)
class Records:
    """What one side said. `messages`: handshake messages in clear, whole, with the place of their last record.

    `sealed`: places of records that cannot be read; of these `data` are application data by their type, and
    `alerts_sealed` alerts, of which the first is a close_notify as a rule; in TLS 1.3 all of them pass for data.
    `rest`: where it ends to be TLS, or None.
    """

    messages: list[tuple[bytes, int]] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    sealed: list[int] = field(default_factory=list)
    data: list[int] = field(default_factory=list)
    alerts_sealed: list[int] = field(default_factory=list)
    rest: int | None = None


def looks_like(data: bytes) -> bool:
    """Whether a stream begins with a TLS handshake record, as a client's does."""
    return len(data) >= 3 and data[0] in (HANDSHAKE, ALERT) and data[1] == 3 and data[2] <= 4


def read(data: bytes) -> Records:
    """The records of a stream from its beginning; one that is not whole yet is left out."""
    found = Records()
    handshake = bytearray()
    encrypted = False
    at = 0
    while at + _HEADER <= len(data):
        kind, major = data[at], data[at + 1]
        length = int.from_bytes(data[at + 3 : at + 5], "big")
        if kind not in (CHANGE_CIPHER, ALERT, HANDSHAKE, DATA) or major != 3 or length > _MOST:
            found.rest = at
            return found
        body = data[at + _HEADER : at + _HEADER + length]
        if len(body) < length:
            break
        if kind == CHANGE_CIPHER:
            encrypted = True
        elif encrypted or kind == DATA:
            found.sealed.append(at)
            if kind in (DATA, ALERT):
                (found.data if kind == DATA else found.alerts_sealed).append(at)
        elif kind == ALERT and length == 2:
            found.alerts.append(Alert(body[1], at, body[0] == _FATAL))
        elif kind == HANDSHAKE:
            handshake += body
            _messages(handshake, at, found)
        at += _HEADER + length
    return found


def _messages(handshake: bytearray, at: int, found: Records) -> None:
    while len(handshake) >= 4:
        length = 4 + int.from_bytes(handshake[1:4], "big")
        if len(handshake) < length:
            return
        found.messages.append((bytes(handshake[:length]), at))
        del handshake[:length]


def certificates(message: bytes) -> list[bytes]:
    """The certificates of a Certificate message of TLS 1.2, as DER, the sender's own first; none in an empty one."""
    found = []
    at = 7  # the message's header, and the list's length
    while at + 3 <= len(message):
        length = int.from_bytes(message[at : at + 3], "big")
        found.append(message[at + 3 : at + 3 + length])
        at += 3 + length
    return found
