"""What servers send, as sent, and one clear line for each way in which they send nothing."""

from __future__ import annotations

import contextlib
import socket
import ssl
from pathlib import Path

import pytest
from chain_servers import LIMIT, NAME, authority, context, identity, intermediate, leaf, listening, presenting
from OpenSSL import SSL

from hil.chain.endpoint import ChainError, Endpoint
from hil.chain.fetch import fetch
from hil.credentials import Flaw, broken
from hil.credentials.identity import certificates

SENDABLE = [flaw for flaw in Flaw if not flaw.in_key]  # with those there is no handshake


@pytest.mark.parametrize("flaw", SENDABLE, ids=str)
def test_the_chain_is_seen_just_as_it_was_sent(flaw: Flaw, tmp_path: Path) -> None:
    server = broken.server(authority(), [NAME], flaw)
    with presenting(tmp_path, server) as endpoint:
        fetched = fetch(endpoint, NAME, timeout=LIMIT)
    assert list(fetched.certificates) == certificates(server.chain_pem)
    assert fetched.ended is None
    assert not fetched.asks


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("asks", [False, True])
def test_both_versions_with_and_without_a_demand_for_a_client_certificate(
    version: str, asks: bool, tmp_path: Path
) -> None:
    def adjust(made: ssl.SSLContext) -> None:
        number = ssl.TLSVersion.TLSv1_2 if version == "1.2" else ssl.TLSVersion.TLSv1_3
        made.minimum_version = made.maximum_version = number
        if asks:
            made.verify_mode = ssl.CERT_REQUIRED
            made.load_verify_locations(cadata=authority().trust_anchors_pem.decode())

    with presenting(tmp_path, authority().issue_server([NAME]), adjust=adjust) as endpoint:
        fetched = fetch(endpoint, NAME, timeout=LIMIT)
    assert len(fetched.certificates) == 2
    assert fetched.version == f"TLSv{version}"
    assert fetched.asks is asks


def test_the_issuers_that_a_server_accepts_for_clients_are_told(tmp_path: Path) -> None:
    context(tmp_path, authority().issue_server([NAME]))  # for its file
    (tmp_path / "accepted.pem").write_bytes(authority().trust_anchors_pem)
    made = SSL.Context(SSL.TLS_SERVER_METHOD)
    made.use_certificate_chain_file(str(tmp_path / "server.pem"))
    made.use_privatekey_file(str(tmp_path / "server.pem"))
    made.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    made.load_client_ca(str(tmp_path / "accepted.pem").encode())

    def serve(connection: socket.socket) -> None:
        connection.setblocking(True)
        tls = SSL.Connection(made, connection)
        tls.set_accept_state()
        with contextlib.suppress(SSL.Error):
            tls.do_handshake()

    with listening(serve) as endpoint:
        assert fetch(endpoint, NAME, timeout=LIMIT).accepts == ("CN=test root",)


def test_a_version_alone_can_be_asked_for(tmp_path: Path) -> None:
    with presenting(tmp_path, authority().issue_server([NAME])) as endpoint:
        assert fetch(endpoint, NAME, timeout=LIMIT, version="1.2").version == "TLSv1.2"
        assert fetch(endpoint, NAME, timeout=LIMIT).version == "TLSv1.3"


def test_a_version_that_the_server_does_not_speak(tmp_path: Path) -> None:
    def adjust(made: ssl.SSLContext) -> None:
        made.maximum_version = ssl.TLSVersion.TLSv1_2

    with (
        presenting(tmp_path, authority().issue_server([NAME]), adjust=adjust) as endpoint,
        pytest.raises(ChainError, match="alert 'protocol version'"),
    ):
        fetch(endpoint, NAME, timeout=LIMIT, version="1.3")


