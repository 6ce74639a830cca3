"""The virtual ROM and stub against what real mask ROMs answered, and the rules that traces do not reach."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

import pytest
from virtual_parts import FLASH_SIZE, words_of

from hil.virtual.chips import CHIPS, mac_of
from hil.virtual.flash import Flash
from hil.virtual.loader import Loader
from hil.virtual.loader_actions import Erase, Program, Run, Send, SetBaud
from hil.virtual.registers import Registers
from hil.wire import slip
from hil.wire.esp_loader import SYNC_PATTERN, Command, Reply, Request, checksum

TRACES = Path(__file__).with_name("rom_traces")
MACS = {"esp32": "240ac4000110", "esp32c3": "c40a24fe1001", "esp32s3": "000000000000"}
SIZES = {"esp32": 4 << 20, "esp32c3": 4 << 20, "esp32s3": 8 << 20}
# Not as the traces have it: the flash chip's data register (the writes that fill it are cut from the traces), and an
# eFuse word that is blank in their emulator and not in a real chip.
ELSEWHERE = {0x3FF42080, 0x60002058, 0x3FF5A010}


class Bench:
    """A loader with its flash; carries out what the loader yields."""

    def __init__(self, path: Path, chip: str = "esp32", size: int = FLASH_SIZE, mac: bytes | None = None) -> None:
        path.mkdir(exist_ok=True)
        self.flash = Flash(path / f"{chip}.flash", size)
        self.chip = CHIPS[chip]
        self.mac = mac or mac_of("x")
        self.reset()

    def reset(self) -> None:
        self.loader = Loader(self.chip, Registers(self.chip, self.mac, self.flash.size), self.flash)

    def send(self, op: int, data: bytes = b"", check: int = 0) -> list[bytes]:
        """One request; the packets that come back."""
        self.actions: list[object] = []
        frames = slip.Decoder()
        packets = []
        for action in self.loader.feed(slip.encode(Request(op, data, check).encode())):
            self.actions.append(action)
            if isinstance(action, Send):
                packets += frames.feed(action.data)
            elif isinstance(action, Program):
                self.flash.program(action.offset, action.data)
            elif isinstance(action, Erase):
                self.flash.erase(action.offset, action.length)
        return packets

    def reply(self, op: int, data: bytes = b"", check: int = 0) -> Reply:
        packets = self.send(op, data, check)
        assert len(packets) == 1, packets
        return Reply.decode(packets[0])

    def start_stub(self) -> None:
        self.send(Command.MEM_END, words_of(0, 0x400A902C))
        assert self.loader.is_stub


def test_sync_is_answered_eight_times_with_the_roms_value(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.send(Command.SYNC, SYNC_PATTERN) == [bytes.fromhex("010804000707122000000000")] * 8
    bench.start_stub()
    assert bench.send(Command.SYNC, SYNC_PATTERN) == [bytes.fromhex("01080200000000000000")] * 8


@pytest.mark.parametrize("chip", MACS)
def test_replies_equal_those_of_the_mask_rom(chip: str, tmp_path: Path) -> None:
    bench = Bench(tmp_path, chip, SIZES[chip], bytes.fromhex(MACS[chip]))
    sent, got, compared = "", [], 0
    for line in (TRACES / f"{chip}.txt").read_text().splitlines():
        if line.startswith("## "):
            if line.endswith("(fresh)"):
                bench.reset()
                bench.send(Command.SYNC, SYNC_PATTERN)
        elif line.startswith("> "):
            sent = line
            words = line.split()[1:]
            op = int(words[0], 16)
            if words[1:2] == ["length"]:
                payload = bytes(int(words[2]) - 16)
                got = bench.send(op, words_of(len(payload), 0, 0, 0) + payload, checksum(payload))
            else:
                got = bench.send(op, bytes.fromhex("".join(words[1:])))
        elif line.startswith("< "):
            wanted = bytes.fromhex(line[2:])
            assert got, f"{sent}: no more replies, the ROM sent {wanted.hex()}"
            found = got.pop(0)
            if sent.startswith("> 0a ") and int.from_bytes(bytes.fromhex(sent.split()[2]), "little") in ELSEWHERE:
                continue
            if len(wanted) >= 12 and not bench.loader.is_stub:
                wanted = wanted[:-2] + bytes(2)  # the last two status bytes are left-overs, and ignored by all
            if sent.startswith("> 02 "):
                # The value is what was read last; the reads just before a download are cut from the transcripts.
                found, wanted = found[:4] + found[8:], wanted[:4] + wanted[8:]
            assert found == wanted, sent
            compared += 1
    assert compared > 200


@pytest.mark.parametrize(("chip", "identity"), [("esp32", 0x1640C8), ("esp32s3", 0x1640C8), ("esp32c3", 0x1640C8)])
def test_flash_chip_tells_its_identity_and_status(chip: str, identity: int, tmp_path: Path) -> None:
    bench = Bench(tmp_path, chip)
    spi = CHIPS[chip].spi

    def write(offset: int, value: int) -> None:
        assert bench.reply(Command.WRITE_REG, words_of(spi.base + offset, value, 0xFFFFFFFF, 0)).data == bytes(4)

    def run(command: int, bits: int, address: int = 0) -> int:
        write(spi.miso_length, bits - 1)
        write(spi.user, 0x90000000)
        write(spi.user2, 0x70000000 | command)
        write(4, address << spi.address_shift)
        write(spi.w0, 0)
        write(0, 1 << 18)
        assert bench.reply(Command.READ_REG, words_of(spi.base)).value == 0
        return bench.reply(Command.READ_REG, words_of(spi.base + spi.w0)).value

    assert run(0x9F, 24) == identity
    assert run(0x5A, 32) == int.from_bytes(b"SFDP", "little")
    assert run(0x5A, 8, 0x10) == 0xC8
    assert run(0x05, 8) == 0
    write(spi.mosi_length, 7)
    write(spi.user, 0x88000000)
    write(spi.user2, 0x70000001)
    write(spi.w0, 0x3C)
    write(0, 1 << 18)
    assert run(0x05, 8) == 0x3C


def test_unknown_command_of_rom_and_stub(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.reply(Command.READ_REG, words_of(0x40001000))
    assert bench.send(0xD0) == [bytes.fromhex("010a0400831df00001050000")]
    bench.start_stub()
    assert bench.send(0x77) == [bytes.fromhex("0177020000000000ff00")]


def write(bench: Bench, offset: int, data: bytes, block: int, compressed: bool = False) -> None:
    body = zlib.compress(data) if compressed else data
    begin, more = (
        (Command.FLASH_DEFL_BEGIN, Command.FLASH_DEFL_DATA) if compressed else (Command.FLASH_BEGIN, Command.FLASH_DATA)
    )
    bench.reply(begin, words_of(len(data), -(-len(body) // block), block, offset, 0))
    for number, start in enumerate(range(0, len(body), block)):
        piece = body[start : start + block]
        status = bench.reply(more, words_of(len(piece), number, 0, 0) + piece, checksum(piece)).data
        assert status[0] == 0, status.hex()


@pytest.mark.parametrize("stub", [False, True])
@pytest.mark.parametrize("compressed", [False, True])
def test_what_is_written_is_there_and_hashed_right(stub: bool, compressed: bool, tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.flash.program(0, bytes(0x60000))  # worn: nothing is there that was not erased first
    if stub:
        bench.start_stub()
    data = bytes(hashlib.sha256(str(i).encode()).digest()[0] for i in range(0x15000))
    write(bench, 0xF000, data, 0x4000 if stub else 0x400, compressed)
    assert bench.flash.read(0xF000, len(data)) == data
    assert bench.flash.read(0xEFFF, 1) == b"\0"
    assert bench.flash.read(0xF000 + 0x15000, 1) == b"\0"  # the erase went no further than asked
    digest = bench.reply(Command.SPI_FLASH_MD5, words_of(0xF000, len(data), 0, 0)).data
    md5 = hashlib.md5(data)
    assert digest == (md5.digest() + bytes(2) if stub else md5.hexdigest().encode() + bytes(4))


def test_the_rom_erases_at_the_beginning_the_stub_as_it_writes(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.reply(Command.FLASH_BEGIN, words_of(0x3000, 12, 0x400, 0))
    assert [a for a in bench.actions if isinstance(a, Erase)]
    bench.start_stub()
    bench.reply(Command.FLASH_BEGIN, words_of(0x3000, 1, 0x4000, 0, 0))
    assert not [a for a in bench.actions if isinstance(a, Erase)]


@pytest.mark.parametrize("stub", [False, True])
def test_the_rom_answers_a_block_that_is_written_the_stub_before_it_erases(stub: bool, tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    if stub:
        bench.start_stub()
    write(bench, 0x10000, b"\x55" * 100, 0x400)
    kinds = [type(action) for action in bench.actions]
    assert kinds == ([Send, Erase, Program] if stub else [Program, Send])


def test_errors_have_the_right_status(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    block = words_of(4, 0, 0, 0) + b"abcd"
    assert bench.reply(Command.FLASH_DATA, block, checksum(b"abcd")).data == bytes.fromhex("01060000")
    bench.reply(Command.FLASH_BEGIN, words_of(0x1000, 1, 0x400, 0))
    assert bench.reply(Command.FLASH_DATA, block, 0).data == bytes.fromhex("01070000")
    assert bench.reply(Command.READ_FLASH_SLOW, words_of(FLASH_SIZE, 64)).data == bytes.fromhex("01050000")
    assert bench.reply(Command.READ_REG, b"").data == bytes.fromhex("01050000")
    bench.reply(Command.FLASH_DEFL_BEGIN, words_of(0x1000, 1, 0x400, 0))
    junk = b"this does not inflate"
    status = bench.reply(Command.FLASH_DEFL_DATA, words_of(len(junk), 0, 0, 0) + junk, checksum(junk)).data
    assert status == bytes.fromhex("010b0000")
    bench.start_stub()
    assert bench.reply(Command.FLASH_DATA, block, 0).data == bytes.fromhex("c100")
    assert bench.reply(Command.ERASE_REGION, words_of(1, 4096)).data[0] == 0xC2


def test_a_packet_cannot_unpack_into_more_than_was_announced(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.start_stub()
    bench.reply(Command.FLASH_DEFL_BEGIN, words_of(0x1000, 1, 0x4000, 0, 0))
    bomb = zlib.compress(bytes(1 << 24))
    status = bench.reply(Command.FLASH_DEFL_DATA, words_of(len(bomb), 0, 0, 0) + bomb, checksum(bomb)).data
    assert status[0] == 0xC9


def test_read_flash_keeps_to_its_window_and_ends_with_a_digest(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.flash.program(0, bytes(range(256)) * 20)
    bench.start_stub()
    packets = bench.send(Command.READ_FLASH, words_of(0, 5000, 1024, 2))
    assert [len(p) for p in packets] == [10, 1024, 1024]
    got = b"".join(packets[1:])
    while len(got) < 5000:
        frames = slip.Decoder()
        for action in bench.loader.feed(slip.encode(words_of(len(got)))):
            assert isinstance(action, Send)
            got += b"".join(frames.feed(action.data))
    assert got == bench.flash.read(0, 5000)
    (last,) = bench.loader.feed(slip.encode(words_of(5000)))
    assert last == Send(slip.encode(hashlib.md5(got).digest()))


def test_a_new_sync_ends_a_read_that_nobody_acknowledges(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.start_stub()
    bench.send(Command.READ_FLASH, words_of(0, 1 << 20, 4096, 4))
    assert len(bench.send(Command.SYNC, SYNC_PATTERN)) == 8


def test_baud_and_leaving(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.send(Command.CHANGE_BAUDRATE, words_of(921600, 0))
    assert isinstance(bench.actions[0], Send)  # answered at the old speed
    assert bench.actions[1:] == [SetBaud(921600)]
    bench.reply(Command.FLASH_BEGIN, words_of(0, 0, 0x400, 0))
    bench.reply(Command.FLASH_END, words_of(1))
    assert bench.actions[-1] == Run()


def test_efuses_and_rom_cannot_be_written(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for address in (0x3FF5A004, 0x40001000):
        before = bench.reply(Command.READ_REG, words_of(address)).value
        bench.reply(Command.WRITE_REG, words_of(address, 0x12345678, 0xFFFFFFFF, 0))
        assert bench.reply(Command.READ_REG, words_of(address)).value == before != 0
    bench.reply(Command.WRITE_REG, words_of(0x3FF48074, 0x12345678, 0x0000FFFF, 0))
    assert bench.reply(Command.READ_REG, words_of(0x3FF48074)).value == 0x5678
