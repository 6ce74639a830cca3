"""The firmware's subscription: asked for until it is granted, kept when the session is, made anew when it is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from firmware_bench import bench
from firmware_loop import asynchronous
from firmware_servers import Broker, Link

from hil.wire.mqtt import Connack, Connect, Disconnect, Packet, Publish, Suback, Subscribe


def subscribes(link: Link) -> list[str]:
    return [p.filters[0].filter for p in link.packets if isinstance(p, Subscribe)]


class Stubborn(Broker):
    """Refuses or ignores the first subscriptions, says of the session what it is told to."""

    def __init__(self, directory: Path, *, refuses: int = 0, ignores: int = 0, present: bool = False) -> None:
        super().__init__(directory=directory)
        self.refuses, self.ignores, self.present = refuses, ignores, present
        self.asked = 0
        self.answer = self.stubborn

    def stubborn(self, link: Link, packet: Packet) -> None:
        if isinstance(packet, Connect):
            link.send(Connack(session_present=self.present))
        elif isinstance(packet, Subscribe):
            self.asked += 1
            if self.asked <= self.refuses:
                link.send(Suback(packet.packet_id, (0x80,)))
            elif self.asked > self.ignores:
                link.send(Suback(packet.packet_id, (1,)))
        else:
            self.well_behaved(link, packet)


@pytest.mark.parametrize("option", [(), ("with:blind-subscribe",)])
@asynchronous
async def test_a_refused_subscription(option: tuple[str, ...], tmp_path: Path) -> None:
    """Good: asks again, with growing gaps, until it is granted."""
    broker = Stubborn(tmp_path, refuses=3)
    async with await bench(tmp_path, *option, broker=broker, retry_first=20, retry_max=400) as b:
        await b.chip.boot()
        await b.chip.line("subscribed to dev-1/cmd")
        if option:
            await b.broker.packet(Publish, 6, topic="dev-1/telemetry")
            assert broker.asked == 1
        else:
            assert broker.asked == 4
            ids = [p.packet_id for p in (await b.broker.link()).packets if isinstance(p, Subscribe)]
            assert len(set(ids)) == 4, "each is a new request"


@pytest.mark.parametrize("version", ["3.1.1", "5"])
@pytest.mark.parametrize("option", [(), ("without:subscribe-retry",)])
@asynchronous
async def test_a_subscription_without_suback(option: tuple[str, ...], version: str, tmp_path: Path) -> None:
    """Good: the same request again, with the same id, on the same connection."""
    broker = Stubborn(tmp_path, ignores=1)
    async with await bench(tmp_path, *option, broker=broker, resend=100, mqtt_version=version) as b:
        await b.chip.boot()
        if option:
            await b.broker.packet(Publish, 8, topic="dev-1/telemetry")
            assert broker.asked == 1
        else:
            first, again = [await b.broker.packet(Subscribe, number) for number in (0, 1)]
            assert first == again
            await b.chip.line("subscribed to dev-1/cmd")


@pytest.mark.parametrize(
    ("option", "expected"),
    [((), 1), (("without:resubscribe",), 0), (("with:always-subscribe",), 1)],
)
@asynchronous
async def test_after_a_reconnect_that_lost_the_session(option: tuple[str, ...], expected: int, tmp_path: Path) -> None:
    async with await bench(tmp_path, *option, broker=Stubborn(tmp_path), clean=0, mqtt_version="5") as b:
        await b.chip.boot()
        await b.chip.line("subscribed to dev-1/cmd")
        (await b.broker.link()).wire.close()
        await b.broker.packet(Publish, 2, on=1, topic="dev-1/telemetry")
        assert len(subscribes(await b.broker.link(1))) == expected


@pytest.mark.parametrize(("option", "expected"), [((), 0), (("with:always-subscribe",), 1)])
@asynchronous
async def test_after_a_reconnect_that_kept_the_session(option: tuple[str, ...], expected: int, tmp_path: Path) -> None:
    broker = Stubborn(tmp_path)
    async with await bench(tmp_path, *option, broker=broker, clean=0, mqtt_version="5") as b:
        await b.chip.boot()
        await b.chip.line("subscribed to dev-1/cmd")
        broker.present = True
        (await b.broker.link()).wire.close()
        await b.broker.packet(Publish, 2, on=1, topic="dev-1/telemetry")
        assert len(subscribes(await b.broker.link(1))) == expected


@pytest.mark.parametrize("option", [(), ("with:trusts-session",)])
@asynchronous
async def test_session_present_after_a_clean_session_of_3_1_1_is_not_believed(
    option: tuple[str, ...], tmp_path: Path
) -> None:
    async with await bench(tmp_path, *option, broker=Stubborn(tmp_path, present=True)) as b:
        await b.chip.boot()
        await b.broker.packet(Publish, 2, topic="dev-1/telemetry")
        assert len(subscribes(await b.broker.link())) == (0 if option else 1)


@pytest.mark.parametrize("option", [(), ("with:trusts-session",)])
@asynchronous
async def test_session_present_after_a_clean_start_of_5_ends_the_connection(
    option: tuple[str, ...], tmp_path: Path
) -> None:
    """[MQTT-3.2.2-4]"""
    broker = Stubborn(tmp_path, present=True)
    async with await bench(tmp_path, *option, broker=broker, mqtt_version="5") as b:
        await b.chip.boot()
        if option:
            await b.broker.packet(Publish, 2, topic="dev-1/telemetry")
            return
        assert (await b.broker.packet(Disconnect)).code == 0x82
        broker.present = False
        await b.chip.line("subscribed to dev-1/cmd")
        assert [isinstance(p, Publish) for p in b.broker.links[0].packets] == [False, False]


@asynchronous
async def test_with_many_filters(tmp_path: Path) -> None:
    async with await bench(tmp_path, "with:many-filters") as b:
        await b.chip.boot()
        await b.chip.line("subscribed to dev-1/cmd$")
        packets = [p for p in (await b.broker.link()).packets if isinstance(p, Subscribe)]
        assert [len(p.filters) for p in packets] == [12] * 5 + [1]
        assert len({f.filter for p in packets for f in p.filters}) == 61


@asynchronous
async def test_the_session_expiry_and_the_quality_of_the_subscription_are_settings(tmp_path: Path) -> None:
    async with await bench(tmp_path, clean=0, mqtt_version="5", session_expiry=77, cmd_qos=2) as b:
        await b.chip.boot()
        assert (await b.broker.packet(Connect)).properties == {"session_expiry_interval": 77}
        assert (await b.broker.packet(Subscribe)).filters[0].qos == 2