def test_the_name_decides_which_certificate_comes(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = context(tmp_path / "other", authority().issue_server(["other.test"]))
    asked = []

    def adjust(made: ssl.SSLContext) -> None:
        def choose(sock: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            asked.append(name)
            if name == "other.test":
                sock.context = other

        made.sni_callback = choose

    with presenting(tmp_path, authority().issue_server([NAME]), adjust=adjust) as endpoint:
        assert "CN=other.test" in fetch(endpoint, "other.test", timeout=LIMIT).certificates[0].subject.rfc4514_string()
        assert NAME in fetch(endpoint, timeout=LIMIT).certificates[0].subject.rfc4514_string()
    assert asked == ["other.test", None], "an address is no name to ask for"


def test_a_name_with_letters_beyond_ascii_is_asked_for_as_certificates_have_it(tmp_path: Path) -> None:
    with presenting(tmp_path, authority().issue_server([NAME])) as endpoint:
        assert fetch(endpoint, "bücher.test", timeout=LIMIT).name == "xn--bcher-kva.test"


def test_a_chain_of_thirty_certificates(tmp_path: Path) -> None:
    above = [authority().root]
    for number in range(29):
        above.append(intermediate(f"level {number}", above[-1]))
    server = identity(leaf(above[-1]), *reversed(above[1:]))
    with presenting(tmp_path, server) as endpoint:
        assert len(fetch(endpoint, NAME, timeout=LIMIT).certificates) == 30


# -- no chain ----------------------------------------------------------------------------------------------------------


def refused(endpoint: Endpoint, timeout: float = LIMIT, name: str | None = None) -> str:
    with pytest.raises(ChainError) as raised:
        fetch(endpoint, name, timeout=timeout)
    words = str(raised.value)
    assert "\n" not in words
    return words


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "connection refused" in refused(Endpoint("127.0.0.1", port))


def test_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "'nowhere.invalid' cannot be resolved (Name or service" in refused(Endpoint("nowhere.invalid", 8883))


def test_a_name_that_is_none() -> None:
    assert "expected a DNS name" in refused(Endpoint("a" * 70 + ".test", 8883))
    assert "expected a DNS name" in refused(Endpoint("127.0.0.1", 8883), name="a" * 70)


def test_packets_that_vanish(monkeypatch: pytest.MonkeyPatch) -> None:
    def vanish(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(socket.socket, "connect", vanish)
    assert "no answer within 3 s" in refused(Endpoint("127.0.0.1", 8883), timeout=3)


def test_a_port_that_takes_connections_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = refused(Endpoint("127.0.0.1", server.getsockname()[1]), timeout=0.3)
    assert "no answer within the time-out; a port without TLS" in words


@pytest.mark.parametrize("banner", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 mail ready\r\n", b"\x20\x02\x00\x00"])
def test_a_port_without_tls_that_answers(banner: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(banner)
        connection.recv(1)

    with listening(serve) as endpoint:
        assert "answers without TLS (b'" in refused(endpoint)


def test_a_port_without_tls_that_hangs_up() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)

    with listening(serve) as endpoint:
        assert "closed the connection; a port without TLS" in refused(endpoint)


def test_a_server_that_falls_silent_in_mid_handshake() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"\x16\x03\x03\x40\x00\x02\x00")  # the beginning of a ServerHello
        connection.recv(1)

    with listening(serve) as endpoint:
        assert "fell silent in mid-handshake" in refused(endpoint, timeout=0.5)


def test_garbage_within_tls_records() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"\x16\x03\x03\x00\x04\xff\xff\xff\xff")
        connection.recv(1)

    with listening(serve) as endpoint:
        assert "the handshake failed" in refused(endpoint)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("broker.test:8883", Endpoint("broker.test", 8883)),
        ("[::1]:443", Endpoint("::1", 443)),
        ("10.0.0.1:1", Endpoint("10.0.0.1", 1)),
    ],
)
def test_endpoints(text: str, endpoint: Endpoint) -> None:
    assert Endpoint.parse(text) == endpoint
    assert str(endpoint) == text


@pytest.mark.parametrize("text", ["", "broker", ":8883", "broker:", "broker:0", "broker:65536", "broker:x", "::1:8883"])
def test_what_is_no_endpoint(text: str) -> None:
    with pytest.raises(ChainError, match="expected HOST:PORT"):
        Endpoint.parse(text)
