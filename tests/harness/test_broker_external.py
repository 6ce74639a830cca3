"""A broker that runs elsewhere: with a password, over TLS."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from certificates import NAME, pki
from gateway_bench import LIMIT

from hil.broker import BrokerError, External, Monitor, MonitorError, Mosquitto
from hil.broker.mosquitto import free_port
from hil.timeline import Timeline, where


def secured(directory: Path, timeline: Timeline) -> tuple[Mosquitto, int]:
    """mosquitto with a TLS listener, and the user 'monitor' with the password 'correct horse'."""
    for name, pem in (("ca", pki().root.pem), ("crt", pki().server.chain_pem), ("key", pki().server.key_pem)):
        (directory / f"server.{name}").write_bytes(pem)
    passwords = directory / "passwords"
    passwords.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", str(passwords), "monitor", "correct horse"], check=True)
    port = free_port("127.0.0.1")
    options = {
        "password_file": str(passwords),
        "listener": f"{port} 127.0.0.1",
        "certfile": str(directory / "server.crt"),
        "keyfile": str(directory / "server.key"),
    }
    return Mosquitto(timeline, directory / "broker", options=options), port


def test_a_monitor_with_a_password_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timeline = Timeline()
    server, port = secured(tmp_path, timeline)
    monkeypatch.setenv("BENCH_USER", "monitor")
    monkeypatch.setenv("BENCH_PASSWORD", "correct horse")
    with server:
        broker = External(
            timeline,
            "127.0.0.1",
            port,
            username_env="BENCH_USER",
            password_env="BENCH_PASSWORD",
            ca=tmp_path / "server.ca",
        )
        broker.start()
        context = broker.tls_context()
        assert context is not None
        context.check_hostname = False  # it is reached by its address, and its name is bench.test
        with Monitor(timeline, broker.host, broker.port, broker.username, broker.password, context) as monitor:
            mark = monitor.publish("x", b"1", 1)
            monitor.expect("x", b"1", timeout=LIMIT, after=mark)
        assert timeline.last(where("broker", "started"))["kind"] == "external"  # type: ignore[index]
        with pytest.raises(MonitorError, match=r"[Nn]ot authori[sz]ed"):
            Monitor(timeline, broker.host, broker.port, broker.username, "wrong", context).start()
        with pytest.raises(MonitorError, match="certificate verify failed"):
            Monitor(timeline, broker.host, broker.port, tls=ssl.create_default_context()).start()
    assert NAME


def test_a_password_is_redacted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    timeline = Timeline()
    monkeypatch.setenv("BENCH_PASSWORD", "correct horse")
    with Mosquitto(timeline, tmp_path) as server:
        with External(timeline, "127.0.0.1", server.port, password_env="BENCH_PASSWORD") as broker:
            assert broker.tls_context() is None
        assert timeline.record("test", "finding", text="the correct horse")["text"] == "the [redacted]"


def test_what_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_PASSWORD", raising=False)
    with pytest.raises(BrokerError, match="environment variable BENCH_PASSWORD is not set"):
        External(Timeline(), "127.0.0.1", 1, password_env="BENCH_PASSWORD").start()
    with pytest.raises(BrokerError, match="does not accept connections"):
        External(Timeline(), "127.0.0.1", free_port("127.0.0.1")).start()
    with pytest.raises(BrokerError, match=r"CA file .*none\.pem cannot be used"):
        External(Timeline(), "127.0.0.1", 1, ca=tmp_path / "none.pem").start()
