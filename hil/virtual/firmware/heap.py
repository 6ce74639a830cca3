"""The heap that the firmware would have. Its figures are made up; their trend is what a test can look at."""

from __future__ import annotations


class Heap:
    """Free bytes of a chip's heap, as esp_get_free_heap_size() would tell.

    `tls` is set while a TLS connection holds its buffers. With `leaks`, each connect that fails loses some for good
    (as a report on arduino-esp32 measured, issue 3808).
    """

    TOTAL = 210_000
    TLS = 42_000
    HANDSHAKE = 46_000
    LEAK = 4_096

    def __init__(self, *, leaks: bool = False) -> None:
        self.tls = False
        self._leaks = leaks
        self._lost = 0

    def failed_connect(self) -> None:
        """A try to connect has failed."""
        if self._leaks:
            self._lost += self.LEAK

    def free(self) -> int:
        """Bytes that are free now."""
        return max(self.TOTAL - self._lost - (self.TLS if self.tls else 0), 0)
