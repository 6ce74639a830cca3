"""The monitor: what it sees, what it keeps, and how it waits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_bench import LIMIT, mosquitto

from hil.broker import Monitor, MonitorError, Mosquitto
from hil.broker.mosquitto import free_port
from hil.timeline import NoSuchEvent, Timeline, UnwantedEvent, where


@pytest.fixture
def timeline() -> Timeline:
    return Timeline()


@pytest.fixture(params=[True, False], ids=["5", "3.1.1"])
def monitor(broker: Mosquitto, timeline: Timeline, request: pytest.FixtureRequest) -> Iterator[Monitor]:
    with Monitor(timeline, broker.host, broker.port, mqtt5=request.param) as made:
        made.clear_retained()
        yield made
        made.clear_retained()


def test_start_returns_once_it_sees_everything(monitor: Monitor, timeline: Timeline) -> None:
    assert monitor.connected
    assert timeline.events(where("monitor", "connected"))
    mark = monitor.publish("any/topic", b"1")
    assert monitor.expect("any/topic", timeout=LIMIT, after=mark)["payload"] == b"1"


def test_payloads_can_be_asked_for_in_every_way(monitor: Monitor) -> None:
    mark = monitor.publish("t/x", '{"n": 42}', 1)
    for payload in (None, b'{"n": 42}', '{"n": 42}', re.compile(r'"n": \d+'), lambda p: len(p) == 9):
        assert monitor.expect("t/+", payload, timeout=LIMIT, after=mark)["topic"] == "t/x"
    with pytest.raises(NoSuchEvent, match=r"no message on t/x with payload 'other' within 0\.05 s"):
        monitor.expect("t/x", "other", timeout=0.05, after=mark)
    with pytest.raises(NoSuchEvent, match="payload like /no/"):
        monitor.expect("t/x", re.compile("no"), timeout=0.05, after=mark)


def test_what_was_before_cannot_pass_for_what_is_expected(monitor: Monitor) -> None:
    mark = monitor.publish("t/x", b"old", 1)
    monitor.expect("t/x", timeout=LIMIT, after=mark)
    with pytest.raises(NoSuchEvent):
        monitor.expect("t/x", timeout=0.05)


def test_silence_is_expected(monitor: Monitor) -> None:
    monitor.expect_silence("quiet/#", 0.05)
    mark = monitor.publish("loud/x", b"", 1)
    monitor.expect("loud/x", timeout=LIMIT, after=mark)
    monitor.expect_silence("quiet/#", 0.05, after=mark)
    with pytest.raises(UnwantedEvent, match="loud/x"):
        monitor.expect_silence("loud/#", 0.05, after=mark)


def test_what_is_retained_is_known_live_and_from_before(
    broker: Mosquitto, monitor: Monitor, timeline: Timeline
) -> None:
    for number in range(30):  # more than a broker sends unacknowledged
        monitor.publish(f"kept/{number}", str(number), 1, retain=True)
    mark = monitor.publish("kept/0", b"new", 1, retain=True)
    monitor.expect("kept/0", "new", timeout=LIMIT, after=mark)
    assert monitor.retained("kept/0") == b"new"
    with Monitor(Timeline(), broker.host, broker.port) as later:
        assert [later.retained(f"kept/{n}") for n in range(1, 30)] == [str(n).encode() for n in range(1, 30)]
        assert later.retained("kept") is None
    mark = monitor.publish("kept/1", b"", 1, retain=True)
    monitor.expect("kept/1", b"", timeout=LIMIT, after=mark)
    assert monitor.retained("kept/1") is None
    assert len(monitor.clear_retained("kept/#")) == 29
    assert monitor.retained("kept/2") is None


def test_what_is_not_retained_is_not_kept(monitor: Monitor) -> None:
    mark = monitor.publish("passing", b"1", 1)
    monitor.expect("passing", timeout=LIMIT, after=mark)
    assert monitor.retained("passing") is None


def test_the_retain_flag_of_live_messages_is_told(broker: Mosquitto, timeline: Timeline) -> None:
    with Monitor(timeline, broker.host, broker.port) as monitor:
        mark = monitor.publish("flag", b"1", 1, retain=True)
        assert monitor.expect("flag", timeout=LIMIT, after=mark)["retain"] is True
        mark = monitor.publish("flag", b"2", 1)
        assert monitor.expect("flag", timeout=LIMIT, after=mark)["retain"] is False
        assert monitor.retained("flag") == b"1"
        monitor.clear_retained("flag")


def test_what_was_retained_before_is_no_message_of_this_run(broker: Mosquitto, timeline: Timeline) -> None:
    with Monitor(Timeline(), broker.host, broker.port) as earlier:
        earlier.publish("stale", b"1", 1, retain=True)
    with Monitor(timeline, broker.host, broker.port) as monitor:
        assert monitor.retained("stale") == b"1"
        mark = monitor.publish("fresh", b"1", 1)
        monitor.expect("fresh", timeout=LIMIT, after=mark)
        assert not timeline.events(where("monitor", "message", topic="stale"))
        monitor.clear_retained("stale")


def test_sys_is_kept_and_told_only_on_request(broker: Mosquitto, timeline: Timeline) -> None:
    told = Timeline()
    with (
        Monitor(timeline, broker.host, broker.port) as quiet,
        Monitor(told, broker.host, broker.port, record_sys=True),
    ):
        told.wait(where("monitor", "message", topic="$SYS/broker/version"), timeout=LIMIT)
        mark = quiet.publish("x", b"", 1)
        quiet.expect("x", timeout=LIMIT, after=mark)
        version = quiet.sys("$SYS/broker/version")
        assert version is not None
        assert version.startswith(b"mosquitto")
    assert not timeline.events(where("monitor", "message", topic=lambda t: t.startswith("$SYS")))


def test_it_comes_back_when_the_broker_does(tmp_path: Path, timeline: Timeline) -> None:
    with mosquitto(tmp_path) as broker, Monitor(timeline, broker.host, broker.port, mqtt5=True) as monitor:
        monitor.publish("kept", b"1", 1, retain=True)
        mark = timeline.mark()
        broker.close()
        timeline.wait(where("monitor", "lost"), timeout=LIMIT, after=mark)
        assert not monitor.connected
        broker.start()
        timeline.wait(where("monitor", "connected"), timeout=LIMIT, after=mark)
        mark = monitor.publish("again", b"2", 1)
        monitor.expect("again", timeout=LIMIT, after=mark)
        assert monitor.retained("kept") is None  # this broker keeps nothing over a restart


def test_a_broker_that_is_not_there_is_told(timeline: Timeline) -> None:
    port = free_port("127.0.0.1")
    with pytest.raises(MonitorError, match=f"127.0.0.1:{port}: .*refused"):
        Monitor(timeline, "127.0.0.1", port).start()
    with pytest.raises(MonitorError, match="not started"):
        Monitor(timeline, "127.0.0.1", port).publish("x", b"")


def test_close_twice_and_no_loss_is_told(broker: Mosquitto, timeline: Timeline) -> None:
    monitor = Monitor(timeline, broker.host, broker.port)
    monitor.start()
    monitor.close()
    monitor.close()
    assert not timeline.events(where("monitor", "lost"))
