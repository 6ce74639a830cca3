"""The heap that the firmware would have. Its figures are made up; their trend is what a test can look at."""

from __future__ import annotations

from hil.virtual.firmware.build import Build


class Heap:
    """Free bytes of a chip's heap, as esp_get_free_heap_size() would tell.

    `tls` is set while a TLS connection holds its buffers. Two mistakes lose some for good: at each connect that fails
    (as a report on arduino-esp32 measured, issue 3808), or at each connection that ends.
    """

    TOTAL = 210_000
    TLS = 42_000
    HANDSHAKE = 46_000
    LEAK = 4_096

    def __init__(self, build: Build) -> None:
        self.tls = False
        self._build = build
        self._lost = 0

    def failed_connect(self) -> None:
        """A try to connect has failed."""
        if self._build.has("heap-leak"):
            self._lost += self.LEAK

    def ended_connection(self) -> None:
        """A connection that stood is over."""
        if self._build.has("leak-reconnects"):
            self._lost += self.LEAK

    def free(self) -> int:
        """Bytes that are free now."""
        return max(self.TOTAL - self._lost - (self.TLS if self.tls else 0), 0)
