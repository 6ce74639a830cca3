"""The handshake stalled and closed at each of its steps, and the client refused by each alert, as clients see it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import client_context
from gateway_bench import LIMIT, Bench
from tls_clients import CLIENTS, V12, V13, VERSIONS, Met, with_ssl

from hil.attempts import End, attempts
from hil.broker import Mosquitto
from hil.gateway import CipherSuites, CloseHandshake, RefuseClient, StallHandshake
from hil.gateway.faults import CLIENT_ALERTS
from hil.gateway.tls import STEPS
from hil.gateway.tls.alerts import HANDSHAKE_MESSAGES
from hil.gateway.tls.script import MESSAGES
from hil.schedule import Schedule
from hil.timeline import where

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
EACH_STEP = pytest.mark.parametrize(
    ("version", "step"), [(version, step) for version, steps in STEPS.items() for step in steps]
)
EACH_CLIENT = pytest.mark.parametrize(
    "client",
    [
        pytest.param(client, id=name, marks=needs_openssl if name == "s_client" else ())
        for name, client in CLIENTS.items()
    ],
)
BOTH = pytest.mark.parametrize("version", [V12, V13])


TLS13_SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
TLS12_SUITES = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path, None) as made:
        yield made


def expected_messages(version: str, step: str) -> list[int]:
    """The types of the messages that a client has received by then, in order."""
    steps = STEPS[version]
    return [MESSAGES[s][1] for s in steps[: steps.index(step) + 1] if MESSAGES[s][0] == "write"]


@EACH_STEP
@pytest.mark.parametrize("how", ["fin", "reset"])
def test_closed_without_a_word(bench: Bench, tmp_path: Path, version: str, step: str, how: str) -> None:
    bench.gateway.arm(CloseHandshake(step, how))  # type: ignore[arg-type]
    met = with_ssl(bench.gateway.endpoint("a"), tmp_path, version)
    assert met.ended == {"fin": "eof", "reset": "reset"}[how]
    assert met.alert is None
    if how == "fin":
        assert met.messages == expected_messages(version, step)
    failed = bench.wait("tls-failed")
    assert failed["alert"] is None
    assert failed["reason"].endswith("as a fault has it")
    close = bench.wait("close")
    assert (close["by"], close["how"]) == ("gateway", "fault")
    assert "tls" not in bench.kinds()


@EACH_STEP
def test_closed_with_an_alert(bench: Bench, tmp_path: Path, version: str, step: str) -> None:
    """At each step the alert has to be under the keys of that step, or the client could not read it."""
    bench.gateway.arm(CloseHandshake(step, "alert", alert="internal_error"))
    met = with_ssl(bench.gateway.endpoint("a"), tmp_path, version)
    assert met.alert == "internal_error"
    assert met.messages == expected_messages(version, step)
    failed = bench.wait("tls-failed")
    assert (failed["alert"], failed["alert_from"]) == ("internal_error", "gateway")
    assert bench.wait("close")["how"] == "fault"


@pytest.mark.parametrize(
    ("version", "suite", "step"),
    [(V13, suite, step) for suite in TLS13_SUITES for step in ("server-certificate", "client-certificate")]
    + [(V12, suite, "server-finished") for suite in TLS12_SUITES],
)
def test_an_alert_can_be_read_under_each_suites_keys(
    bench: Bench, tmp_path: Path, version: str, suite: str, step: str
) -> None:
    bench.gateway.arm(CipherSuites(tls12=(suite,)) if version == V12 else CipherSuites(tls13=(suite,)))
    bench.gateway.arm(CloseHandshake(step, "alert", "access_denied"))
    assert with_ssl(bench.gateway.endpoint("a"), tmp_path, version).alert == "access_denied"


def test_there_is_no_alert_under_the_keys_of_a_cbc_suite(bench: Bench, tmp_path: Path) -> None:
    bench.gateway.arm(CipherSuites(tls12=("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",)))
    bench.gateway.arm(CloseHandshake("server-finished", "alert", "access_denied"))
    met = with_ssl(bench.gateway.endpoint("a"), tmp_path, V12)
    assert (met.alert, met.ended) == (None, "eof")
    assert bench.wait("tls-failed")["alert"] is None


@BOTH
@EACH_CLIENT
def test_each_client_reads_the_alert_behind_the_certificate(
    bench: Bench, tmp_path: Path, client: object, version: str
) -> None:
    assert callable(client)
    bench.gateway.arm(CloseHandshake("server-certificate", "alert", alert="access_denied"))
    met: Met = client(bench.gateway.endpoint("a"), tmp_path, version)
    assert not met.completed
    assert met.alert == "access_denied"


@EACH_STEP
def test_stalled_until_the_device_gives_up(bench: Bench, tmp_path: Path, version: str, step: str) -> None:
    bench.gateway.arm(StallHandshake(step))
    seen: list[Met] = []
    endpoint = bench.gateway.endpoint("a")
    thread = threading.Thread(target=lambda: seen.append(with_ssl(endpoint, tmp_path, version)))
    thread.start()
    stalled = bench.wait("tls-stalled")
    assert bench.gateway.connections("a")
    assert not seen
    bench.gateway.drop("a", "fin")
    thread.join(LIMIT)
    assert seen[0].messages == expected_messages(version, step)
    assert seen[0].ended == "eof"
    direction, number = MESSAGES[step]
    assert stalled["step"] == f"{HANDSHAKE_MESSAGES[number]} of the {'gateway' if direction == 'write' else 'device'}"


@BOTH
@pytest.mark.parametrize(
    ("client", "alert"),
    [(name, alert) for name in ("ssl", "pyopenssl") for alert in CLIENT_ALERTS]
    + [pytest.param("s_client", alert, marks=needs_openssl) for alert in ("access_denied", "certificate_revoked")],
)
def test_the_client_certificate_is_refused_with_each_alert(
    bench: Bench, tmp_path: Path, client: str, version: str, alert: str
) -> None:
    bench.gateway.arm(RefuseClient(alert))
    met = CLIENTS[client](bench.gateway.endpoint("a"), tmp_path, version)
    assert met.alert == alert
    assert met.completed == (version == V13), "a TLS 1.3 client learns of it at its first read"
    failed = bench.wait("tls-failed")
    assert (failed["alert"], failed["alert_from"]) == (alert, "gateway")
    assert failed["reason"] == "client certificate refused"
    close = bench.wait("close")
    assert (close["by"], close["how"]) == ("gateway", "tls")
    assert attempts(bench.timeline.events(where("gateway")), "a")[0].end is End.CERTIFICATE_REFUSED


@BOTH
def test_a_client_without_a_certificate_is_refused_as_ever(bench: Bench, tmp_path: Path, version: str) -> None:
    bench.gateway.arm(RefuseClient("certificate_revoked"))
    bare = client_context(tmp_path, device=None, version=VERSIONS[version])
    met = with_ssl(bench.gateway.endpoint("a"), tmp_path, version, context=bare)
    assert met.alert in ("handshake_failure", "certificate_required")
    assert bench.wait("tls-failed")["reason"] == "no client certificate"


def test_a_step_that_does_not_come_changes_nothing(broker: Mosquitto, tmp_path: Path) -> None:
    with Bench(tmp_path, (broker.host, broker.port), monitor=False) as bench:
        bench.gateway.arm(CloseHandshake("server-hello-done"))
        bench.device(tls=VERSIONS[V13]).connect()


def test_what_is_no_step_is_told() -> None:
    with pytest.raises(ValueError, match="step is 'server-certificat', expected one of client-hello, "):
        StallHandshake("server-certificat")
    with pytest.raises(ValueError, match="alert is 'tired', expected one of "):
        RefuseClient("tired")
    with pytest.raises(ValueError, match="how is 'stall', expected one of fin, reset, alert"):
        CloseHandshake("client-hello", "stall")  # type: ignore[arg-type]


def test_a_stall_is_over_when_the_fault_is_cleared(bench: Bench, tmp_path: Path) -> None:
    handle = bench.gateway.arm(StallHandshake("server-hello"), "a", Schedule(count=1))
    seen: list[Met] = []
    endpoint = bench.gateway.endpoint("a")
    thread = threading.Thread(target=lambda: seen.append(with_ssl(endpoint, tmp_path, V13)))
    thread.start()
    bench.wait("tls-stalled")
    bench.device("a")
    handle.clear()
    thread.join(LIMIT)
    assert seen[0].ended == "reset"
    assert bench.wait("close", connection=1)["how"] == "fault"
    assert len(bench.gateway.connections("a")) == 1, "the other one, which came after the fault's only occasion"
