"""A TLS input buffer that is smaller than the records of other people's servers."""

from __future__ import annotations

SMALL = 4_096
"""Bytes of content: CONFIG_MBEDTLS_SSL_IN_CONTENT_LEN as many projects set it to save memory."""

_HEADER = 5
"""Bytes of a record's header: type, version (2), length (2). RFC 8446, section 5.1."""

_OVERHEAD = 64
"""Bytes that encryption may add: nonce, padding, MAC."""


class RecordTooLong(Exception):
    """A record that does not fit into the buffer."""


class SmallBuffer:
    """Looks at the length of each TLS record that arrives, and refuses those that do not fit."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def take(self, data: bytes) -> None:
        """The next bytes from the network. Raises RecordTooLong."""
        self._waiting += data
        while len(self._waiting) >= _HEADER:
            length = int.from_bytes(self._waiting[3:_HEADER], "big")
            if length > SMALL + _OVERHEAD:
                raise RecordTooLong(f"record of {length} bytes, the buffer holds {SMALL}")
            if len(self._waiting) < _HEADER + length:
                return
            del self._waiting[: _HEADER + length]
