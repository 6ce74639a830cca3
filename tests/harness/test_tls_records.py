"""Records cut small and large, and connections closed with and without goodbye."""

from __future__ import annotations

import contextlib
import shutil
import ssl
import threading
from pathlib import Path

import pytest
from certificates import NAME, client_context, pki
from gateway_bench import LIMIT, SERVER, Bench
from tls_clients import CLIENTS, V12, V13, VERSIONS, Met, with_ssl

from hil.credentials import Authority, Flaw, broken
from hil.gateway import CloseHandshake, NoCloseNotify, PresentCertificate, RecordSize, TlsVersions
from hil.gateway.tls import Script, Stop, TlsSession, TlsSettings, make_context
from hil.gateway.tls.keys import SecretLog
from hil.wire.mqtt import Connect, Publish, Suback, Subscribe, Subscription, Version, encode

BOTH = pytest.mark.parametrize("version", [V12, V13])
EACH_CLIENT = pytest.mark.parametrize("client", list(CLIENTS.values()), ids=list(CLIENTS))
openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")

HANDSHAKE, APPLICATION = 22, 23
SEALED = 17
"""Bytes that TLS 1.3's protection adds to a record: the content type and the tag."""


def receives(bench: Bench, version: str, payload: bytes) -> None:
    """A device subscribes and receives this payload."""
    device = bench.device(tls=VERSIONS[version])
    device.connect(keep_alive=0)
    device.send(Subscribe(1, (Subscription("large", 0),)))
    assert isinstance(device.receive(), Suback)
    assert bench.monitor is not None
    bench.monitor.publish("large", payload)
    message = device.receive()
    assert isinstance(message, Publish)
    assert message.payload == payload


def until_dropped(bench: Bench, client: object, directory: Path, version: str) -> Met:
    """What a client meets whose handshake is let through, and on which the gateway then closes."""
    assert callable(client)
    seen: list[Met] = []
    mark = bench.timeline.mark()
    endpoint = bench.gateway.endpoint("a")
    thread = threading.Thread(target=lambda: seen.append(client(endpoint, directory, version)))
    thread.start()
    bench.wait("tls", after=mark)
    bench.gateway.drop("a", "fin")
    thread.join(LIMIT)
    return seen[0]


# -- records ---------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("most", [1, 7, 512, 16384])
def test_a_large_message_comes_in_records_of_any_size(bench: Bench, version: str, most: int) -> None:
    with bench.gateway.fault(RecordSize(most)):
        receives(bench, version, bytes(range(256)) * (4 if most == 1 else 160))


@EACH_CLIENT
@BOTH
@openssl
@pytest.mark.parametrize("most", [1, 16384])
def test_each_client_takes_handshake_records_of_any_size(
    bench: Bench, tmp_path: Path, client: object, version: str, most: int
) -> None:
    bench.gateway.arm(RecordSize(most, "handshake"))
    met = until_dropped(bench, client, tmp_path, version)
    assert met.completed
    assert met.alert is None


@BOTH
@pytest.mark.parametrize("most", [1, 100])
def test_handshake_records_hold_no_more_than_they_shall(bench: Bench, tmp_path: Path, version: str, most: int) -> None:
    bench.gateway.arm(RecordSize(most, "handshake"))
    met = until_dropped(bench, with_ssl, tmp_path, version)
    assert met.completed
    plain = [size for content, size in met.records if content == HANDSHAKE]
    if version == V13:
        assert max(plain) <= most  # ServerHello; then under keys, up to the Finished
        sealed = [size for content, size in met.records if content == APPLICATION]
        small = [size for size in sealed if size <= most + SEALED]
        assert sum(size - SEALED for size in small) > 500
        large = [size for size in sealed if size > most + SEALED]
        assert len(large) <= 3, "two session tickets, and close_notify"
    else:
        ticket, finished = plain[-2:]
        assert max(plain[:-1]) <= most or ticket == most
        assert finished == 40, "the Finished is under keys, and left as it is"


@BOTH
def test_handshake_messages_share_a_record_where_it_is_large(bench: Bench, tmp_path: Path, version: str) -> None:
    ordinary = until_dropped(bench, with_ssl, tmp_path, version)
    bench.gateway.arm(RecordSize(16384, "handshake"))
    large = until_dropped(bench, with_ssl, tmp_path, version)
    assert large.completed
    assert large.messages == ordinary.messages
    assert len(ordinary.records) - len(large.records) >= 4


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_records_of_an_old_version_bear_its_number(bench: Bench) -> None:
    context = client_context(bench.directory, device=pki().device)
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    bench.gateway.arm(TlsVersions("TLSv1.1", "TLSv1.1"))
    bench.gateway.arm(RecordSize(50))
    bench.device(context=context).connect()
    bench.gateway.arm(CloseHandshake("server-hello-done", "alert", "access_denied"))
    with pytest.raises(ssl.SSLError, match="ACCESS_DENIED"):
        bench.device(context=context)


