"""Handshakes with a real mbedTLS, the TLS stack of most devices: it refuses what the table of flaws says it does,
and the gateway refuses what it shows; with the code and the alert of each side."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import NAME
from gateway_bench import LIMIT, Bench

from hil.credentials import Authority, Flaw, broken
from hil.credentials.identity import certificates, pem
from hil.gateway import PresentCertificate
from hil.timeline import Event

tls = pytest.importorskip("mbedtls.tls", reason="python-mbedtls is not installed: it has no wheels for this Python")
pk = pytest.importorskip("mbedtls.pk")
mbed = pytest.importorskip("mbedtls.x509")
failures = pytest.importorskip("mbedtls.exceptions")

AUTHORITY = Authority.create("test bench")
DOCUMENT = Path(__file__).parents[2] / "docs" / "certificates.md"

#: What mbedTLS 2.28 sends for which flag; certificate_unknown for all others. Source: its ssl_tls.c, as seen here.
ALERTS = {
    0x1: "certificate_expired",
    0x4: "bad_certificate",
    0x8: "unknown_ca",
    0x1000: "unsupported_certificate",
    0x10000: "unsupported_certificate",
}
#: What OpenSSL sends for which verify code; unknown_ca for all others.
GATEWAY_ALERTS = {
    7: "decrypt_error",
    9: "bad_certificate",
    10: "certificate_expired",
    26: "unsupported_certificate",
    66: "bad_certificate",
    68: "bad_certificate",
}


def as_server(flaw: Flaw) -> tuple[int, str | None]:
    """The code with which an mbedTLS client refuses it, negated as Python shows it, and its alert; 0: it connects."""
    if flaw is Flaw.VERY_LARGE_CHAIN:
        return 0x7080, None  # a message of more than the 16 KiB of its buffer
    if flaw is Flaw.DEEP_CHAIN:
        return 0x3000, "access_denied"
    if flaw.in_key:
        return 0x4E00, "decrypt_error"
    if not flaw.mbedtls:
        return 0, None
    return 0x7A00 if flaw.mbedtls == 0x1000 else 0x2700, ALERTS.get(flaw.mbedtls, "certificate_unknown")


def as_device(flaw: Flaw) -> tuple[int | None, str | None]:
    """The gateway's verify code and its alert for an mbedTLS client that shows it; all None where it connects."""
    if flaw is Flaw.WRONG_ORDER:
        return 26, "unsupported_certificate"  # the first certificate is an authority's, not a client's
    if flaw.in_key:
        return None, "decrypt_error"
    if flaw.harmless or flaw in (Flaw.WRONG_NAME, Flaw.VERY_LARGE_CHAIN):
        return None, None
    assert flaw.verdict is not None
    return flaw.verdict, GATEWAY_ALERTS.get(flaw.verdict, "unknown_ca")


def connect(endpoint: tuple[str, int], **options: Any) -> int:
    """A handshake of an mbedTLS client that checks; its error code, 0 if there was none.

    The wrapper's own sockets do not send the last alert, so its bytes are carried here.
    """
    trust = tls.TrustStore()
    for anchor in certificates(AUTHORITY.trust_anchors_pem):
        trust.add(mbed.CRT.from_PEM(pem(anchor).decode()))
    context = tls.ClientContext(tls.TLSConfiguration(trust_store=trust, validate_certificates=True, **options))
    client = context.wrap_buffers(NAME)
    with socket.create_connection(endpoint, timeout=LIMIT) as sock:
        try:
            while client._handshake_state is not tls.HandshakeStep.HANDSHAKE_OVER:
                _step(client, sock)
        except failures.TLSError as error:
            _send(client, sock)
            return int(error.err)
        except ConnectionError:
            return -1
    return 0


