"""The mask ROM's serial loader, and the flasher stub that a host may put in its place. Sans-IO.

Bytes from the host go into `feed`, which yields what the chip does about them, one `Action` after another. Each must
be carried out before the next is asked for: a reply is only sent when the erase that it waits for is done, and a hash
is taken of what the flash holds then. The rules, as traces of the mask ROMs show them:

- SYNC is answered eight times. The ROM's replies carry 0x20120707 as their value, the stub's 0.
- The ROM's replies end in four status bytes, the stub's in two. The ROM leaves the last value that it read or synced
  with in the value field of every later reply; the stub puts 0.
- A command that the ROM does not know is answered with status 01 05, and the op and value of the command before.
  Where that was a SYNC, eight times. The stub answers FF 00, and the op asked for.
- MEM_END with an entry point runs what was loaded. Code is not executed here: whatever is loaded, the chip sends OHAI
  and behaves as Espressif's flasher stub does.
- The ROM erases when a download begins, the stub as it writes. The ROM answers a block once it is written, the stub
  before that (as esptool expects it, cmds.py, write_flash). The ROM hashes in hex digits, the stub in raw bytes.
- The ESP8266's ROM ends its replies in two status bytes, knows the commands 0x02 to 0x0A only, and erases more than it
  is told (esptool, targets/esp8266.py: get_erase_size). How it answers a command that it does not know is not
  confirmed; here it does as the ESP32's.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from hil.virtual.chips import Chip
from hil.virtual.flash import BLOCK, SECTOR
from hil.virtual.loader_actions import Action, Erase, Program, Run, Send, SetBaud, Watch
from hil.virtual.registers import Registers
from hil.wire import slip
from hil.wire.esp_loader import (
    STUB_GREETING,
    SYNC_VALUE,
    BadPacket,
    Command,
    Reply,
    Request,
    RomError,
    StubError,
    checksum,
)

SLOW_READ = 64
"""The ROM's READ_FLASH_SLOW answers with this many bytes, however few were asked for."""


