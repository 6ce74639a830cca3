"""TLS at the gateway: what a handshake tells, and how each kind of failure is told from the others."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import NAME, Identity, client_context, issue, pki
from gateway_bench import LIMIT, Bench, Device
from OpenSSL import SSL

from hil.gateway import Limits, ServerIdentity
from hil.gateway.tls import TlsSettings, make_context
from hil.gateway.tls.alerts import alert_name
from hil.gateway.tls.hello import parse_client_hello, what_is_this
from hil.timeline import Event, where

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
BOTH = pytest.mark.parametrize("version", [V12, V13], ids=["TLSv1.2", "TLSv1.3"])


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path, None) as made:
        yield made


def failure(bench: Bench) -> Event:
    """The tls-failed event, after its close event has come as well."""
    found = bench.wait("tls-failed")
    close = bench.wait("close", how="tls")
    assert close["connection"] == found["connection"]
    assert bench.kinds().count("close") == 1
    return found


@BOTH
def test_a_handshake_tells_version_cipher_subject_serial_and_name(bench: Bench, version: ssl.TLSVersion) -> None:
    device = bench.device(tls=version)
    tls = bench.wait("tls")
    assert tls["version"] == device.socket.version()
    assert tls["cipher"] == device.socket.cipher()[0]
    assert tls["subject"] == "CN=device-a"
    assert int(tls["serial"], 16) == pki().device.certificate.serial_number
    assert tls["sni"] == NAME
    assert tls["resumed"] is False
    accept = bench.wait("accept")
    assert accept["peer"] == "{}:{}".format(*device.socket.getsockname())
    assert accept["connection"] == tls["connection"]


def test_a_resumed_session_is_told_and_still_knows_the_subject(bench: Bench) -> None:
    first = bench.device(tls=V12)
    bench.device(tls=V12, session=first.socket.session, context=first.context)
    second = bench.timeline.wait_count(where("gateway", "tls"), 2, timeout=LIMIT)[1]
    assert second["resumed"] is True
    assert second["subject"] == "CN=device-a"


def test_garbage_right_behind_the_handshake_is_a_broken_session(bench: Bench) -> None:
    """In one segment with the device's Finished: the session is told all the same, then that it broke."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context(bench.directory, device=pki().device).wrap_bio(incoming, outgoing, server_hostname=NAME)
    with bench.raw() as raw:
        done = False
        while not done:
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
                done = True
            raw.sendall(outgoing.read() + (b"x" * 64 if done else b""))
            if not done:
                incoming.write(raw.recv(65536))
        failed = failure(bench)
    assert failed["alert_from"] == "gateway"
    assert bench.kinds() == ["accept", "hello", "tls", "tls-failed", "close"]


def test_connections_of_two_boards_are_attributed_to_their_listeners(bench: Bench) -> None:
    bench.device("b")
    bench.device("a")
    assert bench.wait("tls", "b")["connection"] != bench.wait("tls", "a")["connection"]


@BOTH
@pytest.mark.parametrize(
    ("server", "alerts"),
    [
        (pki().strange_server, {"unknown_ca"}),
        (pki().expired_server, {"certificate_expired"}),
    ],
    ids=["unknown authority", "expired"],
)
def test_a_device_that_refuses_the_server_certificate_is_heard(
    tmp_path: Path, server: Identity, alerts: set[str], version: ssl.TLSVersion
) -> None:
    with Bench(tmp_path, None, server=ServerIdentity(server.chain_pem, server.key_pem)) as bench:
        with pytest.raises(ssl.SSLError):
            bench.device(tls=version)
        failed = failure(bench)
    assert failed["alert"] in alerts
    assert failed["alert_from"] == "device"
    assert failed["sni"] == NAME
    assert failed["verify_code"] is None
    assert bench.wait("close")["by"] == "device"
    assert "tls" not in bench.kinds()