def _step(client: Any, sock: socket.socket) -> None:
    try:
        client.do_handshake()
    except tls.WantWriteError:
        pass
    except tls.WantReadError:
        _send(client, sock)
        arrived = sock.recv(16384)
        if not arrived:
            raise ConnectionError("closed in the handshake") from None
        client.receive_from_network(arrived)
    _send(client, sock)


def _send(client: Any, sock: socket.socket) -> None:
    while waiting := client.peek_outgoing(16384):
        sock.sendall(waiting)
        client.consume_outgoing(len(waiting))


def ended(bench: Bench, mark: int) -> Event:
    """How the gateway saw the handshake end: its 'tls' or 'tls-failed' event."""
    bench.wait("close", after=mark)
    return next(e for e in bench.timeline.events(after=mark) if e.kind in ("tls", "tls-failed"))


@pytest.fixture(scope="module")
def any_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Bench(tmp_path_factory.mktemp("server"), None, client_ca=None) as made:
        yield made


@pytest.fixture(scope="module")
def checking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    server = AUTHORITY.issue_server([NAME])
    with Bench(tmp_path_factory.mktemp("device"), None, server=server, client_ca=AUTHORITY.trust_anchors_pem) as made:
        yield made


@pytest.mark.parametrize("flaw", list(Flaw), ids=str)
def test_mbedtls_refuses_a_server_that_shows_it(any_client: Bench, flaw: Flaw) -> None:
    server, mark = broken.server(AUTHORITY, [NAME], flaw), any_client.timeline.mark()
    with any_client.gateway.fault(PresentCertificate(server.chain_pem, server.key_pem, flaw)):
        code = connect(any_client.gateway.endpoint("a"))
    seen = ended(any_client, mark)
    wanted, alert = as_server(flaw)
    assert code == wanted
    assert seen.kind == ("tls-failed" if wanted else "tls")
    assert (seen.data.get("alert"), seen.data.get("alert_from")) == (alert, alert and "device")


@pytest.mark.parametrize("flaw", list(Flaw), ids=str)
def test_the_gateway_refuses_an_mbedtls_client_that_shows_it(checking: Bench, flaw: Flaw) -> None:
    device, mark = broken.device(AUTHORITY, "x", flaw), checking.timeline.mark()
    chain = tuple(mbed.CRT.from_PEM(pem(one).decode()) for one in certificates(device.chain_pem))
    kind = pk.RSA if flaw is Flaw.WEAK_KEY else pk.ECC
    shown = (chain, kind.from_PEM(device.key_pem.decode()))
    code = connect(checking.gateway.endpoint("a"), certificate_chain=shown)
    seen = ended(checking, mark)
    verify_code, alert = as_device(flaw)
    if flaw is Flaw.VERY_LARGE_CHAIN:  # it cannot send what does not fit its buffer
        assert (code, seen.kind, seen.data.get("alert")) == (0x7500, "tls-failed", None)
        return
    assert seen.kind == ("tls-failed" if alert else "tls")
    assert bool(code) is bool(alert)
    assert (seen.data.get("verify_code"), seen.data.get("alert")) == (verify_code, alert)
    assert seen.data.get("alert_from") == (alert and "gateway")
    if alert is None:
        assert seen.data["subject"] == device.subject


def test_the_table_in_the_documents_says_the_same() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (connects|-0x[^|]+) \| ([^|]+) \|$", DOCUMENT.read_text(), re.MULTILINE)
    assert {name: (server, device) for name, server, device in rows} == {flaw.value: in_words(flaw) for flaw in Flaw}


def in_words(flaw: Flaw) -> tuple[str, str]:
    """The row of the document's table."""
    code, alert = as_server(flaw)
    server = f"-0x{code:X}, {alert or 'no alert'}" if code else "connects"
    verify_code, alert = as_device(flaw)
    if flaw is Flaw.VERY_LARGE_CHAIN:
        return server, "the device breaks off: -0x7500, no alert"
    if alert is None:
        return server, "connects"
    return server, f"{verify_code or 'signature'}, {alert}"
