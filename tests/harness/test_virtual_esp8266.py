"""The virtual ESP8266 where it differs from the rest: image, ROM, boot."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from virtual_parts import FLASH_SIZE, board_here, esptool, flash_in, heard, images, words_of

from hil.virtual.boot_steps import Halt, Print, Rate, Reset, Start
from hil.virtual.booting import boot
from hil.virtual.chips import CHIPS, mac_of
from hil.virtual.flash import Flash
from hil.virtual.host import Cause
from hil.virtual.loader import Loader
from hil.virtual.loader_actions import Erase, Send, SetBaud
from hil.virtual.registers import Registers
from hil.wire import slip
from hil.wire.esp8266_image import FLASH_SIZES, build, parse
from hil.wire.esp_image import BadImage, Flaw, Segment
from hil.wire.esp_loader import STUB_GREETING, SYNC_PATTERN, Command, Reply, Request

CHIP = CHIPS["esp8266"]
SEGMENTS = [Segment(0x40201010, b"irom" * 10), Segment(0x3FFE8000, b"data!")]


def flash_with(path: Path, size: int = 0x6000) -> Flash:
    flash = Flash(path / "f.flash", FLASH_SIZE)
    for offset, file in images(path / "images", "esp8266", size).values():
        flash.program(offset, file.read_bytes())
    return flash


def said(flash: Flash, cause: Cause = Cause.POWER_ON) -> tuple[str, object]:
    steps = list(boot(CHIP, flash, cause))
    return "".join(step.text for step in steps if isinstance(step, Print)), steps[-1]


# -- the image ---------------------------------------------------------------------------------------------------------


def test_what_was_built_is_parsed() -> None:
    data = build(SEGMENTS, entry=0x40100008)
    image = parse(data + b"behind")
    assert (image.entry, image.chip_id, image.length) == (0x40100008, None, len(data))
    assert [segment.address for segment in image.segments] == [0x40201010, 0x3FFE8000]
    assert image.segments[1].data == b"data!\0\0\0"
    assert len(data) % 16 == 0


def test_every_damaged_byte_of_a_segment_is_noticed_and_a_cut_one_named() -> None:
    data = build(SEGMENTS, entry=0)
    for position in (16, 30, 55, len(data) - 1):
        with pytest.raises(BadImage) as caught:
            parse(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        assert caught.value.flaw is Flaw.CHECKSUM
    for length, flaw in (
        (3, Flaw.TRUNCATED),
        (12, Flaw.TRUNCATED),
        (40, Flaw.TRUNCATED),
        (len(data) - 1, Flaw.TRUNCATED),
    ):
        with pytest.raises(BadImage) as caught:
            parse(data[:length])
        assert caught.value.flaw is flaw
    with pytest.raises(BadImage, match="starts with 0xe9"):
        parse(b"\xea" + data[1:])
    with pytest.raises(BadImage, match="1 to 16 segments, not 0"):
        parse(b"\xe9\0" + data[2:])


def test_what_the_format_has_no_code_for_is_refused() -> None:
    with pytest.raises(ValueError, match="flash size 3145728"):
        build(SEGMENTS, entry=0, flash_size=3 << 20)
    with pytest.raises(ValueError, match="not 17"):
        build(SEGMENTS[:1] * 17, entry=0)


def test_esptool_reads_both_images_and_their_flash_size(tmp_path: Path) -> None:
    firmware = images(tmp_path, "esp8266", 0x8000)["firmware"][1]
    told = esptool("--chip", "esp8266", "image-info", str(firmware))
    assert told.returncode == 0, told.stderr
    assert "Flash size: 4MB" in told.stdout
    assert "(valid)" in told.stdout
    app = tmp_path / "app.bin"
    app.write_bytes(firmware.read_bytes()[0x1000:])
    told = esptool("--chip", "esp8266", "image-info", str(app))
    assert "Segments: 3" in told.stdout
    assert "(valid)" in told.stdout
    assert FLASH_SIZES[4 << 20] == 4


# -- the ROM -----------------------------------------------------------------------------------------------------------


def loader(path: Path) -> Loader:
    return Loader(CHIP, Registers(CHIP, mac_of("x"), FLASH_SIZE), Flash(path / "f.flash", FLASH_SIZE))


def replies(loader: Loader, op: int, data: bytes = b"") -> tuple[list[Reply], list[object]]:
    """The replies to one request, and what else the chip does."""
    frames = slip.Decoder()
    got, done = [], []
    for action in loader.feed(slip.encode(Request(op, data).encode())):
        if isinstance(action, Send):
            got += [Reply.decode(packet) for packet in frames.feed(action.data) if packet != STUB_GREETING]
        else:
            done.append(action)
    return got, done


def test_the_rom_has_two_status_bytes_and_few_commands(tmp_path: Path) -> None:
    rom = loader(tmp_path)
    synced, _ = replies(rom, Command.SYNC, SYNC_PATTERN)
    assert [reply.data for reply in synced] == [bytes(2)] * 8
    magic, _ = replies(rom, Command.READ_REG, words_of(0x40001000))
    assert magic[0].value == 0xFFF0C101
    for op in (Command.GET_SECURITY_INFO, Command.SPI_ATTACH, Command.SPI_FLASH_MD5, Command.FLASH_DEFL_BEGIN):
        refused, _ = replies(rom, op)
        assert refused[0].data == b"\x01\x05"
        assert refused[0].op != op
    changed, done = replies(rom, Command.CHANGE_BAUDRATE, words_of(921600, 0))
    assert (changed[0].data, done) == (b"\x01\x05", [])


def test_the_stub_has_all_of_them(tmp_path: Path) -> None:
    rom = loader(tmp_path)
    replies(rom, Command.MEM_END, words_of(0, 0x4010E004))
    changed, done = replies(rom, Command.CHANGE_BAUDRATE, words_of(921600, 115200))
    assert (changed[0].data, done) == (bytes(2), [SetBaud(921600)])


@pytest.mark.parametrize(
    ("offset", "told", "erased"),
    [(0, 1, 2), (0, 16, 32), (0, 20, 36), (15, 1, 2), (15, 2, 3), (8, 8, 16), (8, 30, 38), (1020, 4, 4)],
)
def test_the_rom_erases_more_than_it_is_told(offset: int, told: int, erased: int, tmp_path: Path) -> None:
    _, done = replies(loader(tmp_path), Command.FLASH_BEGIN, words_of(told * 4096, 1, 0x4000, offset * 4096))
    assert done == [Erase(offset * 4096, erased * 4096)]


# -- booting -----------------------------------------------------------------------------------------------------------


def test_a_good_flash_boots(tmp_path: Path) -> None:
    flash = flash_with(tmp_path)
    text, outcome = said(flash)
    assert text.startswith(
        "\r\n ets Jan  8 2013,rst cause:1, boot mode:(3,6)\r\n\r\nload 0x4010f000, len 3460, room 16 \r\n"
    )
    assert text.endswith("~ld\r\n")
    assert isinstance(outcome, Start)
    assert (outcome.manifest.version, outcome.app.offset) == ("1.0.0", 0x1000)
    assert [step.baud for step in boot(CHIP, flash, Cause.POWER_ON) if isinstance(step, Rate)] == [115200]
    text, _ = said(flash, Cause.WATCHDOG)
    assert "rst cause:4, boot mode:(3,6)\r\n\r\nwdt reset\r\nload " in text


@pytest.mark.parametrize(
    ("offset", "words"),
    [(None, "ets_main.c 543"), (0, "ets_main.c 543"), (0x40, "csum err"), (0x1000, "~ld"), (0x1040, "~ld")],
)
def test_what_cannot_start_ends_in_the_watchdog(offset: int | None, words: str, tmp_path: Path) -> None:
    flash = Flash(tmp_path / "blank", FLASH_SIZE) if offset is None else flash_with(tmp_path)
    if offset is not None:
        flash.program(offset, b"\0")
    text, outcome = said(flash)
    assert words in text
    assert outcome == Reset(Cause.WATCHDOG)


def test_real_firmware_is_validated_and_plainly_not_executed(tmp_path: Path) -> None:
    flash = flash_with(tmp_path)
    flash.erase(0x1000, 0x10000)
    flash.program(0x1000, build(SEGMENTS, entry=0x40100008))
    text, outcome = said(flash)
    assert "cannot execute Xtensa code" in text
    assert outcome == Halt()


def test_the_roms_words_come_at_its_own_speed_until_the_firmware_has_set_another(tmp_path: Path) -> None:
    async def run() -> None:
        async with board_here(tmp_path, "esp8266") as (board, raw):
            flash_in(board, images(tmp_path, "esp8266"))
            await board.power_on()
            while board.mode != "run":
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert board.baud == 74880
            await heard(raw, r"rst cause:1, boot mode:\(3,6\)")
            await heard(raw, "firmware reference")
            assert board.baud == 115200
            board.cores[-1].host.restart(Cause.SOFTWARE)  # type: ignore[attr-defined]
            await heard(raw, r"rst cause:2, boot mode:\(3,6\)")
            assert board.baud == 115200
            await heard(raw, "firmware reference")
            board.lines_changed(False, True)
            board.lines_changed(True, False)
            await heard(raw, r"rst cause:2, boot mode:\(1,6\)")
            assert board.baud == 74880

    asyncio.run(run())
