"""mosquitto as the bench runs it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest
from gateway_bench import LIMIT

from hil.broker import BrokerError, Monitor, Mosquitto, find_mosquitto
from hil.broker import mosquitto as module
from hil.broker.mosquitto import accepts
from hil.timeline import Timeline, where

GONE = where("broker", "stopped")


def test_it_starts_on_a_free_port_and_its_log_is_on_the_timeline(tmp_path: Path) -> None:
    timeline = Timeline()
    with Mosquitto(timeline, tmp_path) as broker:
        assert accepts("127.0.0.1", broker.port)
        started = timeline.wait(where("broker", "started"), timeout=LIMIT)
        assert started.data == {"kind": "mosquitto", "version": broker.version, "port": broker.port}
        assert broker.version
        timeline.wait(where("broker", "log", text=lambda t: t.startswith("mosquitto version")), timeout=LIMIT)
        timeline.wait(
            where("broker", "log", text=lambda t: t.startswith("New connection from 127.0.0.1")), timeout=LIMIT
        )
        listening = [c.laddr.ip for c in psutil.Process(broker.pid).net_connections() if c.status == "LISTEN"]
        assert listening == ["127.0.0.1"]
    stopped = timeline.wait(GONE, timeout=LIMIT)
    assert stopped["expected"] is True
    assert broker.pid is None
    assert not accepts("127.0.0.1", broker.port)
    broker.close()


def test_its_configuration_lies_in_the_directory(tmp_path: Path) -> None:
    with Mosquitto(Timeline(), tmp_path, options={"max_inflight_messages": "7"}) as broker:
        config = (tmp_path / "mosquitto.conf").read_text()
    assert f"listener {broker.port} 127.0.0.1" in config
    assert "max_inflight_messages 7" in config
    assert "persistence false" in config
    assert "max_queued_messages 0\n" not in config
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mosquitto.conf", "mosquitto.log"]


def test_its_death_is_an_event(tmp_path: Path) -> None:
    timeline = Timeline()
    with Mosquitto(timeline, tmp_path) as broker:
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        stopped = timeline.wait(GONE, timeout=LIMIT)
        assert stopped["expected"] is False
        assert stopped["status"] == -signal.SIGKILL
        assert broker.pid is None


def test_it_dies_with_its_owner(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from hil.broker import Mosquitto
        from hil.timeline import Timeline
        broker = Mosquitto(Timeline(), Path(sys.argv[1]))
        broker.start()
        print(broker.pid, flush=True)
        time.sleep(600)
        """
    )
    owner = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    child = psutil.Process(int(owner.stdout.readline()))
    assert child.is_running()
    owner.kill()
    owner.wait()
    owner.stdout.close()
    child.wait(LIMIT)


def test_restarted_it_is_where_it_was_and_keeps_what_it_shall(tmp_path: Path) -> None:
    timeline = Timeline()
    with Mosquitto(timeline, tmp_path, persistence=True) as broker:
        port = broker.port
        with Monitor(timeline, broker.host, port, mqtt5=True) as monitor:
            monitor.publish("kept", b"1", 1, retain=True)
            mark = timeline.mark()
            broker.restart()
            assert broker.port == port
            timeline.wait(where("monitor", "lost"), timeout=LIMIT, after=mark)
            timeline.wait(where("monitor", "connected"), timeout=LIMIT, after=mark)
            monitor.expect("kept", b"1", timeout=LIMIT, after=mark)
            assert monitor.retained("kept") == b"1"


def test_a_port_that_somebody_took_meanwhile_is_given_up_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        offered = iter([taken])
        real = module.free_port
        monkeypatch.setattr(module, "free_port", lambda host: next(offered, None) or real(host))
        with Mosquitto(Timeline(), tmp_path) as broker:
            assert broker.port != taken


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BrokerError, match=f"did not start on 127.0.0.1:{port}: .*Address already in use"):
            Mosquitto(Timeline(), tmp_path, port=port).start()


def test_a_configuration_that_it_does_not_take_is_an_error_in_its_words(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="nonsense") as caught:
        Mosquitto(Timeline(), tmp_path, options={"nonsense": "1"}).start()
    assert "\n" not in str(caught.value)


def test_where_there_is_none_the_cure_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_mosquitto", lambda: None)
    with pytest.raises(BrokerError, match="apt install mosquitto"):
        Mosquitto(Timeline(), tmp_path).start()


def test_it_is_found_where_debian_puts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_mosquitto() is not None


def test_the_monitors_own_traffic_stays_out_of_the_timeline(tmp_path: Path) -> None:
    timeline = Timeline()
    with Mosquitto(timeline, tmp_path) as broker, Monitor(timeline, broker.host, broker.port, mqtt5=True) as monitor:
        mark = monitor.publish("x", b"1", 1)
        monitor.expect("x", timeout=LIMIT, after=mark)
    log = [e["text"] for e in timeline.events(where("broker", "log"))]
    assert not [line for line in log if "PUBLISH" in line]
    assert [line for line in log if "connected from" in line and "hil-monitor" in line]
    assert "Received PUBLISH from hil-monitor" in (tmp_path / "mosquitto.log").read_text()
