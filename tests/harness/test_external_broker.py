"""A real deployment: the board connects to a broker that is not ours, with credentials that are not ours either."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil import rig as rigs
from hil.bench import Bench, BenchError
from hil.broker import find_mosquitto
from hil.credentials import Authority
from hil.parts import broker_side
from hil.timeline import where

CONTRACT = Path(__file__).parents[2] / "rigs" / "contracts" / "reference.toml"

pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")


def private(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def running(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """It on a free port; on another where somebody took that in between."""
    said = b""
    for _ in range(5):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        (folder / "mosquitto.conf").write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\ncafile {folder}/ca.pem\ncertfile {folder}/server.pem\n"
            f"keyfile {folder}/server.key\nrequire_certificate true\nuser root\n"
        )
        command = [str(find_mosquitto()), "-c", str(folder / "mosquitto.conf")]
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        assert process.stderr is not None
        said = b""
        for line in process.stderr:
            said += line
            if b"running" in line:
                return process, port
        process.wait()
    raise AssertionError(said)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[rigs.Rig]:
    """mosquitto with TLS and client certificates, run by somebody else, and a rig that names it."""
    authority = Authority.create("deployment")
    server = authority.issue_server(["127.0.0.1"])
    for name in ("one", "monitor"):
        issued = authority.issue_device(name)
        private(tmp_path / f"{name}.pem", issued.chain_pem)
        private(tmp_path / f"{name}.key", issued.key_pem)
    private(tmp_path / "ca.pem", authority.trust_anchors_pem)
    private(tmp_path / "server.pem", server.chain_pem)
    private(tmp_path / "server.key", server.key_pem)
    process, port = running(tmp_path)
    (tmp_path / "rig.toml").write_text(
        f'name = "external"\n[broker]\nkind = "external"\nhost = "127.0.0.1"\nport = {port}\n'
        'tls = { ca = "ca.pem", certificate = "monitor.pem", key = "monitor.key" }\n'
        '[boards.one]\nvirtual = "esp32"\nspeed = 100\nwifi = { ssid = "net" }\n'
        'identity = { trust_anchors = "ca.pem", certificate_chain = "one.pem", private_key = "one.key" }\n'
        f'contract = "{CONTRACT}"\n'
    )
    with process:
        yield rigs.load(tmp_path / "rig.toml")
        process.terminate()


def test_a_board_is_judged_on_a_broker_that_is_not_ours(rig: rigs.Rig, tmp_path: Path) -> None:
    with Bench(rig, artifacts=tmp_path / "run") as bench:
        board = bench.boards["one"]
        bench.make_ready(board)
        board.power_cycle()
        board.wait_online()
        assert bench.gateway is None
        assert "the broker is external" in str(bench.lacks(board, "gateway"))
        assert bench.lacks(board, "power-cut") is None
        assert bench.monitor.retained("devices/one/status") == b"online"
        will = board.contract.mqtt.will
        assert will is not None
        mark = bench.timeline.mark()
        board.power_off()
        offline = where("monitor", "message", None, topic=will.topic, payload=b"offline")
        bench.timeline.wait(offline, timeout=30, after=mark)


def test_a_broker_that_is_away_is_told_in_one_line(rig: rigs.Rig, tmp_path: Path) -> None:
    text = rig.path.read_text()
    start = text.index("port = ")
    rig.path.write_text(text[:start] + "port = 1" + text[text.index("\n", start) :])
    with pytest.raises(BenchError, match=r"127\.0\.0\.1:1 does not accept connections") as caught:
        Bench(rigs.load(rig.path), artifacts=tmp_path / "run")
    assert "\n" not in str(caught.value)


def test_without_mosquitto_the_embedded_broker_steps_in(
    rig: rigs.Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = rig.path.read_text()
    auto = tmp_path / "auto.toml"
    auto.write_text(text[: text.index("[broker]")] + text[text.index("[boards.one]") :])
    monkeypatch.setattr(broker_side, "find_mosquitto", lambda: None)
    with Bench(rigs.load(auto), artifacts=tmp_path / "run") as bench:
        assert bench.broker.kind == "embedded"
        assert "cannot do mqtt5; use mosquitto" in str(bench.lacks(bench.boards["one"], "broker:mqtt5"))
