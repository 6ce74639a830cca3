"""The firmware with its clock, its flash and its console: what good firmware outlives, and each mistake beside it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from firmware_bench import Bench, bench
from firmware_chip import NVS_OFFSET, NVS_SIZE
from firmware_loop import LIMIT, asynchronous

from hil.wire import sntp
from hil.wire.mqtt import Connect, Publish, Subscribe

TEN_YEARS = 10 * 365 * 86400


def wrong_first(b: Bench) -> None:
    """The time server is ten years ahead in its first answer."""

    def reply(question: sntp.Request) -> bytes:
        now = time.time() + (TEN_YEARS if len(b.time.requests) == 1 else 0)
        return sntp.response(question, received=now, transmitted=now)

    b.time.reply = reply


@asynchronous
async def test_a_wrong_time_is_found_out_by_the_certificates_that_are_out_of_date(tmp_path: Path) -> None:
    async with await bench(tmp_path) as b:
        wrong_first(b)
        await b.chip.boot()
        await b.broker.link()
        assert len(b.time.requests) == 2
        assert b.chip.lines.index(next(x for x in b.chip.lines if "is it the clock" in x)) > 0
        refused = [text for text in b.chip.lines if "validity has expired" in text]
        assert len(refused) >= 2, "once may be the server's fault"


@asynchronous
async def test_with_asks_once_a_wrong_time_stays(tmp_path: Path) -> None:
    async with await bench(tmp_path, "with:asks-once", time_period=1) as b:
        wrong_first(b)
        await b.chip.boot()
        await b.chip.line("is it the clock", 2)
        assert (len(b.time.requests), b.broker.links) == (1, [])


@pytest.mark.parametrize("option", [(), ("with:kod-hammer",)])
@asynchronous
async def test_questions_after_a_kiss_of_death(option: tuple[str, ...], tmp_path: Path) -> None:
    async with await bench(tmp_path, *option, time_retry=20, time_retry_max=640) as b:
        b.time.reply = lambda q: sntp.kiss(q, "RATE")
        await b.chip.boot()
        await b.chip.line("asking again in", 4)
        gaps = [int(text.split("asking again in ")[1].split()[0]) for text in b.chip.lines if "asking again" in text]
        assert gaps[4] <= 20 if option else gaps[4] >= 160


# -- flash and power ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", [(), ("with:boot-lockout",)])
@asynchronous
async def test_a_train_of_quick_boots(option: tuple[str, ...], tmp_path: Path) -> None:
    async with await bench(tmp_path, *option) as b:
        for number in range(30):
            await b.chip.boot()
            found = await b.chip.line("wifi: connecting|in set-up mode", number)
            # On a busy machine a boot may last too long for a quick one: then they are counted anew.
            if found[0] == "in set-up mode" or (not option and number == 3):
                break
            await b.chip.cut()
        assert number >= 3
        assert (found[0] == "in set-up mode") is bool(option)
        if option:
            assert b.broker.tcp == []
        else:
            await b.broker.packet(Subscribe)


@asynchronous
async def test_with_boot_lockout_slow_boots_are_forgiven(tmp_path: Path) -> None:
    async with await bench(tmp_path, "with:boot-lockout") as b:
        await b.chip.boot()
        await b.broker.packet(Publish, 25, topic="dev-1/telemetry")  # more than two seconds
        await b.chip.cut()
        for number in range(2, 5):
            await b.chip.boot()
            await b.chip.line(f"boot {number}, ")
            await b.chip.cut()
        assert not any("set-up mode" in text for text in b.chip.lines)


@pytest.mark.parametrize("option", [(), ("with:fragile-nvs",)])
@asynchronous
async def test_a_power_cut_soon_after_boot(option: tuple[str, ...], tmp_path: Path) -> None:
    async with await bench(tmp_path, *option) as b:
        erase, write = b.chip._erase, b.chip._write
        erased = asyncio.Event()

        def erase_and_tell(offset: int, length: int) -> None:
            erase(offset, length)
            if (offset, length) == (NVS_OFFSET, NVS_SIZE):
                erased.set()

        def write_until_then(offset: int, data: bytes) -> None:
            if not erased.is_set():  # the cut comes here, whenever this process gets to it
                write(offset, data)

        b.chip._erase, b.chip._write = erase_and_tell, write_until_then  # type: ignore[method-assign]
        await b.chip.boot()
        await b.chip.line("saving the settings" if option else "wifi: connecting")
        if option:
            async with asyncio.timeout(LIMIT):
                await erased.wait()
        await b.chip.cut()
        b.chip._erase, b.chip._write = erase, write  # type: ignore[method-assign]
        await b.chip.boot()
        if option:
            await b.chip.line("setting wifi_ssid is missing in NVS")
        else:
            await b.broker.packet(Connect)


@asynchronous
async def test_with_fragile_nvs_and_power_the_settings_are_written_back(tmp_path: Path) -> None:
    async with await bench(tmp_path, "with:fragile-nvs") as b:
        for number in range(2):
            await b.chip.boot()
            await b.broker.link(number)
            await b.chip.cut()
        await b.chip.boot()
        await b.chip.line("boot 3, ")


@pytest.mark.parametrize("option", [(), ("with:download-lock",)])
@asynchronous
async def test_the_efuse_that_turns_the_download_mode_off(option: tuple[str, ...], tmp_path: Path) -> None:
    async with await bench(tmp_path, *option) as b:
        await b.chip.boot()
        await b.broker.link()
        assert b.chip.download_disabled is bool(option)


@pytest.mark.parametrize("option", [(), ("with:secret-log",)])
@asynchronous
async def test_the_console_shows_no_secrets(option: tuple[str, ...], tmp_path: Path) -> None:
    async with await bench(tmp_path, *option, wifi_pass="sesame-99") as b:
        b.chip.radio.password = "sesame-99"
        await b.chip.boot()
        await b.chip.line("wifi: connecting")
        shown = "\n".join(b.chip.lines)
        assert ("sesame-99" in shown, "PRIVATE KEY" in shown) == ((True, True) if option else (False, False))