class ReadableFlash(Protocol):
    """What the loader itself needs of the flash; it changes it by actions only."""

    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Raises ValueError outside of the flash."""


class Refused(Exception):
    """A command that cannot be done: the ROM's reason and the stub's."""

    def __init__(self, rom: RomError, stub: StubError) -> None:
        super().__init__(rom.name)
        self.rom = rom
        self.stub = stub


class Download:
    """A write in progress: FLASH_BEGIN or FLASH_DEFL_BEGIN to its END."""

    def __init__(self, offset: int, size: int, compressed: bool) -> None:
        self.position = offset
        self.end = offset + size
        self.erased = offset // SECTOR * SECTOR
        self.inflater = zlib.decompressobj() if compressed else None


class Upload:
    """A READ_FLASH in progress: blocks go out ahead of their acknowledgements, at most `ahead` of them."""

    def __init__(self, offset: int, length: int, block: int, ahead: int) -> None:
        self.offset = offset
        self.length = length
        self.block = block
        self.ahead = ahead
        self.sent = 0
        self.digest = hashlib.md5(usedforsecurity=False)


class Loader:
    """One stay in download mode, from reset to reset. `security_info`: if it is not what the chip says by itself."""

    def __init__(
        self, chip: Chip, registers: Registers, flash: ReadableFlash, security_info: bytes | None = None
    ) -> None:
        self.chip = chip
        self._told = security_info or chip.security_info
        self.is_stub = False
        self._is_old = chip.name == "esp8266"
        self._registers = registers
        self._flash = flash
        self._frames = slip.Decoder()
        self._value = 0
        self._last_op = 0
        self._download: Download | None = None
        self._upload: Upload | None = None
        self._table: dict[int, Callable[[Request], Iterator[Action]]] = {
            Command.SYNC: self._sync,
            Command.READ_REG: self._read_register,
            Command.WRITE_REG: self._write_register,
            Command.GET_SECURITY_INFO: self._security_info,
            Command.MEM_BEGIN: self._accept,
            Command.MEM_DATA: self._memory_data,
            Command.MEM_END: self._memory_end,
            Command.SPI_ATTACH: self._accept,
            Command.SPI_SET_PARAMS: self._accept,
            Command.CHANGE_BAUDRATE: self._change_baud,
            Command.FLASH_BEGIN: self._flash_begin,
            Command.FLASH_DATA: self._flash_data,
            Command.FLASH_END: self._flash_end,
            Command.FLASH_DEFL_BEGIN: self._flash_begin,
            Command.FLASH_DEFL_DATA: self._flash_data,
            Command.FLASH_DEFL_END: self._flash_end,
            Command.SPI_FLASH_MD5: self._hash,
            Command.READ_FLASH_SLOW: self._read_slow,
            Command.ERASE_FLASH: self._erase_flash,
            Command.ERASE_REGION: self._erase_region,
            Command.READ_FLASH: self._read_flash,
            Command.RUN_USER_CODE: self._run_user_code,
        }

    def feed(self, data: bytes) -> Iterator[Action]:
        """What the chip does about `data`. Bytes that make no request are ignored, as a ROM ignores noise."""
        for packet in self._frames.feed(data):
            if self._upload is not None and len(packet) == 4:
                yield from self._acknowledged(int.from_bytes(packet, "little"))
                continue
            self._upload = None
            try:
                request = Request.decode(packet)
            except BadPacket:
                continue
            yield from self._handle(request)

    # -- replies ---------------------------------------------------------------------------------------------------

    def _handle(self, request: Request) -> Iterator[Action]:
        handler = self._table.get(request.op)
        if handler is None or not self._knows(request.op):
            yield from self._unknown(request)
            return
        try:
            yield from handler(request)
        except Refused as refusal:
            yield self._failed(request.op, refusal.rom, refusal.stub)
        except (struct.error, ValueError):  # too short, or outside of the flash
            yield self._failed(request.op, RomError.INVALID_MESSAGE, StubError.BAD_LENGTH)
        self._last_op = request.op

    def _knows(self, op: int) -> bool:
        known = op != Command.READ_FLASH_SLOW if self.is_stub else op < Command.ERASE_FLASH
        if self._is_old and not self.is_stub:
            known = op <= Command.READ_REG
        return known and not (op == Command.GET_SECURITY_INFO and self.chip.security_info is None)

    def _unknown(self, request: Request) -> Iterator[Action]:
        if self.is_stub:
            yield self._failed(request.op, RomError.INVALID_MESSAGE, StubError.NOT_IMPLEMENTED)
            return
        for _ in range(8 if self._last_op == Command.SYNC else 1):
            yield self._failed(self._last_op, RomError.INVALID_MESSAGE, StubError.NOT_IMPLEMENTED)

    def _reply(self, op: int, data: bytes = b"", value: int | None = None) -> Send:
        if self.is_stub:
            return Send(slip.encode(Reply(op, value or 0, data + bytes(2)).encode()))
        if value is not None:
            self._value = value
        return Send(slip.encode(Reply(op, self._value, data + bytes(2 if self._is_old else 4)).encode()))

    def _failed(self, op: int, rom: RomError, stub: StubError) -> Send:
        if self.is_stub:
            return Send(slip.encode(Reply(op, 0, bytes((stub, 0))).encode()))
        status = bytes((1, rom)) + (b"" if self._is_old else bytes(2))
        return Send(slip.encode(Reply(op, self._value, status).encode()))

    def _accept(self, request: Request) -> Iterator[Action]:
        yield self._reply(request.op)

    # -- the chip --------------------------------------------------------------------------------------------------

    def _sync(self, request: Request) -> Iterator[Action]:
        for _ in range(8):
            yield self._reply(request.op, value=0 if self.is_stub else SYNC_VALUE)

    def _read_register(self, request: Request) -> Iterator[Action]:
        (address,) = struct.unpack("<I", request.data)
        yield self._reply(request.op, value=self._registers.read(address))

    def _write_register(self, request: Request) -> Iterator[Action]:
        if not request.data or len(request.data) % 16:
            raise Refused(RomError.INVALID_MESSAGE, StubError.BAD_LENGTH)
        armed = self._registers.watchdog_bites
        for address, value, mask, _ in struct.iter_unpack("<IIII", request.data):
            self._registers.write(address, value, mask)
        yield self._reply(request.op)
        if self._registers.watchdog_bites != armed:
            yield Watch(not armed)

    def _security_info(self, request: Request) -> Iterator[Action]:
        yield self._reply(request.op, self._told or b"")

    def _change_baud(self, request: Request) -> Iterator[Action]:
        baud, _ = struct.unpack("<II", request.data)
        if baud == 0:
            raise Refused(RomError.FAILED_TO_ACT, StubError.BAD_LENGTH)
        yield self._reply(request.op)
        # A ROM that takes its crystal for another one sets another speed than it is asked for.
        yield SetBaud(baud if self.is_stub else baud * self.chip.xtal // self.chip.assumed_xtal)

    def _memory_data(self, request: Request) -> Iterator[Action]:
        self._payload(request)
        yield self._reply(request.op)

    def _memory_end(self, request: Request) -> Iterator[Action]:
        stay, entry = struct.unpack("<II", request.data)
        yield self._reply(request.op)
        if not stay and entry:
            self.is_stub = self._registers.stub_runs = True
            yield Send(slip.encode(STUB_GREETING))

    def _run_user_code(self, request: Request) -> Iterator[Action]:
        yield Run()

    # -- writing ---------------------------------------------------------------------------------------------------

    def _payload(self, request: Request) -> bytes:
        (length,) = struct.unpack_from("<I", request.data)
        payload = request.data[16:]
        if len(payload) != length:
            raise Refused(RomError.INVALID_MESSAGE, StubError.BAD_LENGTH)
        if checksum(payload) != request.checksum & 0xFF:
            raise Refused(RomError.INVALID_CRC, StubError.BAD_CHECKSUM)
        return payload

    def _flash_begin(self, request: Request) -> Iterator[Action]:
        size, _, block, offset = struct.unpack_from("<IIII", request.data)
        if offset + size > self._flash.size or block > BLOCK:
            raise Refused(RomError.FAILED_TO_ACT, StubError.BAD_BLOCK_SIZE)
        if size:
            self._registers.flash_used()
        self._download = Download(offset, size, request.op == Command.FLASH_DEFL_BEGIN)
        if self._is_old and not self.is_stub:
            yield from self._erase_old(offset, size)
        elif not self.is_stub:
            yield from self._erase_up_to(self._download, self._download.end)
        yield self._reply(request.op)

    def _flash_data(self, request: Request) -> Iterator[Action]:
        payload = self._payload(request)
        download = self._download
        if download is None or (download.inflater is not None) != (request.op == Command.FLASH_DEFL_DATA):
            raise Refused(RomError.FAILED_TO_ACT, StubError.NOT_IN_FLASH_MODE)
        if download.inflater is not None:
            try:
                # One byte more than fits is enough to know; a packet must not unpack into gigabytes.
                payload = download.inflater.decompress(payload, download.end - download.position + 1)
            except zlib.error as error:
                raise Refused(RomError.DEFLATE, StubError.INFLATE) from error
            if download.position + len(payload) > download.end:
                # The ROM is told a size that was rounded up to its blocks; more than that is a host's mistake.
                raise Refused(RomError.DEFLATE, StubError.TOO_MUCH_DATA)
        # A last uncompressed block is padded by the host; what lies past the flash cannot be meant.
        payload = payload[: max(0, self._flash.size - download.position)]
        reply = self._reply(request.op)
        if self.is_stub:
            yield reply
            yield from self._erase_up_to(download, min(download.position + len(payload), download.end))
        if payload:
            yield Program(download.position, payload)
        download.position += len(payload)
        if not self.is_stub:
            yield reply

    def _erase_up_to(self, download: Download, position: int) -> Iterator[Action]:
        last = -(-download.end // SECTOR) * SECTOR
        while download.erased < position:
            whole_block = download.erased % BLOCK == 0 and last - download.erased >= BLOCK
            length = BLOCK if whole_block else SECTOR
            yield Erase(download.erased, length)
            download.erased += length

    def _erase_old(self, offset: int, told: int) -> Iterator[Action]:
        """What the ESP8266's ROM erases: it counts the sectors up to the next block of 64 KiB twice."""
        first, sectors = offset // SECTOR, -(-told // SECTOR)
        sectors += min(sectors, BLOCK // SECTOR - first % (BLOCK // SECTOR))
        length = min(sectors * SECTOR, self._flash.size - first * SECTOR)
        if told and length > 0:
            yield Erase(first * SECTOR, length)

    def _flash_end(self, request: Request) -> Iterator[Action]:
        if self._download is None:
            raise Refused(RomError.FAILED_TO_ACT, StubError.NOT_IN_FLASH_MODE)
        self._download = None
        yield self._reply(request.op)
        # The ROM leaves either way (to run the app, or by a reset); the stub was seen to stay either way.
        if not self.is_stub:
            yield Run()

    def _erase_flash(self, request: Request) -> Iterator[Action]:
        yield Erase(0, self._flash.size)
        yield self._reply(request.op)

    def _erase_region(self, request: Request) -> Iterator[Action]:
        offset, length = struct.unpack("<II", request.data)
        if offset % SECTOR or length % SECTOR or offset + length > self._flash.size:
            raise Refused(RomError.FAILED_TO_ACT, StubError.BAD_BLOCK_SIZE)
        yield Erase(offset, length)
        yield self._reply(request.op)

    # -- reading ---------------------------------------------------------------------------------------------------

    def _hash(self, request: Request) -> Iterator[Action]:
        offset, length, _, _ = struct.unpack("<IIII", request.data)
        digest = hashlib.md5(self._flash.read(offset, length), usedforsecurity=False)
        yield self._reply(request.op, digest.digest() if self.is_stub else digest.hexdigest().encode())

    def _read_slow(self, request: Request) -> Iterator[Action]:
        offset, length = struct.unpack("<II", request.data)
        if length > SLOW_READ:
            raise Refused(RomError.READ_LENGTH, StubError.BAD_LENGTH)
        yield self._reply(request.op, self._flash.read(offset, length).ljust(SLOW_READ, b"\0"))

    def _read_flash(self, request: Request) -> Iterator[Action]:
        offset, length, block, ahead = struct.unpack("<IIII", request.data)
        if not 0 < block <= BLOCK or not ahead or offset + length > self._flash.size:
            raise Refused(RomError.READ_LENGTH, StubError.BAD_BLOCK_SIZE)
        yield self._reply(request.op)
        self._upload = Upload(offset, length, block, ahead)
        yield from self._acknowledged(0)

    def _acknowledged(self, received: int) -> Iterator[Action]:
        upload = self._upload
        assert upload is not None
        while upload.sent < upload.length and upload.sent - received < upload.ahead * upload.block:
            size = min(upload.block, upload.length - upload.sent)
            data = self._flash.read(upload.offset + upload.sent, size)
            upload.digest.update(data)
            upload.sent += size
            yield Send(slip.encode(data))
        if received >= upload.length:
            self._upload = None
            yield Send(slip.encode(upload.digest.digest()))
