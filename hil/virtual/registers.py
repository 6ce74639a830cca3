"""The chip's registers as a loader sees them: eFuse words, straps, and the SPI controller in front of the flash chip.

Registers without a meaning here read what was last written to them, or 0.
"""

from __future__ import annotations

from collections.abc import Mapping

from hil.virtual.chips import Chip

_USER_COMMAND = 1 << 18  # in the controller's command register: 'do it'; reads back 0 when done
_HAS_MISO = 1 << 28  # in its user register: the command reads
_WATCHDOG_KEY = 0x50D83AA1  # opens the watchdog's registers (technical reference manuals, 'Watchdog Timers')
_WATCHDOG_ENABLE = 1 << 31
MANUFACTURER = 0xC8
MEMORY_TYPE = 0x40

# Commands of the flash chip itself (JEDEC; any SPI NOR data sheet).
_WRITE_STATUS = {0x01: 0, 0x31: 1, 0x11: 2}
_READ_STATUS = {0x05: 0, 0x35: 1, 0x15: 2}
_READ_ID = 0x9F
_READ_PARAMETERS = 0x5A

_PARAMETERS = bytes.fromhex("53464450060101ff00060110300000ffc8000103600000ff")
"""Head of the flash chip's SFDP table (JEDEC JESD216): signature, the basic table's header, the maker's header."""


class Registers:
    """One chip's registers since its last reset. `flash_size` in bytes gives the flash chip's identity.

    `efuses`: bits of eFuse registers that are set besides the chip's own, by address.
    """

    def __init__(self, chip: Chip, mac: bytes, flash_size: int, efuses: Mapping[int, int] | None = None) -> None:
        self.chip = chip
        self.uart_baud = 115200
        self.stub_runs = False
        self.watchdog_bites = False
        self._words = chip.fixed_words(mac)
        self._fixed = {*self._words, *(field.register for field in chip.efuses.values())}
        for address, bits in (efuses or {}).items():
            self._words[address] = self._words.get(address, 0) | bits
        spi = chip.spi
        self._words[spi.base + spi.user], self._words[spi.base + spi.user2] = spi.fresh
        self._status = [0, 0, 0]
        self._identity = MANUFACTURER | MEMORY_TYPE << 8 | (flash_size.bit_length() - 1) << 16

    def read(self, address: int) -> int:
        """The 32-bit word at `address`."""
        if address == self.chip.uart_divider:
            return self._uart_divider()
        return self._words.get(address, 0)

    def write(self, address: int, value: int, mask: int = 0xFFFFFFFF) -> None:
        """Change the bits of `mask`. A write to the SPI controller's command register runs the command."""
        word = self._words.get(address, 0) & ~mask | value & mask
        if address in self._fixed:
            return  # eFuse, ROM and straps: not to be changed by a store
        if address == self.chip.spi.base:
            if word & _USER_COMMAND:
                self._run()
            return
        watchdog = self.chip.watchdog
        if watchdog is not None and address == watchdog.config0:
            if self._words.get(watchdog.protect) != _WATCHDOG_KEY:
                return  # write-protected
            self.watchdog_bites = bool(word & _WATCHDOG_ENABLE)
        self._words[address] = word

    def flash_used(self) -> None:
        """The ROM has worked on the flash, which leaves its traces in the SPI controller."""
        spi = self.chip.spi
        self._words[spi.base + spi.user], self._words[spi.base + spi.user2] = spi.used

    def _uart_divider(self) -> int:
        # A host finds the crystal's frequency by it. The ROM measures the divider, a little low as the traces show;
        # the ESP32's stub runs the UART from 80 MHz and sets it, with the sixteenths above bit 20.
        clock = self.chip.divided_clock
        if not self.stub_runs or self.chip.name != "esp32":
            return int(clock / self.uart_baud * 0.998)
        sixteenths = 2 * clock * 16 // self.uart_baud
        return sixteenths // 16 | sixteenths % 16 << 20

    def _bits(self, read: bool) -> int:
        """How many bits the command set up in the controller reads, or writes."""
        spi = self.chip.spi
        if spi.miso_length is None or spi.mosi_length is None:
            return (self._words.get(spi.base + spi.user1, 0) >> (8 if read else 17) & 0x1FF) + 1
        length = spi.miso_length if read else spi.mosi_length
        return (self._words.get(spi.base + length, 0) & 0x3FF) + 1

    def _run(self) -> None:
        spi = self.chip.spi
        command = self._words.get(spi.base + spi.user2, 0) & 0xFF
        w0 = spi.base + spi.w0
        if command in _WRITE_STATUS:
            self._write_status(_WRITE_STATUS[command], self._words.get(w0, 0))
        if not self._words.get(spi.base + spi.user, 0) & _HAS_MISO:
            return
        self._words[w0] = self._answer(command) & (1 << min(self._bits(read=True), 32)) - 1

    def _write_status(self, first: int, value: int) -> None:
        for position, byte in enumerate(value.to_bytes(4, "little")[: max(1, self._bits(read=False) // 8)]):
            if first + position < len(self._status):
                # Bits 0 and 1 of the first are 'busy' and 'write enabled': states, not storage.
                self._status[first + position] = byte & (0xFC if first + position == 0 else 0xFF)

    def _answer(self, command: int) -> int:
        if command == _READ_ID:
            return self._identity
        if command in _READ_STATUS:
            return self._status[_READ_STATUS[command]]
        if command == _READ_PARAMETERS:
            address = self._words.get(self.chip.spi.base + 4, 0) >> self.chip.spi.address_shift
            return int.from_bytes(_PARAMETERS[address : address + 4].ljust(4, b"\xff"), "little")
        return 0
