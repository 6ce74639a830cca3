"""The firmware's MQTT: what it says, what it answers, and how it comes back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from firmware_bench import Bench, bench
from firmware_loop import asynchronous
from firmware_servers import Broker, Link

from hil.virtual.firmware.backoff import Backoff, Shape
from hil.wire.mqtt import Connack, Connect, Disconnect, Packet, Pingreq, Puback, Publish, Suback, Subscribe, Version


def gaps(b: Bench) -> list[int]:
    return [int(text.split("Reconnect after ")[1].split()[0]) for text in b.chip.lines if "Reconnect after" in text]


async def command(b: Bench, order: object, number: int = 0, on: int = 0) -> dict[str, object]:
    link = await b.broker.link(on)
    await b.broker.packet(Subscribe, on=on)
    payload = order if isinstance(order, bytes) else json.dumps(order).encode()
    link.send(Publish("dev-1/cmd", payload, qos=1, packet_id=100 + number))
    answer = await b.broker.packet(Publish, number, on, topic="dev-1/answer")
    found: dict[str, object] = json.loads(answer.payload)
    return found


@asynchronous
async def test_says_what_its_settings_say(tmp_path: Path) -> None:
    async with await bench(
        tmp_path, user="u", password="p", keep_alive=33, will_topic="a/will", will_payload="gone", will_qos=1,
        will_retain=0, online_topic="a/online", online_payload="here", tele_topic="a/tele", cmd_topic="a/cmd",
    ) as b:  # fmt: skip
        await b.chip.boot()
        connect = await b.broker.packet(Connect)
        assert (connect.client_id, connect.keep_alive, connect.clean) == ("dev-1", 33, True)
        assert (connect.username, connect.password) == ("u", b"p")
        assert (connect.will.topic, connect.will.payload, connect.will.qos, connect.will.retain) == (
            "a/will", b"gone", 1, False,
        )  # fmt: skip
        online = await b.broker.packet(Publish, topic="a/online")
        assert (online.payload, online.qos, online.retain) == (b"here", 1, True)
        subscribe = await b.broker.packet(Subscribe)
        assert subscribe.filters[0].filter == "a/cmd"
        first = json.loads((await b.broker.packet(Publish, 0, topic="a/tele")).payload)
        second = json.loads((await b.broker.packet(Publish, 1, topic="a/tele")).payload)
        assert (first["seq"], second["seq"], first["boots"]) == (1, 2, 1)


@pytest.mark.parametrize("clean", [0, 1])
@asynchronous
async def test_mqtt_5(clean: int, tmp_path: Path) -> None:
    async with await bench(tmp_path, mqtt_version="5", clean=clean) as b:
        await b.chip.boot()
        connect = await b.broker.packet(Connect)
        assert connect.version is Version.V5
        assert bool(connect.properties.get("session_expiry_interval")) is not bool(clean)
        assert (await command(b, {"id": 1, "do": "ping"}))["ok"] is True


@asynchronous
async def test_the_keep_alive_that_an_mqtt_5_server_states_counts(tmp_path: Path) -> None:
    broker = Broker(directory=tmp_path)
    broker.connack = Connack(properties={"server_keep_alive": 1})
    async with await bench(tmp_path, broker=broker, mqtt_version="5", keep_alive=6000) as b:
        await b.chip.boot()
        await b.broker.packet(Pingreq)


@asynchronous
async def test_commands_are_answered(tmp_path: Path) -> None:
    async with await bench(tmp_path) as b:
        await b.chip.boot()
        assert await command(b, {"id": 1, "do": "ping"}, 0) == {"id": 1, "ok": True, "do": "ping"}
        heap = await command(b, {"id": 2, "do": "heap"}, 1)
        assert isinstance(heap["heap"], int)
        status = await command(b, {"id": "s", "do": "status"}, 2)
        assert (status["id"], status["mqtt"], status["boots"]) == ("s", True, 1)
        assert (await command(b, b"ping", 3))["ok"] is True
        unknown = await command(b, {"id": 4, "do": "fly"}, 4)
        assert unknown["ok"] is False
        assert "expected one of ping" in str(unknown["error"])


@asynchronous
async def test_disconnect_is_answered_clean_and_lasts_until_connect(tmp_path: Path) -> None:
    async with await bench(tmp_path) as b:
        await b.chip.boot()
        assert (await command(b, {"id": 1, "do": "disconnect"}))["ok"] is True
        link = await b.broker.link()
        assert await b.broker.ended(link) == "fin"
        assert isinstance(link.packets[-1], Disconnect)
        await b.chip.line("disconnected in order")
        assert len(b.broker.tcp) == 1
        b.chip.type("connect")
        await b.broker.link(1)
        await command(b, {"id": 2, "do": "disconnect", "ms": 10}, on=1)
        await b.broker.link(2)


@asynchronous
async def test_console_commands(tmp_path: Path) -> None:
    async with await bench(tmp_path) as b:
        await b.chip.boot()
        await b.broker.link()
        for text, line in (
            ("status", r'app: status \{"wifi": true'),
            ("heap", r"app: heap \d+"),
            ("fly", "unknown command 'fly', expected one of status"),
        ):
            b.chip.type(text)
            await b.chip.line(line)
        b.chip.type("restart")
        await b.chip.line("boot 2")


@asynchronous
async def test_pings_at_half_of_the_keep_alive_and_drops_a_server_that_does_not_answer(tmp_path: Path) -> None:
    async with await bench(tmp_path, keep_alive=2, tele_period=60_000) as b:
        await b.chip.boot()
        await b.broker.packet(Pingreq, 1)

        def deaf(link: Link, packet: Packet) -> None:
            if not isinstance(packet, Pingreq):
                b.broker.well_behaved(link, packet)

        b.broker.answer = deaf
        await b.chip.line("mqtt_client: No PING_RESP, disconnected")
        await b.broker.link(1)


@asynchronous
async def test_gaps_grow_to_the_ceiling_with_jitter_while_nobody_listens(tmp_path: Path) -> None:
    async with await bench(tmp_path, retry_first=20, retry_max=160) as b:
        await b.broker.close()
        await b.chip.boot()
        for number in range(8):
            await b.chip.line("Reconnect after", number)
        for number, gap in enumerate(gaps(b)[:8]):
            whole = min(20 << number, 160)
            assert whole / 2 <= gap <= whole
        await b.chip.line(r"esp-tls: delayed connect error: Connection refused \(errno 111\)")
        await b.chip.line("transport_base: Failed to open a new connection: 32772")
        await b.chip.line("mqtt_client: Error transport connect")
        await b.broker.start(b.broker.port)
        await b.broker.link()


def test_jitter_differs_from_board_to_board_and_keeps_its_bounds() -> None:
    seen = set()
    for _ in range(50):
        backoff = Backoff(1000, 8000)
        drawn = [backoff.next() for _ in range(6)]
        for number, gap in enumerate(drawn):
            whole = min(1000 << number, 8000)
            assert whole // 2 <= gap <= whole
        assert drawn[0] <= drawn[1] <= drawn[2] <= drawn[3]
        seen.add(tuple(drawn))
    assert len(seen) == 50
    backoff.reset()
    assert backoff.next() <= 1000
    assert {Backoff(100, 800, Shape.CONSTANT).next() for _ in range(9)} == {100}


@asynchronous
async def test_gaps_grow_also_while_the_server_cuts_it_off_straight_after_connecting(tmp_path: Path) -> None:
    broker = Broker(directory=tmp_path)

    def unstable(link: Link, packet: Packet) -> None:
        if isinstance(packet, Connect):
            link.send(Connack())
        else:
            link.wire.close()

    broker.answer = unstable
    async with await bench(tmp_path, broker=broker, retry_first=20, retry_max=2000) as b:
        await b.chip.boot()
        for number in range(5):
            await b.chip.line("Reconnect after", number)
        for number, gap in enumerate(gaps(b)[:5]):
            assert (20 << number) / 2 <= gap <= 20 << number


@pytest.mark.parametrize(
    ("version", "code", "words"),
    [
        ("3.1.1", 1, "bad protocol"),
        ("3.1.1", 2, "client id rejected"),
        ("3.1.1", 3, "server unavailable"),
        ("3.1.1", 4, "bad username or password"),
        ("3.1.1", 5, "not authorized"),
        ("5", 0x87, "not authorized"),
        ("5", 0x97, "reason 0x97"),
    ],
)
@asynchronous
async def test_a_refused_connect_is_told_in_esp_mqtts_words(
    version: str, code: int, words: str, tmp_path: Path
) -> None:
    broker = Broker(directory=tmp_path)
    broker.connack = Connack(code=code)
    async with await bench(tmp_path, broker=broker, mqtt_version=version) as b:
        await b.chip.boot()
        await b.chip.line(f"mqtt_client: Connection refused, {words}")
        await b.chip.line("mqtt_client: MQTT connect failed")
        b.broker.connack = Connack()
        await b.chip.line("mqtt_client: connected")


@asynchronous
async def test_a_withheld_connack_is_given_up(tmp_path: Path) -> None:
    broker = Broker(directory=tmp_path)
    broker.answer = lambda link, packet: None
    async with await bench(tmp_path, broker=broker, connect_ms=200) as b:
        await b.chip.boot()
        await b.chip.line("no CONNACK in time")
        await b.broker.link(1)


@asynchronous
async def test_a_refused_subscription_is_told(tmp_path: Path) -> None:
    broker = Broker(directory=tmp_path)

    def refusing(link: Link, packet: Packet) -> None:
        if isinstance(packet, Subscribe):
            link.send(Suback(packet.packet_id, (0x80,)))
        else:
            broker.well_behaved(link, packet)

    broker.answer = refusing
    async with await bench(tmp_path, broker=broker) as b:
        await b.chip.boot()
        await b.chip.line("subscription to dev-1/cmd refused by the broker, code 0x80")
        await b.broker.packet(Publish, 2, topic="dev-1/telemetry")


@asynchronous
async def test_a_message_without_puback_is_sent_again_with_its_id_and_dup(tmp_path: Path) -> None:
    broker = Broker(directory=tmp_path)

    def forgetful(link: Link, packet: Packet) -> None:
        if not isinstance(packet, Publish) or packet.dup:
            broker.well_behaved(link, packet)

    broker.answer = forgetful
    async with await bench(tmp_path, broker=broker, resend=200) as b:
        await b.chip.boot()
        first = await b.broker.packet(Publish, topic="dev-1/status")
        again = await b.broker.packet(Publish, topic="dev-1/status", dup=True)
        assert (first.dup, again.packet_id, again.payload) == (False, first.packet_id, first.payload)
        link = await b.broker.link()
        assert not any(isinstance(packet, Disconnect) for packet in link.packets)


@pytest.mark.parametrize("kept", [True, False])
@asynchronous
async def test_unanswered_messages_are_sent_again_after_a_reconnect_with_dup_if_the_session_was_kept(
    kept: bool, tmp_path: Path
) -> None:
    broker = Broker(directory=tmp_path)

    def stingy(link: Link, packet: Packet) -> None:
        match packet:
            case Connect():
                link.send(Connack(session_present=kept and len(broker.links) > 1))
            case Publish() if len(broker.links) == 1:
                pass
            case _:
                broker.well_behaved(link, packet)

    broker.answer = stingy
    async with await bench(tmp_path, broker=broker, clean=0) as b:
        await b.chip.boot()
        first = await b.broker.packet(Publish, topic="dev-1/status")
        await b.broker.packet(Subscribe)
        await b.chip.line("subscribed to dev-1/cmd")
        (await b.broker.link()).wire.close()
        link = await b.broker.link(1)
        again = await b.broker.packet(Publish, on=1, topic="dev-1/status", packet_id=first.packet_id)
        assert again.dup is kept
        await b.broker.packet(Publish, 1, on=1, topic="dev-1/telemetry", dup=False)
        subscribed = [packet for packet in link.packets if isinstance(packet, Subscribe)]
        assert len(subscribed) == (0 if kept else 1), "a kept session holds the subscription"


@asynchronous
async def test_a_message_of_qos_2_is_taken_once(tmp_path: Path) -> None:
    from hil.wire.mqtt import Pubcomp, Pubrec, Pubrel

    async with await bench(tmp_path) as b:
        await b.chip.boot()
        link = await b.broker.link()
        await b.broker.packet(Subscribe)
        message = Publish("dev-1/cmd", b'{"id": 1, "do": "ping"}', qos=2, packet_id=5)
        link.send(message)
        await b.broker.packet(Pubrec)
        link.send(Publish("dev-1/cmd", message.payload, qos=2, packet_id=5, dup=True))
        await b.broker.packet(Pubrec, 1)
        link.send(Pubrel(5))
        assert (await b.broker.packet(Pubcomp)).packet_id == 5
        await command(b, {"id": 2, "do": "ping"}, 1)
        answers = [p for p in link.packets if isinstance(p, Publish) and p.topic == "dev-1/answer"]
        assert [json.loads(p.payload)["id"] for p in answers] == [1, 2]


@asynchronous
async def test_a_disconnect_by_an_mqtt_5_server_is_told_and_survived(tmp_path: Path) -> None:
    async with await bench(tmp_path, mqtt_version="5") as b:
        await b.chip.boot()
        link = await b.broker.link()
        await b.broker.packet(Subscribe)
        link.send(Disconnect(0x98))
        await b.chip.line("the broker sent DISCONNECT, reason 0x98")
        await b.broker.link(1)


@pytest.mark.parametrize("how", ["fin", "reset"])
@asynchronous
async def test_a_closed_connection_is_told_and_opened_again(how: str, tmp_path: Path) -> None:
    async with await bench(tmp_path) as b:
        await b.chip.boot()
        link = await b.broker.link()
        await b.broker.packet(Subscribe)
        if how == "reset":
            link.wire.reset()
            await b.chip.line(r"errno=104|the broker closed the connection")
        else:
            # A FIN alone: close() makes a reset of it where something of the device's has come in that nobody read.
            # After it nothing more can be sent, and there may be something to answer on its way.
            b.broker.answer = lambda link, packet: None
            link.wire.tcp.write_eof()
            await b.chip.line("the broker closed the connection")
        await b.broker.link(1)


@asynchronous
async def test_a_server_that_reads_nothing_more_is_given_up(tmp_path: Path) -> None:
    """Writing into a full window ends in a time-out of the write, or in a missing ping response before that."""
    async with await bench(tmp_path, connect_ms=500, keep_alive=1, tele_period=1) as b:
        await b.chip.boot()
        link = await b.broker.link()
        await b.broker.packet(Subscribe)
        link.wire.tcp.transport.pause_reading()  # type: ignore[attr-defined]
        await b.chip.line("Writing failed: errno=11|No PING_RESP")
        await b.broker.link(1)


@asynchronous
async def test_packet_ids_are_those_of_the_answers(tmp_path: Path) -> None:
    async with await bench(tmp_path, tele_qos=0) as b:
        await b.chip.boot()
        link = await b.broker.link()
        telemetry = await b.broker.packet(Publish, 1, topic="dev-1/telemetry")
        assert (telemetry.qos, telemetry.packet_id) == (0, None)
        link.send(Publish("dev-1/cmd", b"ping", qos=1, packet_id=77))
        assert (await b.broker.packet(Puback)).packet_id == 77
        await asyncio.sleep(0)
