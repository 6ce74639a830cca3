"""Messages and their answers: what the firmware sends again, takes once, and lets be; and each mistake beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from firmware_bench import Bench, bench
from firmware_loop import asynchronous
from firmware_servers import Broker, Link

from hil.wire.mqtt import (
    Connect,
    Packet,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
)


def withholding(broker: Broker, kind: type[Packet], **has: Any) -> None:
    """The broker answers everything but packets of that kind and with these fields."""

    def answer(link: Link, packet: Packet) -> None:
        if not (isinstance(packet, kind) and all(getattr(packet, k) == v for k, v in has.items())):
            broker.well_behaved(link, packet)

    broker.answer = answer


def sent(link: Link, kind: type[Packet], **has: Any) -> list[Any]:
    return [p for p in link.packets if isinstance(p, kind) and all(getattr(p, k) == v for k, v in has.items())]


async def online(b: Bench) -> Link:
    await b.chip.boot()
    await b.broker.packet(Subscribe)
    return await b.broker.link()


async def ping(b: Bench, number: int, link: Link) -> None:
    """A command and its answer: what was sent to the device before has been dealt with by then."""
    link.send(Publish("dev-1/cmd", json.dumps({"id": number, "do": "ping"}).encode(), qos=1, packet_id=1000 + number))
    on = [x for x in b.broker.links if x.connect].index(link)

    def answers() -> list[Any]:
        return [p for p in sent(link, Publish, topic="dev-1/answer") if json.loads(p.payload)["id"] == number]

    await b.broker.link(on)
    await b.broker.wait(answers)


# -- QoS 1 without PUBACK -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "option", [(), ("without:resend",), ("with:resend-new-id",), ("with:disconnect-unacknowledged",)]
)
@asynchronous
async def test_a_message_without_puback(option: tuple[str, ...], tmp_path: Path) -> None:
    """Good: sent again, same id, DUP. Else: never again, as another message, or the connection is dropped for it."""
    broker = Broker(directory=tmp_path)
    withholding(broker, Publish, topic="dev-1/status")
    async with await bench(tmp_path, *option, broker=broker, resend=100) as b:
        link = await online(b)
        if option == ("with:disconnect-unacknowledged",):
            await b.chip.line("connection lost: no PUBACK in time")
            await b.broker.link(1)
            return
        if option:
            await b.broker.packet(Publish, 8, topic="dev-1/telemetry")  # ten times `resend` later
        if option == ("without:resend",):
            assert len(sent(link, Publish, topic="dev-1/status")) == 1
            return
        first, again = [await b.broker.packet(Publish, number, topic="dev-1/status") for number in (0, 1)]
        same = first.packet_id == again.packet_id
        assert (same, again.dup) == ((True, True) if not option else (False, False))
        assert link.end is None


@pytest.mark.parametrize("option", [(), ("with:lossy-outbox",)])
@asynchronous
async def test_unacknowledged_messages_after_a_reconnect(option: tuple[str, ...], tmp_path: Path) -> None:
    broker = Broker(directory=tmp_path)
    withholding(broker, Publish, topic="dev-1/answer")
    async with await bench(tmp_path, *option, broker=broker, resend=0, clean=0) as b:
        link = await online(b)
        await ping(b, 1, link)
        broker.answer = broker.well_behaved
        link.wire.close()
        await b.broker.packet(Publish, 2, on=1, topic="dev-1/telemetry")
        again = sent(await b.broker.link(1), Publish, topic="dev-1/answer")
        assert len(again) == (0 if option else 1)


# -- QoS 2 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", [(), ("with:qos2-twice",)])
@asynchronous
async def test_a_command_of_qos_2_that_comes_again_before_its_release(option: tuple[str, ...], tmp_path: Path) -> None:
    async with await bench(tmp_path, *option) as b:
        link = await online(b)
        message = Publish("dev-1/cmd", b'{"id": 1, "do": "ping"}', qos=2, packet_id=5)
        link.send(message)
        link.send(Publish(message.topic, message.payload, qos=2, packet_id=5, dup=True))
        await b.broker.packet(Pubrec, 1)
        link.send(Pubrel(5))
        await b.broker.packet(Pubcomp)
        await ping(b, 2, link)
        first = [p for p in sent(link, Publish, topic="dev-1/answer", dup=False) if json.loads(p.payload)["id"] == 1]
        assert len(first) == (2 if option else 1)


@pytest.mark.parametrize("option", [(), ("with:dup-twice",)])
@asynchronous
async def test_a_command_of_qos_1_that_comes_again(option: tuple[str, ...], tmp_path: Path) -> None:
    async with await bench(tmp_path, *option) as b:
        link = await online(b)
        payload = b'{"id": 1, "do": "ping"}'
        link.send(Publish("dev-1/cmd", payload, qos=1, packet_id=5))
        link.send(Publish("dev-1/cmd", payload, qos=1, packet_id=5, dup=True))
        await b.broker.packet(Puback, 1, packet_id=5)
        link.send(Publish("dev-1/cmd", payload, qos=1, packet_id=5))  # not DUP: the same command once more
        await ping(b, 2, link)
        first = [p for p in sent(link, Publish, topic="dev-1/answer", dup=False) if json.loads(p.payload)["id"] == 1]
        assert len(first) == (3 if option else 2)


@asynchronous
async def test_with_qos2_publish_telemetry_goes_in_four_steps(tmp_path: Path) -> None:
    broker = Broker(directory=tmp_path)

    def answer(link: Link, packet: Packet) -> None:
        match packet:
            case Publish(qos=2, packet_id=int(ident)):
                link.send(Pubrec(ident))
            case Pubrel(packet_id=ident):
                link.send(Pubcomp(ident))
            case _:
                broker.well_behaved(link, packet)

    broker.answer = answer
    async with await bench(tmp_path, "with:qos2-publish", broker=broker, resend=0) as b:
        link = await online(b)
        await b.broker.packet(Pubrel, 20)  # more than the outbox holds: the deliveries end
        assert {p.qos for p in sent(link, Publish, topic="dev-1/telemetry")} == {2}


# -- what must not be obeyed, and what must not hurt ----------------------------------------------------------------


@pytest.mark.parametrize("option", [(), ("with:obey-retained",)])
@asynchronous
async def test_a_retained_command(option: tuple[str, ...], tmp_path: Path) -> None:
    async with await bench(tmp_path, *option) as b:
        link = await online(b)
        link.send(Publish("dev-1/cmd", b'{"id": 1, "do": "ping"}', qos=1, packet_id=5, retain=True))
        await ping(b, 2, link)
        answered = [json.loads(p.payload)["id"] for p in sent(link, Publish, topic="dev-1/answer", dup=False)]
        assert answered == ([1, 2] if option else [2])


@pytest.mark.parametrize("option", [(), ("with:crash-large",)])
@asynchronous
async def test_a_large_command(option: tuple[str, ...], tmp_path: Path) -> None:
    """Good: obeyed as long as the buffer holds it, and let be when it does not."""
    async with await bench(tmp_path, *option, max_payload=5000) as b:
        link = await online(b)
        for number, size in ((1, 3000), (2, 6000)):
            padding = "x" * size
            order = json.dumps({"id": number, "do": "ping", "padding": padding}).encode()
            link.send(Publish("dev-1/cmd", order, qos=1, packet_id=number))
            if option:
                await b.chip.line("Guru Meditation Error: .*StoreProhibited")
                await b.chip.line("boot 2")
                return
        await b.chip.line("the buffer holds 5000: ignored")
        await b.broker.packet(Puback, packet_id=2)
        await ping(b, 3, link)
        answered = [json.loads(p.payload)["id"] for p in sent(link, Publish, topic="dev-1/answer", dup=False)]
        assert answered == [1, 3]


@pytest.mark.parametrize("option", [(), ("with:crash-malformed",)])
@asynchronous
async def test_a_malformed_packet(option: tuple[str, ...], tmp_path: Path) -> None:
    """Good: closes the connection, and comes back [MQTT-4.8.0-1]."""
    async with await bench(tmp_path, *option) as b:
        link = await online(b)
        link.wire.write(b"\x36\x02\x00\x00")  # PUBLISH of QoS 3
        if option:
            await b.chip.line("Guru Meditation Error")
            await b.chip.line("boot 2")
            return
        await b.chip.line("connection lost: .*QoS")
        await b.broker.link(1)
        assert b.chip.restarts == []


@asynchronous
async def test_answers_that_nobody_waits_for_do_no_harm(tmp_path: Path) -> None:
    async with await bench(tmp_path) as b:
        link = await online(b)
        for packet in (Puback(4711), Suback(4711, (0,)), Unsuback(4711), Pubcomp(4711)):
            link.send(packet)
        await ping(b, 1, link)
        assert link.end is None


@asynchronous
async def test_the_online_message_comes_with_each_connection_unless_built_with_online_once(tmp_path: Path) -> None:
    for number, option in enumerate([(), ("with:online-once",)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with await bench(folder, *option) as b:
            link = await online(b)
            await b.broker.packet(Publish, topic="dev-1/status")
            link.wire.close()
            await b.broker.packet(Publish, 1, on=1, topic="dev-1/telemetry")
            assert len(sent(await b.broker.link(1), Publish, topic="dev-1/status")) == (0 if option else 1)


@asynchronous
async def test_with_big_packet(tmp_path: Path) -> None:
    async with await bench(tmp_path, "with:big-packet") as b:
        await online(b)
        assert len((await b.broker.packet(Publish, topic="dev-1/telemetry/log")).payload) == 600_000


@pytest.mark.parametrize(("option", "client_id"), [((), "dev-1"), (("with:shared-id",), "device")])
@asynchronous
async def test_the_client_id(option: tuple[str, ...], client_id: str, tmp_path: Path) -> None:
    async with await bench(tmp_path, *option) as b:
        await online(b)
        assert (await b.broker.packet(Connect)).client_id == client_id
