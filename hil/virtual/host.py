"""The boundary between the chip and the firmware that runs on it.

The chip (power, reset, boot ROM, loader, flash, UART) lives in the supervisor process. The firmware runs in a child
process, so that a power cut is a SIGKILL and nothing can be said goodbye to. `hil.virtual.firmware.start_core` starts
it and gets a `Manifest` (what the app image in flash says is to run) and a `Host` (what the chip offers):

    core = await start_core(manifest, host)      # after ROM and bootloader have validated what lies in flash
    core.uart_input(b"status\\r\\n")               # bytes that arrived on RX
    await core.kill()                             # EN low, power cut: SIGKILL at once

Rules, for both sides:
- Everything here belongs to the supervisor's asyncio loop and is called in its thread only.
- One boot, one Host. Once the chip was reset, the old Host is deaf: late calls on it do nothing and raise nothing.
- `Host.restart` resets the chip: it ends in `Core.kill` of the caller's core, called by the supervisor.
- A core that dies of itself (an exception in the firmware) is a panic: whoever notices calls
  `host.restart(Cause.PANIC)` after writing what a chip would write.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, Protocol

MANIFEST_MARK = b"hil-manifest:"
"""Stands before the manifest's JSON in the image's DROM segment, so that it can be found as strings(1) would."""


class BadManifest(ValueError):
    """The app image holds a manifest that cannot be read. One line, says what was found."""


class Cause(IntEnum):
    """Why the chip starts anew; the value is what the ROM prints after `rst:` on most chips.

    SOFTWARE and PANIC are asked for by name: `esp_restart()` and the panic handler both end in a reset by software,
    which the ESP32 and the S3 show as 0xc and the C3 as 0x3. The chip picks the value; the caller need not know.
    """

    POWER_ON = 0x01  # also what a reset by the EN pin shows, but for the ESP8266
    SOFTWARE_SYSTEM = 0x03
    WATCHDOG_GROUP_0 = 0x07  # timer group 0: a later chip's ROM that finds nothing to boot
    WATCHDOG_TIMER = 0x08  # timer group 1: the interrupt watchdog gave up
    SOFTWARE = 0x0C
    BROWNOUT = 0x0F
    WATCHDOG = 0x10  # RTC watchdog: the bootloader's, and the last resort
    USB = 0x15  # the chip's own USB port was told to reset it
    PANIC = 0x100  # no rst: value of its own: shown as a reset by software
    PIN = 0x101  # EN: to a firmware a power-on


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an app image asks the chip to run. Data only: flash never holds code that the host would execute.

    `firmware` names one that the virtual board knows ('reference'), `version` is the app's version, `options` are its
    build options in order ('without:will', 'with:foreign-will'). `constants` are what its source was compiled with:
    texts lie in the image as a compiler leaves them, as they are and closed by a NUL, behind the JSON that names them.
    """

    firmware: str
    version: str
    options: tuple[str, ...] = ()
    constants: Mapping[str, str | int] = field(default_factory=dict, repr=False)

    def has(self, option: str) -> bool:
        """Whether the image was built `--with option`."""
        return f"with:{option}" in self.options

    def lacks(self, option: str) -> bool:
        """Whether the image was built `--without option`."""
        return f"without:{option}" in self.options

    def encode(self) -> bytes:
        """The bytes that lie in the DROM segment: mark, JSON, NUL, and each constant that is a text, NUL."""
        facts: dict[str, Any] = {"firmware": self.firmware, "version": self.version, "options": list(self.options)}
        texts = {name: value.encode() for name, value in self.constants.items() if isinstance(value, str)}
        if self.constants:
            facts["numbers"] = {name: value for name, value in self.constants.items() if isinstance(value, int)}
            facts["texts"] = {name: len(text) for name, text in texts.items()}
        head = MANIFEST_MARK + json.dumps(facts, separators=(",", ":")).encode() + b"\0"
        return head + b"".join(text + b"\0" for text in texts.values())

    @classmethod
    def find(cls, segment: bytes) -> Manifest | None:
        """The manifest in a segment's bytes, or None if there is none.

        Raises BadManifest if there is a mark, and what follows is no manifest.
        """
        start = segment.find(MANIFEST_MARK)
        if start < 0:
            return None
        start += len(MANIFEST_MARK)
        end = segment.find(b"\0", start)
        try:
            facts = json.loads(segment[start:end])
            options = tuple(str(option) for option in facts["options"])
            constants: dict[str, str | int] = {name: int(value) for name, value in facts.get("numbers", {}).items()}
            for name, length in facts.get("texts", {}).items():
                constants[name] = segment[end + 1 : end + 1 + length].decode()
                end += length + 1
            return cls(str(facts["firmware"]), str(facts["version"]), options, constants)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadManifest(f"manifest in the app image cannot be read: {error}") from error


