"""A whole virtual board: what it does from reset to reset, and what power, lines and buttons do to it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from virtual_parts import board_here, flash_in, heard, images

from hil.virtual.board import Board
from hil.virtual.downloading import erase
from hil.virtual.flash import Flash
from hil.virtual.host import Cause


def test_firmware_runs_hears_and_restarts_with_its_clock(tmp_path: Path) -> None:
    async def run() -> None:
        async with board_here(tmp_path) as (board, raw):
            flash_in(board, images(tmp_path))
            await board.power_on()
            await heard(raw, r"firmware reference 1\.0\.0 cause 0x1\r\n")
            board.receive(b"hi\r\n")
            await heard(raw, "echo hi\r\n")
            first = board.cores[-1]
            assert first.host.clock.now() < 60  # 1970
            assert first.host.partitions["nvs"] == (0x9000, 0x5000)
            first.host.clock.set(1_700_000_000)
            first.host.uart_output(b"last words\r\n")
            cuts = board.radio.cuts
            first.host.restart(Cause.SOFTWARE)
            assert board.radio.cuts == cuts + 1
            text = await heard(raw, "cause 0xc\r\n")
            assert text.index("last words") < text.index("rst:0xc (SW_CPU_RESET)")
            assert first.killed.is_set()
            assert board.cores[-1].host.clock.now() >= 1_700_000_000
            first.host.restart(Cause.SOFTWARE)  # from the dead: nothing happens
            first.host.uart_output(b"ghost")
            assert board.mode == "run"
            await board.power_off()
            assert board.cores[-1].killed.is_set()
            await board.power_on()
            text = await heard(raw, "cause 0x1\r\n")
            assert "ghost" not in text
            assert board.cores[-1].host.clock.now() < 60

    asyncio.run(run())


events = st.lists(
    st.sampled_from(["on", "off", "en-low", "en-high", "download", "restart", "panic", "tick", "pause", "settle"]),
    max_size=15,
)


@settings(max_examples=25, deadline=None)
@example(["on", "settle", "settle", "restart", "tick", "off"])  # the cut once cancelled the kill it waited for
@given(events)
def test_whatever_happens_one_firmware_runs_at_most(tmp_path_factory: pytest.TempPathFactory, todo: list[str]) -> None:
    tmp_path = tmp_path_factory.mktemp("any")

    async def happen(board: Board, event: str) -> None:
        match event:
            case "on":
                await board.power_on()
            case "off":
                await board.power_off()
                assert all(core.killed.is_set() for core in board.cores)
            case "en-low":
                board.lines_changed(False, True)
            case "en-high":
                board.lines_changed(False, False)
            case "download":
                board.lines_changed(True, False)
            case "restart" | "panic" if board.cores:
                board.cores[-1].host.restart(Cause.SOFTWARE if event == "restart" else Cause.PANIC)
            case "pause":
                await asyncio.sleep(0.004)
            case "settle":
                await asyncio.sleep(0.03)
            case _:
                await asyncio.sleep(0)

    async def run() -> None:
        async with board_here(tmp_path, speed=100_000) as (board, raw):
            flash_in(board, images(tmp_path, size=0x1800))
            for event in todo:
                await happen(board, event)
                assert sum(not core.killed.is_set() for core in board.cores) <= 1
            board.lines_changed(False, False)
            await board.power_off()
            assert all(core.killed.is_set() for core in board.cores)
            raw.heard.clear()
            await board.power_on()
            await heard(raw, "firmware reference")  # after all that, it works

    asyncio.run(run())


@pytest.mark.parametrize(
    ("chip", "cause", "shown"),
    [
        ("esp32", Cause.PANIC, r"rst:0xc \(SW_CPU_RESET\)"),
        ("esp32c3", Cause.SOFTWARE, r"rst:0x3 \(RTC_SW_SYS_RST\)"),
        ("esp32s3", Cause.SOFTWARE, r"rst:0xc \(RTC_SW_CPU_RST\)"),
        ("esp32", Cause.BROWNOUT, r"rst:0xf \(RTCWDT_BROWN_OUT_RESET\)"),
        ("esp32", Cause.WATCHDOG_TIMER, r"rst:0x8 \(TG1WDT_SYS_RESET\)"),
    ],
)
def test_causes_as_each_chip_shows_them(chip: str, cause: Cause, shown: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with board_here(tmp_path, chip) as (board, raw):
            flash_in(board, images(tmp_path, chip))
            await board.power_on()
            await heard(raw, "firmware")
            board.cores[-1].host.restart(cause)
            await heard(raw, shown)

    asyncio.run(run())


def test_a_blank_board_loops_without_eating_the_host(tmp_path: Path) -> None:
    async def run() -> None:
        async with board_here(tmp_path, speed=100_000) as (board, raw):
            await board.power_on()
            loop = asyncio.get_running_loop()
            began = loop.time()
            await heard(raw, r"rst:0x10 \(RTCWDT_RTC_RESET\)", 5)
            assert loop.time() - began >= 0.4
            await board.power_off()
            await asyncio.sleep(0)
            raw.heard.clear()
            assert board.mode == "off"

    asyncio.run(run())


def test_a_power_cut_in_an_erase_leaves_a_sector_half_erased(tmp_path: Path) -> None:
    async def never(seconds: float) -> None:
        await asyncio.Event().wait()

    async def run() -> None:
        flash = Flash(tmp_path / "one.flash", 4 << 20)
        flash.program(0, bytes(0x2000))
        erasing = asyncio.create_task(erase(flash, 0, 0x2000, never))
        while flash.read(0, 1) == b"\0":
            await asyncio.sleep(0)
        erasing.cancel()
        await asyncio.wait([erasing])
        assert flash.read(0, 0x2000) == b"\xff" * 0x800 + bytes(0x1800)

    asyncio.run(run())


def test_a_reset_while_the_firmware_starts_leaves_no_core_behind(tmp_path: Path) -> None:
    async def run() -> None:
        async with board_here(tmp_path) as (board, raw):
            flash_in(board, images(tmp_path))
            gate = asyncio.Event()
            started = asyncio.Event()
            start = board._start_core

            async def slow(manifest: object, host: object) -> object:
                started.set()
                await gate.wait()
                return await start(manifest, host)  # type: ignore[arg-type]

            board._start_core = slow  # type: ignore[assignment]
            await board.power_on()
            await started.wait()
            cut = asyncio.create_task(board.power_off())
            await asyncio.sleep(0)
            gate.set()
            await cut
            assert len(board.cores) == 1
            assert board.cores[0].killed.is_set()
            assert "firmware" not in raw.heard.decode()

    asyncio.run(run())


def test_a_firmware_that_cannot_start_is_told_on_the_console(tmp_path: Path) -> None:
    async def run() -> None:
        async with board_here(tmp_path) as (board, raw):
            flash_in(board, images(tmp_path))

            async def broken(manifest: object, host: object) -> object:
                raise RuntimeError("no such thing")

            board._start_core = broken  # type: ignore[assignment]
            await board.power_on()
            await heard(raw, "virtual: the firmware cannot start: no such thing\r\n")

    asyncio.run(run())


def _modes(board: Board) -> str:
    return board.mode


def test_lines_and_modes(tmp_path: Path) -> None:
    async def run() -> None:
        async with board_here(tmp_path) as (board, raw):
            board.lines_changed(True, False)
            assert _modes(board) == "off"  # no supply, whatever the lines say
            board.lines_changed(False, False)
            await board.power_on()
            await heard(raw, "rst:0x1 ")
            for dtr, rts in ((True, True), (False, False), (True, False), (False, False), (True, True)):
                board.lines_changed(dtr, rts)
                assert _modes(board) == "run"  # EN stays high
            board.lines_changed(False, True)
            assert _modes(board) == "reset"
            board.lines_changed(False, False)
            await heard(raw, r"rst:0x1 .*SPI_FAST_FLASH_BOOT")
            assert _modes(board) == "run"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("chip", "words"),
    [
        (
            "esp32",
            r"rst:0x1 \(POWERON_RESET\),boot:0x3 \(DOWNLOAD_BOOT\(UART0/UART1/SDIO_REI_REO_V2\)\)\r\nwaiting for",
        ),
        ("esp32s3", r"rst:0x1 \(POWERON\),boot:0x0 \(DOWNLOAD\(USB/UART0\)\)\r\nwaiting for download\r\n"),
        ("esp32c3", r"rst:0x1 \(POWERON\),boot:0x4 \(DOWNLOAD\(USB/UART0/1\)\)\r\nwaiting for download\r\n"),
    ],
)
@pytest.mark.parametrize("through_both", [True, False])
def test_into_download_mode(
    chip: str, words: str, through_both: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.virtual.board.EN_RISE_BOTH", 60.0)  # for as long as this process may have to wait

    async def run() -> None:
        async with board_here(tmp_path, chip) as (board, raw):
            await board.power_on()
            await heard(raw, "rst:0x1 ")
            board.lines_changed(False, True)
            if through_both:  # one line after the other, as over a network
                board.lines_changed(True, True)
                await asyncio.sleep(0.1)
                assert _modes(board) == "reset"
            board.lines_changed(True, False)
            await heard(raw, words)
            assert _modes(board) == "download"
            board.lines_changed(False, False)
            assert _modes(board) == "download"

    asyncio.run(run())


def test_both_lines_held_asserted_boot_normally_in_the_end(tmp_path: Path) -> None:
    async def run() -> None:
        async with board_here(tmp_path) as (board, raw):
            await board.power_on()
            await heard(raw, "rst:0x1 ")
            board.lines_changed(False, True)
            board.lines_changed(True, True)
            await heard(raw, r"rst:0x1 .*SPI_FAST_FLASH_BOOT")

    asyncio.run(run())


def test_with_the_efuse_burned_there_is_no_download_mode_any_more(tmp_path: Path) -> None:
    async def main(burn: bool) -> None:
        async with board_here(tmp_path) as (board, raw):
            flash_in(board, images(tmp_path))
            await board.power_on()
            await heard(raw, "firmware reference")
            if burn:
                board.cores[-1].host.disable_download()  # type: ignore[attr-defined]
            board.lines_changed(False, True)
            board.lines_changed(True, False)
            await heard(raw, "firmware reference")

    asyncio.run(main(burn=True))
    asyncio.run(main(burn=False))  # another process, the same chip


def test_power_on_with_io0_low_enters_download_mode(tmp_path: Path) -> None:
    async def run() -> None:
        async with board_here(tmp_path) as (board, raw):
            board.lines_changed(True, False)
            await board.power_on()
            await heard(raw, "waiting for download")

    asyncio.run(run())


def test_the_wrong_baud_rate_gives_noise(tmp_path: Path) -> None:
    async def run() -> None:
        async with board_here(tmp_path) as (board, raw):

            class Slow:
                baudrate = 9600

            raw.port = Slow()  # type: ignore[assignment]
            await board.power_on()
            while not raw.heard:
                await asyncio.sleep(0.01)
            assert b"rst:" not in raw.heard

    asyncio.run(run())


def test_the_console_takes_its_time_at_real_speed(tmp_path: Path) -> None:
    async def run() -> None:
        async with board_here(tmp_path, speed=1.0) as (board, raw):
            loop = asyncio.get_running_loop()
            began = loop.time()
            board._uart.transmit(b"x" * 1152)  # 0.1 s at 115200
            await board._uart.drained()
            assert loop.time() - began >= 0.09
            assert raw.heard == b"x" * 1152

    asyncio.run(run())
