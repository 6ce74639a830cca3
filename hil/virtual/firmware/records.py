"""TLS stacks that save memory: an input buffer smaller than others' records, or none to put pieces together in."""

from __future__ import annotations

SMALL = 4_096
"""Bytes of content: CONFIG_MBEDTLS_SSL_IN_CONTENT_LEN as many projects set it to save memory."""

_HEADER = 5
"""Bytes of a record's header: type, version (2), length (2). RFC 8446, section 5.1."""

_OVERHEAD = 64
"""Bytes that encryption may add: nonce, padding, MAC."""

_CHANGE_CIPHER_SPEC, _HANDSHAKE = 20, 22

_MESSAGE_HEADER = 4
"""Bytes of a handshake message's header: type, length (3). RFC 8446, section 4."""


class RecordRefused(Exception):
    """A record that this stack cannot take."""


class PickyReader:
    """Looks at each TLS record that arrives, and refuses those that a poor stack cannot take.

    `small`: more than 4 KB. `whole`: a handshake message that does not end in the record in which it begins, as long
    as they are sent in clear; Mbed TLS could not put them together before 3.6.3.
    """

    def __init__(self, *, small: bool, whole: bool) -> None:
        self._small = small
        self._whole = whole
        self._waiting = bytearray()

    def take(self, data: bytes) -> None:
        """The next bytes from the network. Raises RecordRefused."""
        self._waiting += data
        while len(self._waiting) >= _HEADER:
            length = int.from_bytes(self._waiting[3:_HEADER], "big")
            if self._small and length > SMALL + _OVERHEAD:
                raise RecordRefused(f"record of {length} bytes, the buffer holds {SMALL}")
            if len(self._waiting) < _HEADER + length:
                return
            kind, content = self._waiting[0], bytes(self._waiting[_HEADER : _HEADER + length])
            del self._waiting[: _HEADER + length]
            if kind == _CHANGE_CIPHER_SPEC:
                self._whole = False  # what follows is encrypted
            if self._whole and kind == _HANDSHAKE:
                _check_whole(content)


def _check_whole(content: bytes) -> None:
    while content:
        end = _MESSAGE_HEADER + int.from_bytes(content[1:_MESSAGE_HEADER], "big")
        if len(content) < max(end, _MESSAGE_HEADER):
            raise RecordRefused("a handshake message in pieces, which is not supported")
        content = content[end:]
