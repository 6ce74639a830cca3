"""Each build option does what the table says, and good firmware does not."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from firmware_bench import Bench, bench
from firmware_loop import asynchronous

from hil.virtual.firmware import OPTIONS, UnknownOption
from hil.virtual.firmware.build import Build
from hil.virtual.firmware.heap import Heap
from hil.virtual.firmware.options import find
from hil.virtual.firmware.settings import Settings
from hil.wire.mqtt import Connect, Pingreq, Puback, Publish, Subscribe


def test_the_table_is_complete_and_unambiguous() -> None:
    keys = [option.key for option in OPTIONS]
    assert len(keys) == len(set(keys))
    for option in OPTIONS:
        assert option.kind in ("with", "without")
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", option.name)
        assert option.does
        assert option.breaks
        assert option.flag == f"--{option.kind} {option.name}"
        assert find(option.kind, option.name) is option


def test_an_unknown_option_is_refused_with_the_list_of_those_that_exist() -> None:
    with pytest.raises(UnknownOption, match=r"no option --without gravity; it has: .*--without will"):
        find("without", "gravity")
    with pytest.raises(UnknownOption):
        Build(["without:gravity"])
    with pytest.raises(UnknownOption):
        Build([]).has("a name that the code has wrong")


def test_every_option_is_looked_at_by_the_firmware() -> None:
    source = "".join(p.read_text() for p in Path(find.__code__.co_filename).parent.glob("*.py"))
    for option in OPTIONS:
        call = "has" if option.kind == "with" else "lacks"
        assert f'{call}("{option.name}")' in source, option.key


def test_the_manual_has_every_option_and_every_setting() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "reference-firmware.md").read_text()
    for option in OPTIONS:
        assert f"| `{option.flag}` | {option.does} | {option.breaks} |" in manual
    for setting in fields(Settings):
        assert f"`{setting.name}`" in manual


async def online(b: Bench) -> None:
    await b.chip.boot()
    await b.broker.packet(Publish, 1, topic="dev-1/telemetry")


@asynchronous
async def test_without_will(tmp_path: Path) -> None:
    async with await bench(tmp_path, "without:will") as b:
        await online(b)
        assert (await b.broker.packet(Connect)).will is None


@asynchronous
async def test_with_foreign_will(tmp_path: Path) -> None:
    async with await bench(tmp_path, "with:foreign-will") as b:
        await online(b)
        assert (await b.broker.packet(Connect)).will.topic == "foreign/dev-1/status"


@asynchronous
async def test_with_retained_will(tmp_path: Path) -> None:
    async with await bench(tmp_path, "with:retained-will", will_retain=0) as b:
        await online(b)
        will = (await b.broker.packet(Connect)).will
        assert (will.topic, will.retain) == ("dev-1/status", True)


@asynchronous
async def test_with_foreign_subscribe(tmp_path: Path) -> None:
    async with await bench(tmp_path, "with:foreign-subscribe") as b:
        await online(b)
        topics = [(await b.broker.packet(Subscribe, number)).filters[0].filter for number in (0, 1)]
        assert topics == ["foreign/dev-1/cmd", "dev-1/cmd"]


@asynchronous
async def test_without_online(tmp_path: Path) -> None:
    async with await bench(tmp_path, "without:online") as b:
        await online(b)
        link = await b.broker.link()
        assert not [p for p in link.packets if isinstance(p, Publish) and p.topic == "dev-1/status"]


@asynchronous
async def test_without_retry_it_gives_up_after_the_first_failure_until_a_reset(tmp_path: Path) -> None:
    async with await bench(tmp_path, "without:retry") as b:
        await online(b)
        (await b.broker.link()).wire.close()
        await b.chip.line("not connected, giving up")
        b.chip.type("connect")
        b.chip.type("status")
        await b.chip.line('status .*"mqtt": false, "tries": 1')
        assert len(b.broker.tcp) == 1
        b.chip.type("restart")
        await b.broker.link(1)


@asynchronous
async def test_with_fixed_retry_the_gap_is_always_the_same(tmp_path: Path) -> None:
    async with await bench(tmp_path, "with:fixed-retry", retry_first=30) as b:
        await b.broker.close()
        await b.chip.boot()
        for number in range(6):
            assert await b.chip.line("Reconnect after 30 ms", number)


@asynchronous
async def test_with_no_keepalive_it_never_pings(tmp_path: Path) -> None:
    async with await bench(tmp_path, "with:no-keepalive", keep_alive=1, tele_period=700) as b:
        await online(b)
        await b.broker.packet(Publish, 3, topic="dev-1/telemetry")  # two keep-alives later
        link = await b.broker.link()
        assert not [p for p in link.packets if isinstance(p, Pingreq)]
        assert link.connect is not None
        assert link.connect.keep_alive == 1


@asynchronous
async def test_with_silent_hang_it_falls_silent_with_its_connection_open(tmp_path: Path) -> None:
    async with await bench(tmp_path, "with:silent-hang", keep_alive=1, tele_period=20) as b:
        await b.chip.boot()
        await b.broker.packet(Publish, 2, topic="dev-1/telemetry")
        link = await b.broker.link()
        for number in range(1, 100):
            link.send(Publish("dev-1/cmd", b"ping", qos=1, packet_id=number))
            try:
                await b.broker.packet(Puback, packet_id=number, seconds=2)
            except TimeoutError:
                break
        else:
            pytest.fail("it goes on answering")
        telemetry = [p for p in link.packets if isinstance(p, Publish) and p.topic == "dev-1/telemetry"]
        assert len(telemetry) == 3
        assert (link.end, b.chip.restarts) == (None, [])
        await b.chip.cut()
        await b.chip.boot()
        await b.broker.link(1)


@asynchronous
async def test_with_heap_leak_no_memory_is_left_in_the_end(tmp_path: Path) -> None:
    async with await bench(tmp_path, "with:heap-leak", retry_first=1, retry_max=1) as b:
        await b.broker.close()
        await b.chip.boot()
        await b.chip.line("mbedtls_ssl_handshake returned -0x7F00")
        await b.broker.start(b.broker.port)
        await b.chip.line("mbedtls_ssl_handshake returned -0x7F00", 2)
        assert b.broker.links == []


def test_good_firmware_leaks_nothing() -> None:
    heap = Heap(Build())
    for _ in range(1000):
        heap.failed_connect()
        heap.ended_connection()
    assert heap.free() == Heap.TOTAL


def test_the_command_lists_every_option() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hil.virtual", "image", "--list-options"], capture_output=True, text=True, check=True
    )
    for option in OPTIONS:
        assert option.flag in done.stdout
        assert option.breaks in done.stdout
