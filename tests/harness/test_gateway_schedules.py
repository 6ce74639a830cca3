"""Schedules of the gateway's faults, and how several faults go together, on real connections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_bench import LIMIT, Bench

from hil.broker import Mosquitto
from hil.gateway import BlackHole, Latency, RefuseConnect, Withhold
from hil.schedule import Schedule
from hil.timeline import where
from hil.wire.mqtt import Pingreq, Pingresp, Puback, Publish, Suback, Subscribe, Subscription


@pytest.fixture
def bench(broker: Mosquitto, tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path, (broker.host, broker.port), monitor=False) as made:
        yield made


def states(bench: Bench) -> list[str]:
    return [e["state"] for e in bench.timeline.events(where("gateway", "fault"))]


def test_the_next_packets_only_and_the_events_say_which(bench: Bench) -> None:
    bench.gateway.arm(Withhold("puback"), "a", Schedule(count=2, skip=1))
    device = bench.device()
    device.connect()
    device.send(*(Publish("t", b"%d" % n, 1, packet_id=n) for n in (1, 2, 3, 4)), Pingreq())
    assert [device.receive() for _ in range(3)] == [Puback(1), Puback(4), Pingresp()]
    armed, *applied, cleared = bench.timeline.events(where("gateway", "fault"))
    assert armed.data == {
        "name": "withhold",
        "state": "armed",
        "packet": "puback",
        "schedule": {"count": 2, "skip": 1},
    }
    assert [e["packet_id"] for e in applied] == [2, 3]
    assert applied[0].data == {
        "name": "withhold",
        "state": "applied",
        "packet": "puback",
        "connection": 1,
        "what": "puback",
        "packet_id": 2,
    }
    assert cleared["why"] == "count reached"
    told = bench.timeline.events(where("gateway", "puback", "a", direction="down"))
    assert [e["packet_id"] for e in told] == [1, 4], "what was withheld is not told as sent"


def test_from_an_event_on_also_in_the_same_read(bench: Bench) -> None:
    """A SUBSCRIBE starts the schedule; the PINGREQ that came with it is after it, the one before is not."""
    bench.gateway.arm(Withhold("pingresp"), "a", Schedule(after=where("gateway", "subscribe", "a"), count=1))
    device = bench.device()
    device.connect()
    device.send(Pingreq())
    assert device.receive() == Pingresp()
    device.send(Subscribe(7, (Subscription("t"),)), Pingreq(), Publish("u", b"", 1, packet_id=9))
    assert [device.receive() for _ in range(2)] == [Suback(7, (0,)), Puback(9)]
    assert states(bench) == ["armed", "begun", "applied", "cleared"]
    begun = bench.timeline.events(where("gateway", "fault", None, state="begun"))[0]
    assert bench.timeline.events()[begun["event"]].kind == "subscribe"


def test_an_event_starts_a_fault_on_a_connection_that_is_open(bench: Bench) -> None:
    device = bench.device()
    device.connect()
    handle = bench.gateway.arm(BlackHole(), "a", Schedule(after=where("test", "now")))
    device.send(Pingreq())
    assert device.receive() == Pingresp()
    bench.timeline.record("test", "now")
    bench.wait("fault", state="applied")
    device.send(Pingreq())
    device.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        device.receive()
    device.socket.settimeout(LIMIT)
    handle.clear()
    assert device.receive() == Pingresp()


def test_for_so_many_seconds(bench: Bench) -> None:
    """A hole of half a second; then the network has healed, and what was sent meanwhile goes through."""
    device = bench.device()
    device.connect()
    bench.gateway.arm(BlackHole(), "a", Schedule(seconds=0.5))
    device.send(Pingreq())
    assert device.receive() == Pingresp()
    applied, cleared = (bench.wait("fault", state=state) for state in ("applied", "cleared"))
    assert cleared["why"] == "time is up"
    pinged = bench.wait("pingreq")
    assert applied.sequence < cleared.sequence < pinged.sequence
    assert cleared.monotonic - applied.monotonic >= 0.4


def test_a_count_and_seconds_end_what_lasts(bench: Bench) -> None:
    """One connection falls into the hole; for that the fault is over at once, but the hole stays for its time."""
    bench.gateway.arm(BlackHole(), "a", Schedule(count=1, seconds=2))
    device = bench.device()  # its handshake lasts as long as the hole
    device.connect()
    assert states(bench) == ["armed", "applied", "cleared"]


def test_chance_is_the_same_again_with_the_same_seed(bench: Bench) -> None:
    found = []
    for _ in range(2):
        with bench.gateway.fault(Withhold("puback"), "a", Schedule(probability=0.5, seed=3)):
            device = bench.device()
            device.connect()
            device.send(*(Publish("t", b"", 1, packet_id=n) for n in range(1, 21)), Pingreq())
            answers = []
            while (packet := device.receive()) != Pingresp():
                assert isinstance(packet, Puback)
                answers.append(packet.packet_id)
            found.append(answers)
            device.drop()
    assert found[0] == found[1]
    assert 2 < len(found[0]) < 18


def test_a_fault_of_one_board_leaves_the_others_alone(bench: Bench) -> None:
    bench.gateway.arm(Withhold("all"), "a")
    device = bench.device("b")
    device.connect("device-b")
    device.send(Pingreq())
    assert device.receive() == Pingresp()


def test_faults_on_all_layers_go_together(bench: Bench) -> None:
    bench.gateway.arm(RefuseConnect("fin"), "a", Schedule(count=1))
    bench.gateway.arm(Latency(0.05), "a")
    bench.gateway.arm(Withhold("puback"), "a", Schedule(count=1))
    bench.gateway.arm(Withhold("pingresp"), "a", Schedule(count=1))
    with bench.raw("a") as raw:
        assert raw.recv(1) == b""
    device = bench.device()
    device.connect()
    device.send(Publish("t", b"", 1, packet_id=1), Pingreq(), Publish("t", b"", 1, packet_id=2), Pingreq())
    assert [device.receive() for _ in range(2)] == [Puback(2), Pingresp()]
    applied = [e["name"] for e in bench.timeline.events(where("gateway", "fault", "a", state="applied"))]
    assert applied == ["refuse-connect", "latency", "withhold", "withhold"]


def test_what_is_only_felt_is_cleared_with_the_boards_faults(bench: Bench) -> None:
    bench.gateway.arm(BlackHole(), "a", Schedule(count=1))
    held = bench.gateway.arm(RefuseConnect("no-answer"), "a", Schedule(count=1))
    with bench.raw("a") as raw:  # kept out
        bench.wait("fault", state="cleared", name="refuse-connect")
        bench.gateway.clear_faults("a")
        with pytest.raises(ConnectionResetError):
            raw.recv(1)
    assert held.cleared
    bench.device().connect()


def test_a_device_that_leaves_takes_its_players_with_it(bench: Bench) -> None:
    handle = bench.gateway.arm(Latency(0.01), "a")
    device = bench.device()
    device.connect()
    assert len(handle.links) == 1
    device.drop()
    bench.wait("close")
    bench.device().connect()
    assert len(handle.links) == 1