@BOTH
def test_a_device_that_refuses_the_name_sends_bad_certificate_or_closes(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    server = pki().wrong_name_server
    with Bench(tmp_path, None, server=ServerIdentity(server.chain_pem, server.key_pem)) as bench:
        with pytest.raises(ssl.SSLCertVerificationError):
            bench.device(tls=version)
        failed = failure(bench)
    assert (failed["alert"], failed["alert_from"]) == ("bad_certificate", "device")


@BOTH
@pytest.mark.parametrize(
    ("identity", "reason", "alerts", "verify_code"),
    [
        (None, "no client certificate", {"handshake_failure", "certificate_required"}, None),
        (pki().strange_device, "client certificate refused", {"unknown_ca"}, 20),
        (pki().expired_device, "client certificate refused", {"certificate_expired"}, 10),
    ],
    ids=["none", "unknown authority", "expired"],
)
def test_a_client_certificate_that_is_refused_is_told_with_its_verdict(
    bench: Bench,
    identity: Identity | None,
    reason: str,
    alerts: set[str],
    verify_code: int | None,
    version: ssl.TLSVersion,
) -> None:
    with pytest.raises(ssl.SSLError) as caught:
        # With TLS 1.3 the device believes itself connected and meets the alert at its first read.
        bench.device(tls=version, identity=identity).socket.recv(1)
    failed = failure(bench)
    assert failed["reason"] == reason
    assert failed["alert"] in alerts
    assert failed["alert_from"] == "gateway"
    assert failed["verify_code"] == verify_code
    assert bool(failed["verify_message"]) == (verify_code is not None)
    assert bench.wait("close")["by"] == "gateway"
    assert failed["alert"].replace("_", "") in str(caught.value).lower().replace("_", "").replace(" ", "")


def test_a_client_certificate_that_lacks_its_intermediate_is_told(bench: Bench) -> None:
    intermediate = issue("intermediate", pki().root, ca=True)
    leaf = issue("device-a", intermediate)
    with pytest.raises(ssl.SSLError):
        bench.device(tls=V12, identity=Identity(leaf.certificate, leaf.key))
    failed = failure(bench)
    assert failed["verify_code"] == 20
    assert "issuer" in failed["verify_message"]


def test_with_its_intermediate_the_same_certificate_is_accepted(bench: Bench) -> None:
    intermediate = issue("intermediate", pki().root, ca=True)
    bench.device(identity=issue("device-a", intermediate))
    assert bench.wait("tls")["subject"] == "CN=device-a"


def test_an_intermediate_alone_is_an_anchor_only_if_asked_for(tmp_path: Path) -> None:
    intermediate = issue("intermediate", pki().root, ca=True)
    leaf = issue("device-a", intermediate)
    with Bench(tmp_path, None, client_ca=intermediate.pem, partial_chain=True) as bench:
        bench.device(identity=leaf)
        bench.wait("tls")
    with Bench(tmp_path, None, client_ca=intermediate.pem) as bench:
        with pytest.raises(ssl.SSLError):
            bench.device(tls=V12, identity=leaf)
        assert failure(bench)["reason"] == "client certificate refused"


def test_no_client_certificate_is_asked_for_when_told_so(tmp_path: Path) -> None:
    with Bench(tmp_path, None, client_ca=None) as bench:
        bench.device(identity=None)
        assert bench.wait("tls")["subject"] is None


def test_a_device_that_offers_no_version_in_common_is_told(bench: Bench) -> None:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_1_VERSION)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    with bench.raw() as raw, pytest.raises((SSL.Error, OSError)):
        handshake(SSL.Connection(context, raw))
    failed = failure(bench)
    assert failed["reason"] == "no TLS version in common"
    assert (failed["alert"], failed["alert_from"]) == ("protocol_version", "gateway")


def test_a_device_that_offers_no_cipher_in_common_is_told(bench: Bench) -> None:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(b"ECDHE-RSA-AES128-GCM-SHA256")  # the server's key is an elliptic curve's
    with bench.raw() as raw, pytest.raises((SSL.Error, OSError)):
        handshake(SSL.Connection(context, raw))
    failed = failure(bench)
    assert failed["reason"] == "no cipher suite in common"
    assert (failed["alert"], failed["alert_from"]) == ("handshake_failure", "gateway")


def handshake(connection: SSL.Connection) -> None:
    connection.setblocking(True)
    connection.set_connect_state()
    connection.do_handshake()


