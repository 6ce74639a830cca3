"""What a board sends before its CONNACK has come."""

from __future__ import annotations

from typing import Final, Protocol

_MOST: Final = 1024 * 1024
"""Bytes that a board may send before its CONNACK; then it is not read until that has come."""


class _Readable(Protocol):
    def pause(self) -> None: ...
    def resume(self) -> None: ...


class Early:
    """Frames that wait for the CONNACK; the board is held up when there are too many."""

    def __init__(self, device: _Readable) -> None:
        self.frames: list[bytes] = []
        self._device = device
        self._size = 0

    def keep(self, frames: list[bytes]) -> None:
        self.frames += frames
        self._size += sum(len(f) for f in frames)
        if self._size > _MOST:
            self._device.pause()

    def take(self) -> list[bytes]:
        """All of them, in order; none is kept any more."""
        frames, self.frames = self.frames, []
        if self._size > _MOST:
            self._device.resume()
        self._size = 0
        return frames
