"""A board's flash as a flashing tool sees it, where power can fail at any byte."""

from __future__ import annotations

from hil.wire import partitions

SECTOR = 4096


class PowerFailure(Exception):
    """What a flashing tool raises when the board is gone."""


class NorFlash:
    """4 MB of NOR flash as a flashing tool writes it: each sector erased, then programmed. Power can fail at a byte."""

    def __init__(self) -> None:
        self.data = bytearray(b"\xff" * 0x400000)
        self.data[0x8000:0x8C00] = partitions.build(partitions.ARDUINO_DEFAULT)
        self.writes: list[tuple[int, int]] = []
        self.power_fails_in: int | None = None  # steps: a sector erased is one, a byte programmed is one

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self.data[offset : offset + size])

    def write(self, offset: int, data: bytes) -> None:
        assert offset % SECTOR == 0
        assert len(data) % SECTOR == 0
        self.writes.append((offset, len(data)))
        for start in range(0, len(data), SECTOR):
            self._step(1)
            self.data[offset + start : offset + start + SECTOR] = b"\xff" * SECTOR
            whole = data[start : start + SECTOR]
            done = self._step(SECTOR)
            self.data[offset + start : offset + start + done] = whole[:done]
            if done < SECTOR:
                raise PowerFailure("the board is gone")

    def _step(self, size: int) -> int:
        """How many of `size` steps there is power for."""
        if self.power_fails_in is None:
            return size
        if self.power_fails_in == 0:
            raise PowerFailure("the board is gone")
        done = min(size, self.power_fails_in)
        self.power_fails_in -= done
        return done


def holding(entry: partitions.Partition, content: bytes) -> NorFlash:
    """A flash whose table has this partition alone, which holds `content`."""
    flash = NorFlash()
    flash.data[0x8000:0x8C00] = partitions.build([entry])
    flash.data[entry.offset : entry.offset + len(content)] = content
    return flash
