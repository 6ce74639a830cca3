"""The chip's registers as a loader sees them: eFuse words, straps, and the SPI controller in front of the flash chip.

Registers without a meaning here read what was last written to them, or 0.
"""

from __future__ import annotations

from collections.abc import Mapping

from hil.virtual.chips import XTAL, Chip

_USER_COMMAND = 1 << 18  # in the controller's command register: 'do it'; reads back 0 when done
_HAS_MISO = 1 << 28  # in its user register: the command reads
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
        self._words = {**chip.registers, **chip.mac_words(mac)}
        for address, bits in (efuses or {}).items():
            self._words[address] = self._words.get(address, 0) | bits
        self._fixed = {*chip.registers, *chip.mac_words(mac), *(field.register for field in chip.efuses.values())}
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
        self._words[address] = word

    def flash_used(self) -> None:
        """The ROM has worked on the flash, which leaves its traces in the SPI controller."""
        spi = self.chip.spi
        self._words[spi.base + spi.user], self._words[spi.base + spi.user2] = spi.used

    def _uart_divider(self) -> int:
        # A host finds the crystal's frequency by it. The ROM measures the divider, a little low as the traces show;
        # the stub runs the UART from 80 MHz and sets it, with the sixteenths above bit 20.
        if not self.stub_runs:
            return int(XTAL / self.uart_baud * 0.998)
        sixteenths = 2 * XTAL * 16 // self.uart_baud
        return sixteenths // 16 | sixteenths % 16 << 20

    def _run(self) -> None:
        spi = self.chip.spi
        command = self._words.get(spi.base + spi.user2, 0) & 0xFF
        w0 = spi.base + spi.w0
        if command in _WRITE_STATUS:
            self._write_status(_WRITE_STATUS[command], self._words.get(w0, 0))
        if not self._words.get(spi.base + spi.user, 0) & _HAS_MISO:
            return
        bits = (self._words.get(spi.base + spi.miso_length, 0) & 0x3FF) + 1
        self._words[w0] = self._answer(command) & (1 << min(bits, 32)) - 1

    def _write_status(self, first: int, value: int) -> None:
        spi = self.chip.spi
        bits = (self._words.get(spi.base + spi.mosi_length, 0) & 0x3FF) + 1
        for position, byte in enumerate(value.to_bytes(4, "little")[: max(1, bits // 8)]):
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
