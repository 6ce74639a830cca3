"""How the firmware notices a dead connection, how long it waits, and how it comes back; each mistake beside it."""

from __future__ import annotations

import asyncio
import itertools
import time
from pathlib import Path

import pytest
from firmware_bench import Bench, bench
from firmware_loop import asynchronous
from firmware_servers import Broker, Link

from hil.virtual.firmware.backoff import Backoff, Shape, shape
from hil.virtual.firmware.build import Build
from hil.wire.mqtt import Connack, Connect, Disconnect, Packet, Pingreq, Publish, Subscribe


def gaps(b: Bench) -> list[int]:
    return [int(text.split("Reconnect after ")[1].split()[0]) for text in b.chip.lines if "Reconnect after" in text]


def without_pings(broker: Broker) -> None:
    broker.answer = lambda link, packet: None if isinstance(packet, Pingreq) else broker.well_behaved(link, packet)


@asynchronous
async def test_without_ping_check_an_unanswered_ping_changes_nothing(tmp_path: Path) -> None:
    broker = Broker(directory=tmp_path)
    without_pings(broker)
    async with await bench(tmp_path, "without:ping-check", broker=broker, keep_alive=1) as b:
        await b.chip.boot()
        await b.broker.packet(Pingreq, 2)
        assert (await b.broker.link()).end is None


@pytest.mark.parametrize(("option", "pings"), [((), True), (("with:late-ping",), False)])
@asynchronous
async def test_the_first_ping(option: tuple[str, ...], pings: bool, tmp_path: Path) -> None:
    """Good: before the telemetry of half a second later. Else: no sooner than two keep-alives after CONNACK."""
    broker = Broker(directory=tmp_path)
    came: dict[type[Packet], float] = {}

    def answer(link: Link, packet: Packet) -> None:
        came.setdefault(type(packet), time.monotonic())  # before the answer: all that follows from it is later
        broker.well_behaved(link, packet)

    broker.answer = answer
    async with await bench(tmp_path, *option, broker=broker, keep_alive=1) as b:
        await b.chip.boot()
        if pings:
            # Half a keep-alive and a second are both counted by the chip: whatever the host does, the ping is first.
            await b.broker.packet(Publish, 10, topic="dev-1/telemetry")
            assert Pingreq in came
        else:
            await b.broker.packet(Pingreq)
            assert came[Pingreq] - came[Connect] >= 2


@asynchronous
async def test_without_server_keepalive_it_keeps_to_its_own(tmp_path: Path) -> None:
    broker = Broker(directory=tmp_path)
    broker.connack = Connack(properties={"server_keep_alive": 1})
    options = {"mqtt_version": "5", "keep_alive": 600}
    async with await bench(tmp_path, "without:server-keepalive", broker=broker, **options) as b:
        await b.chip.boot()
        await b.broker.packet(Publish, 14, topic="dev-1/telemetry")
        assert not any(isinstance(p, Pingreq) for p in (await b.broker.link()).packets)


@asynchronous
async def test_with_huge_keepalive(tmp_path: Path) -> None:
    async with await bench(tmp_path, "with:huge-keepalive") as b:
        await b.chip.boot()
        assert (await b.broker.packet(Connect)).keep_alive == 65_535


@asynchronous
async def test_with_endless_connack_it_waits_for_ever(tmp_path: Path) -> None:
    broker = Broker(directory=tmp_path)
    broker.answer = lambda link, packet: None
    async with await bench(tmp_path, "with:endless-connack", broker=broker, connect_ms=100) as b:
        await b.chip.boot()
        link = await b.broker.link()
        await asyncio.sleep(0.5)  # nothing is what must happen
        assert link.end is None
        link.send(Connack())
        await b.broker.packet(Subscribe)


# -- coming back ----------------------------------------------------------------------------------------------------


def test_the_shapes_of_the_gaps() -> None:
    def drawn(*options: str) -> list[int]:
        backoff = Backoff(100, 1000, shape(Build(options)))
        return [backoff.next() for _ in range(6)]

    assert shape(Build()) is Shape.JITTER
    assert drawn("with:fixed-retry") == [100] * 6
    assert drawn("with:linear-retry") == [100, 200, 300, 400, 500, 600]
    assert drawn("without:jitter") == [100, 200, 400, 800, 1000, 1000]
    assert drawn("with:reconnect-storm") == [0] * 6


@pytest.mark.parametrize("option", [(), ("with:hammer-refusals",)])
@asynchronous
async def test_gaps_after_a_refusal(option: tuple[str, ...], tmp_path: Path) -> None:
    broker = Broker(directory=tmp_path)
    broker.connack = Connack(code=5)
    async with await bench(tmp_path, *option, broker=broker, retry_first=20, retry_max=2000) as b:
        await b.chip.boot()
        await b.chip.line("Reconnect after", 4)
        if option:
            assert max(gaps(b)[:5]) <= 20
        else:
            assert all(late >= early for early, late in itertools.pairwise(gaps(b)[:5]))
            assert gaps(b)[4] >= 160


@pytest.mark.parametrize("how", ["disconnect", "fin"])
@asynchronous
async def test_with_obey_disconnect_it_stays_away(how: str, tmp_path: Path) -> None:
    async with await bench(tmp_path, "with:obey-disconnect", mqtt_version="5") as b:
        await b.chip.boot()
        link = await b.broker.link()
        await b.broker.packet(Subscribe)
        if how == "disconnect":
            link.send(Disconnect(0x8B))
        else:
            link.wire.close()
        await b.chip.line("not connected, giving up")
        assert len(b.broker.tcp) == 1
        b.chip.type("restart")
        await b.broker.link(1)


@pytest.mark.parametrize("option", [(), ("with:leak-reconnects",)])
@asynchronous
async def test_heap_over_reconnects(option: tuple[str, ...], tmp_path: Path) -> None:
    broker = Broker(directory=tmp_path)

    def cutting(link: Link, packet: Packet) -> None:
        broker.well_behaved(link, packet)
        if isinstance(packet, Subscribe) and len(broker.links) <= 5:
            link.wire.close()

    broker.answer = cutting
    async with await bench(tmp_path, *option, broker=broker, retry_first=1, retry_max=1) as b:
        await b.chip.boot()
        await b.broker.packet(Publish, on=5, topic="dev-1/telemetry")
        b.chip.type("heap")
        heap = int((await b.chip.line(r"app: heap (\d+)"))[1])
        assert heap == 210_000 - 42_000 - (5 * 4096 if option else 0)