def test_application_records_hold_what_they_shall(bench: Bench, tmp_path: Path) -> None:
    bench.gateway.arm(RecordSize(2, "application"))
    connect = encode(Connect("device-a", keep_alive=0), Version.V311)
    endpoint = bench.gateway.endpoint("a")
    seen: list[Met] = []
    thread = threading.Thread(target=lambda: seen.append(with_ssl(endpoint, tmp_path, V13, send=connect)))
    thread.start()
    bench.wait("connack")
    bench.gateway.drop("a", "fin")
    thread.join(LIMIT)
    connack = [(APPLICATION, 2 + SEALED)] * 2  # four bytes
    assert any(seen[0].records[at : at + 2] == connack for at in range(len(seen[0].records)))


@BOTH
def test_large_chains_span_records_and_are_taken(tmp_path: Path, version: str) -> None:
    authority = Authority.create()
    chain = broken.server(authority, [NAME], Flaw.VERY_LARGE_CHAIN)
    with Bench(tmp_path, None) as bench:
        bench.gateway.arm(PresentCertificate(chain.chain_pem, chain.key_pem, "very-large-chain"))
        context = client_context(tmp_path, device=pki().device, version=VERSIONS[version])
        context.load_verify_locations(cadata=authority.trust_anchors_pem.decode())
        bench.device(context=context)
        bench.wait("tls")


def test_sizes_that_no_record_has_are_told() -> None:
    with pytest.raises(ValueError, match="most is 16385, expected 1 to 16384 bytes"):
        RecordSize(16385)
    with pytest.raises(ValueError, match="part is 'hello', expected one of all, handshake, application"):
        RecordSize(1, "hello")  # type: ignore[arg-type]


# -- sessions without a network --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["alert", "none"])
def test_a_hello_that_is_asked_again_changes_no_key(tmp_path: Path, how: str) -> None:
    """HelloRetryRequest: a ServerHello by its form, after which there are no keys yet (RFC 8446 section 4.1.4)."""
    stops = (Stop("server-finished", "alert", "access_denied"),) if how == "alert" else ()
    script = Script(stops=stops, handshake_record=9)
    settings = TlsSettings(SERVER.chain_pem, SERVER.key_pem, pki().root.pem, script=script)
    context = make_context(settings.for_context())
    context.set_ecdh_curve("secp384r1")
    session = TlsSession(context, script)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context(tmp_path, device=pki().device).wrap_bio(incoming, outgoing, server_hostname=NAME)
    said = None
    for _ in range(4):
        try:
            client.do_handshake()
            client.read(1)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            said = said or error.reason
        if outgoing.pending:
            session.receive(outgoing.read())
        incoming.write(session.outgoing())
    assert len(session.new_hellos()) == 2
    assert (said, session.established) == (("TLSV1_ALERT_ACCESS_DENIED", False) if stops else (None, True))


def test_what_a_stalled_device_says_is_not_heaped_up(tmp_path: Path) -> None:
    """A TLS 1.3 client that is stalled behind its Finished believes itself connected, and may talk on."""
    script = Script(stops=(Stop("client-finished", "stall"),))
    session = TlsSession(make_context(TlsSettings(SERVER.chain_pem, SERVER.key_pem, pki().root.pem)), script)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context(tmp_path, device=pki().device).wrap_bio(incoming, outgoing, server_hostname=NAME)
    for _ in range(2):
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        session.receive(outgoing.read())
        incoming.write(session.outgoing())
    assert session.stalls()
    for _ in range(3):
        client.write(b"x" * 10_000)
        assert session.receive(outgoing.read()) == b""
    assert session._in.pending == 0
    assert not session.established
    assert session.failure is None


def test_the_key_log_stays_short_and_forgets_the_oldest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    log = SecretLog(context)
    monkeypatch.setattr("hil.gateway.tls.keys._MOST_SESSIONS", 2)
    assert context.keylog_filename is not None
    for number in range(3):
        with open(context.keylog_filename, "ab") as file:
            file.write(b"# comment\nSERVER_TRAFFIC_SECRET_0 %064x 0%d\n" % (number, number))
        assert log.find("SERVER_TRAFFIC_SECRET_0", number.to_bytes(32, "big")) == bytes([number])
        assert Path(context.keylog_filename).stat().st_size == 0
    with pytest.raises(KeyError):
        log.find("SERVER_TRAFFIC_SECRET_0", bytes(32))


# -- goodbye ---------------------------------------------------------------------------------------------------------


@EACH_CLIENT
@BOTH
@openssl
def test_the_gateway_closes_with_and_without_close_notify(
    bench: Bench, tmp_path: Path, client: object, version: str
) -> None:
    assert until_dropped(bench, client, tmp_path, version).ended == "close-notify"
    with bench.gateway.fault(NoCloseNotify()):
        assert until_dropped(bench, client, tmp_path, version).ended == "eof"
