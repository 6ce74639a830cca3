"""Faults of the gateway: armed, applied, cleared, each told on the timeline."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import Identity, pki
from gateway_bench import LIMIT, Bench

from hil.broker import Mosquitto
from hil.gateway import GatewayError, PresentCertificate, RefuseConnect
from hil.schedule import Schedule
from hil.timeline import where


@pytest.fixture
def bench(broker: Mosquitto, tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path, (broker.host, broker.port), monitor=False) as made:
        yield made


def states(bench: Bench) -> list[str]:
    return [e["state"] for e in bench.timeline.events(where("gateway", "fault"))]


def presenting(identity: Identity, label: str) -> PresentCertificate:
    return PresentCertificate(identity.chain_pem, identity.key_pem, label)


def test_another_certificate_is_shown_until_the_fault_is_cleared(bench: Bench) -> None:
    with bench.gateway.fault(presenting(pki().expired_server, "expired"), board="a") as fault:
        for _ in range(2):
            with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
                bench.device("a")
        bench.device("b")
    assert fault.applied == 2
    bench.device("a").connect()
    assert states(bench) == ["armed", "applied", "applied", "cleared"]
    armed, applied = bench.timeline.events(where("gateway", "fault"))[:2]
    assert armed.data == {"name": "present-certificate", "state": "armed", "label": "expired", "schedule": {}}
    assert armed.board == "a"
    assert applied["connection"] == 1
    failed = bench.wait("tls-failed")
    assert (failed["alert"], failed["alert_from"]) == ("certificate_expired", "device")
    assert not any("PRIVATE" in str(e.data) for e in bench.timeline)


def test_a_board_that_does_not_check_is_seen_to_connect(bench: Bench, tmp_path: Path) -> None:
    """The probe for date checking: an expired certificate, and does the board connect?"""
    careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    file = tmp_path / "device.pem"
    file.write_bytes(pki().device.key_pem + pki().device.chain_pem)
    careless.load_cert_chain(file)
    bench.gateway.arm(presenting(pki().expired_server, "expired"))
    bench.device("a", context=careless).connect()
    bench.wait("connect")


def test_a_fault_for_one_connect_is_over_after_it(bench: Bench) -> None:
    bench.gateway.arm(presenting(pki().wrong_name_server, "wrong name"), when=Schedule(count=1))
    with pytest.raises(ssl.SSLCertVerificationError, match=r"[Hh]ostname"):
        bench.device("a")
    bench.device("a").connect()
    assert states(bench) == ["armed", "applied", "cleared"]
    cleared = bench.timeline.events(where("gateway", "fault", None, state="cleared"))[0]
    assert cleared["why"] == "count reached"
    assert cleared["times"] == 1


def test_a_device_cannot_resume_its_way_around_a_certificate(bench: Bench) -> None:
    first = bench.device("a", tls=ssl.TLSVersion.TLSv1_2)
    bench.gateway.arm(presenting(pki().expired_server, "expired"))
    with pytest.raises(ssl.SSLCertVerificationError):
        bench.device("a", tls=ssl.TLSVersion.TLSv1_2, session=first.socket.session, context=first.context)


def test_connects_are_reset(bench: Bench) -> None:
    handle = bench.gateway.arm(RefuseConnect(), "a", Schedule(count=2))
    for number in (1, 2):
        with pytest.raises(ConnectionResetError), bench.raw("a") as raw:
            raw.recv(1)
        close = bench.wait("close", connection=number)
        assert (close["by"], close["how"]) == ("gateway", "fault")
    assert handle.cleared
    bench.device("a").connect()
    assert states(bench) == ["armed", "applied", "applied", "cleared"]
    handle.clear()
    assert states(bench).count("cleared") == 1


def test_connects_are_closed_politely(bench: Bench) -> None:
    with bench.gateway.fault(RefuseConnect(how="fin")), bench.raw("a") as raw:
        assert raw.recv(1) == b""
    assert bench.wait("close")["how"] == "fault"


def test_connects_get_no_answer_until_the_fault_is_cleared(bench: Bench) -> None:
    handle = bench.gateway.arm(RefuseConnect(how="no-answer"), when=Schedule(count=1))
    with bench.raw("a") as raw:
        raw.sendall(b"anybody there?")
        bench.wait("fault", state="applied")
        raw.settimeout(0.2)
        with pytest.raises(TimeoutError):
            raw.recv(1)
        raw.settimeout(LIMIT)
        handle.clear()
        with pytest.raises(ConnectionResetError):
            raw.recv(1)
    close = bench.wait("close")
    assert (close["by"], close["how"]) == ("gateway", "fault")


def test_a_device_that_gives_up_waiting_is_who_closed(bench: Bench) -> None:
    bench.gateway.arm(RefuseConnect(how="no-answer"))
    with bench.raw("a") as raw:
        raw.sendall(b"anybody there?")
        bench.wait("fault", state="applied")
    close = bench.wait("close")
    assert (close["by"], close["how"]) == ("device", "fin")


def test_closing_the_gateway_clears_faults(bench: Bench) -> None:
    bench.gateway.arm(RefuseConnect(how="no-answer"))
    with bench.raw("a") as raw:
        bench.wait("fault", state="applied")
        bench.gateway.close()
        assert raw.recv(1) == b""
    assert states(bench) == ["armed", "applied", "cleared"]
    assert bench.wait("close")["how"] == "shutdown"


def test_a_boards_own_faults_can_be_cleared_without_a_handle(bench: Bench) -> None:
    bench.gateway.arm(RefuseConnect(), board="a")
    bench.gateway.arm(presenting(pki().expired_server, "expired"), board="a")
    other = bench.gateway.arm(RefuseConnect(), board="b")
    bench.gateway.clear_faults("a")
    bench.device("a").connect()
    assert not other.cleared
    with pytest.raises(ConnectionResetError), bench.raw("b") as raw:
        raw.recv(1)


def test_two_faults_work_together(bench: Bench) -> None:
    bench.gateway.arm(RefuseConnect(), when=Schedule(count=1))
    bench.gateway.arm(presenting(pki().strange_server, "unknown authority"), when=Schedule(count=1))
    with pytest.raises(ConnectionResetError), bench.raw("a") as raw:
        raw.recv(1)
    with pytest.raises(ssl.SSLCertVerificationError):
        bench.device("a")
    bench.device("a").connect()


def test_what_cannot_be_played_is_refused_when_it_is_armed(bench: Bench) -> None:
    with pytest.raises(ValueError, match="key belongs to another certificate"):
        bench.gateway.arm(PresentCertificate(pki().expired_server.chain_pem, pki().device.key_pem, "broken"))
    with pytest.raises(ValueError, match="how is 'politely', expected one of reset"):
        RefuseConnect(how="politely")  # type: ignore[arg-type]
    with pytest.raises(GatewayError, match="knows no board 'c'; it has a, b"):
        bench.gateway.arm(RefuseConnect(), board="c")
    assert states(bench) == []


def test_a_port_that_is_taken_is_told_with_the_cure(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        bench = Bench(tmp_path, None, boards={"a": 0, "b": port})
        with pytest.raises(GatewayError, match=f"cannot listen on 127.0.0.1:{port} for b: .*choose another port"):
            bench.gateway.start()
        assert bench.gateway.connections() == []
        bench.loop.close()