class Clock:
    """The chip's own idea of the time, in seconds since 1970.

    It reads 0 at power-on, runs on over every reset, and knows nothing until somebody sets it. `zero` is the host's
    monotonic time (seconds) at which this clock would have read 0: one number, the same in every process of this
    host, so a core can be handed `Clock(host.clock.zero)` as its copy. A core that sets its copy must see to it that
    the supervisor's is set too (`host.clock.set`), or the next boot would not know. Real seconds: the speed factor
    does not touch it.
    """

    def __init__(self, zero: float | None = None) -> None:
        self.zero = time.monotonic() if zero is None else zero

    def now(self) -> float:
        """Seconds since 1970 by the chip's clock."""
        return time.monotonic() - self.zero

    def set(self, seconds: float) -> None:
        """Step the clock to `seconds` since 1970."""
        self.zero = time.monotonic() - seconds


class Radio(Protocol):
    """What the chip needs of `hil.virtual.radio.Radio(name=..., speed=...)`: made once for a board, starts up.

    `resolves`: whether the network's name server answers.
    """

    resolves: bool

    @property
    def is_up(self) -> bool:
        """Whether the access point can be reached."""

    def up(self) -> None:
        """The access point is back."""

    def down(self) -> None:
        """The access point is gone; the firmware runs on."""

    def cut(self) -> None:
        """Power cut, reset or panic: go silent at once, leave every outside connection half-open."""

    async def close(self) -> None:
        """The supervisor ends: let go of everything."""


class Core(Protocol):
    """The running firmware, as `start_core` returns it."""

    async def kill(self) -> None:
        """SIGKILL, now; returns when the process is gone. Killing twice does nothing."""

    def uart_input(self, data: bytes) -> None:
        """Bytes that arrived on the chip's RX pin."""


@dataclass(slots=True)
class Host:
    """What the chip offers to the firmware during one boot.

    `name` is the board's, `chip` the chip's ('esp32', 'esp32s3'), `mac` the station's 6 bytes, `speed` the factor by
    which a wait that stands for slow hardware is to be divided. `cause` is why the chip started (a `Cause` that is
    never PANIC or PIN). `flash` is the flash file: read it freely (plain bytes, offset 0 is flash offset 0), but write
    only through `flash_write` and `flash_erase`, which keep NOR rules. `app` is the flash offset of the app that was
    booted, `partitions` maps each label of the validated partition table to (offset, size).
    """

    name: str
    chip: str
    mac: bytes
    speed: float
    cause: Cause
    flash: Path
    app: int
    partitions: dict[str, tuple[int, int]]
    clock: Clock
    radio: Any
    _uart_output: Callable[[bytes], None]
    _restart: Callable[[Cause], None]
    _flash_write: Callable[[int, bytes], None]
    _flash_erase: Callable[[int, int], None]
    _disable_download: Callable[[], None]
    _alive: bool = field(default=True)

    def uart_output(self, data: bytes) -> None:
        """Send bytes on TX; they leave at the chip's baud rate. Lost if nobody has the port open."""
        if self._alive:
            self._uart_output(data)

    def restart(self, cause: Cause) -> None:
        """Reset the chip: `esp_restart()`, a panic, a watchdog or a brownout. The clock and the power stay on."""
        if self._alive:
            self._restart(cause)

    def flash_write(self, offset: int, data: bytes) -> None:
        """Program flash: clears bits, sets none. Raises ValueError outside the flash."""
        if self._alive:
            self._flash_write(offset, data)

    def flash_erase(self, offset: int, length: int) -> None:
        """Set whole 4 KiB sectors to 0xFF. Raises ValueError if offset or length is no multiple of 4096."""
        if self._alive:
            self._flash_erase(offset, length)

    def disable_download(self) -> None:
        """Burn the eFuse that turns the ROM's download mode off: nobody can flash this chip over serial again."""
        if self._alive:
            self._disable_download()

    def retire(self) -> None:
        """Called by the chip when this boot is over; from then on nothing here has an effect."""
        self._alive = False
