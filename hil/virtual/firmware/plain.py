"""A connection without TLS, for the firmware that tries it when TLS has failed."""

from __future__ import annotations

from hil.virtual.firmware.network import Stream


class PlainStream:
    """What a TlsStream offers, with nothing protected."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def read(self) -> bytes:
        """The next bytes; none when the server has closed. Raises NetworkError."""
        return await self._stream.read()

    async def write(self, data: bytes, seconds: float) -> None:
        """Send bytes; raises NetworkError if the network takes none for so long."""
        await self._stream.write(data, seconds)

    async def close(self) -> None:
        """Close in order."""
        await self._stream.close()