def hello(context: ssl.SSLContext) -> bytes:
    """A ClientHello, as bytes."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=NAME).do_handshake()
    return outgoing.read()


def test_a_device_that_closes_in_the_handshake_without_an_alert_is_told(bench: Bench, tmp_path: Path) -> None:
    with bench.raw() as raw:
        raw.sendall(hello(client_context(tmp_path, version=V12)))
        raw.recv(65536)  # all of the ServerHello's flight: closing with bytes unread would reset
    failed = failure(bench)
    assert failed["reason"] == "the device closed the connection in the handshake, without an alert"
    assert failed["alert"] is None
    assert failed["sni"] == NAME
    assert failed["step"] == "ServerHelloDone of the gateway"
    assert bench.wait("close")["by"] == "device"


def test_a_device_that_resets_in_the_handshake_is_told(bench: Bench, tmp_path: Path) -> None:
    with bench.raw() as raw:
        raw.sendall(hello(client_context(tmp_path, version=V12)))
        raw.recv(1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert failure(bench)["reason"] == "the device reset the connection in the handshake, without an alert"


def test_a_device_that_says_nothing_and_closes_is_told(bench: Bench) -> None:
    bench.raw().close()
    assert failure(bench)["reason"] == "the device closed the connection before sending anything"


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (b"\x10\x16\x00\x04MQTT\x04\x02\x00\x3c\x00\x0aplain-text", "plain MQTT on the TLS port"),
        (b"GET / HTTP/1.1\r\n\r\n", "plain HTTP on the TLS port"),
        (b"\x00\x01\x02\x03\x04\x05\x06\x07\x08", "not TLS: it begins with 00 01 02 03 04 05 06 07"),
    ],
    ids=["MQTT", "HTTP", "garbage"],
)
def test_what_is_no_tls_is_named(bench: Bench, first: bytes, reason: str) -> None:
    with bench.raw() as raw:
        raw.sendall(first)
        with contextlib.suppress(ConnectionResetError):
            while raw.recv(100):
                pass
    assert failure(bench)["reason"] == reason


def test_a_plain_connect_that_comes_in_pieces_is_named_too(bench: Bench) -> None:
    with bench.raw() as raw:
        raw.sendall(b"\x10")
        raw.sendall(b"\x16\x00\x04MQTT")
    assert failure(bench)["reason"] == "plain MQTT on the TLS port"


def test_a_handshake_that_does_not_end_is_ended(tmp_path: Path) -> None:
    with Bench(tmp_path, None, limits=Limits(handshake=0.2)) as bench:
        with bench.raw() as raw:
            assert raw.recv(1) == b""
        assert failure(bench)["reason"] == "the handshake did not end within 0.2 s"
        assert bench.wait("close")["by"] == "gateway"


def test_random_bytes_after_a_handshake_end_the_connection_alone(bench: Bench) -> None:
    device = bench.device()
    bench.wait("tls")
    raw = socket.socket(fileno=os.dup(device.socket.fileno()))
    with raw:
        raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
    failed = failure(bench)
    assert failed["reason"] == "a damaged TLS record"
    assert (failed["alert"], failed["alert_from"]) == ("bad_record_mac", "gateway")


def test_a_close_notify_is_a_polite_end(bench: Bench) -> None:
    device = bench.device()
    with contextlib.suppress(ssl.SSLError, OSError):
        device.socket.unwrap()
    close = bench.wait("close")
    assert (close["by"], close["how"]) == ("device", "fin")


def test_the_gateway_says_close_notify_when_it_closes(bench: Bench) -> None:
    device = bench.device()
    bench.wait("tls")
    bench.gateway.drop("a", how="fin")
    assert device.socket.recv(1) == b""  # without close_notify this would raise SSLEOFError
    close = bench.wait("close")
    assert (close["by"], close["how"]) == ("gateway", "fin")


def test_keys_that_do_not_fit_are_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match="key belongs to another certificate") as caught:
        make_context(TlsSettings(pki().server.chain_pem, pki().device.key_pem, None))
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="client CA is no PEM"):
        make_context(TlsSettings(pki().server.chain_pem, pki().server.key_pem, b"nonsense"))
    with pytest.raises(ValueError, match="server identity cannot be used"):
        make_context(TlsSettings(b"nonsense", b"nonsense", None))


def test_a_key_is_not_shown_by_what_holds_it() -> None:
    key = pki().server.key_pem
    shown = repr(ServerIdentity(b"chain", key)) + repr(TlsSettings(b"chain", key, None))
    assert "PRIVATE" not in shown


def test_a_client_hello_is_read(tmp_path: Path) -> None:
    record = hello(client_context(tmp_path, version=V13))
    found = parse_client_hello(record[5:])
    assert found.sni == NAME
    assert found.versions == ("TLSv1.3",)
    assert 0x1301 in found.ciphers
    for cut in range(len(record) - 5):
        with pytest.raises(ValueError, match="ClientHello"):
            parse_client_hello(record[5 : 5 + cut])


def test_a_name_in_a_hello_stays_on_its_line(tmp_path: Path) -> None:
    record = hello(client_context(tmp_path, version=V13))
    assert record.count(NAME.encode()) == 1
    bad = b"\n\x1b[A\xff" + NAME.encode()[5:]
    assert parse_client_hello(record.replace(NAME.encode(), bad)[5:]).sni == "\\x0a\\x1b[A\\xff" + NAME[5:]


def test_names_of_alerts_and_first_bytes() -> None:
    assert alert_name(48) == "unknown_ca"
    assert alert_name(77) == "alert 77"
    assert what_is_this(b"") is None
    assert what_is_this(b"\x16\x03\x01") is None
    assert what_is_this(b"\x10\x0e\x00\x06MQIsdp") == "plain MQTT on the TLS port"
    assert what_is_this(b"\x80\x2e\x01\x00\x02") == "an SSL 2 hello"


def test_no_connection_is_left_behind(bench: Bench) -> None:
    devices: list[Device] = [bench.device() for _ in range(5)]
    bench.timeline.wait_count(where("gateway", "tls"), 5, timeout=LIMIT)
    assert len(bench.gateway.connections("a")) == 5
    for device in devices:
        device.drop()
    bench.timeline.wait_count(where("gateway", "close"), 5, timeout=LIMIT)
    assert bench.gateway.connections() == []
