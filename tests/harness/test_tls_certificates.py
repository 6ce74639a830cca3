"""Every flawed certificate, shown by the gateway to clients that check, and by a client to the gateway: what OpenSSL
refuses, and what not."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import NAME, client_context
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from gateway_bench import Bench
from tls_clients import V12, V13, VERSIONS

from hil.credentials import Authority, Flaw, broken
from hil.gateway import PresentCertificate

AUTHORITY = Authority.create("test bench")
BOTH = pytest.mark.parametrize("version", [V12, V13])


BAD = "bad_certificate"
ALERTS = {7: "decrypt_error", 9: BAD, 10: "certificate_expired", 26: "unsupported_certificate", 66: BAD, 68: BAD}
"""What OpenSSL says for which verify code; for all others unknown_ca."""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path, None, client_ca=None) as made:
        yield made


@BOTH
@pytest.mark.parametrize("flaw", list(Flaw), ids=str)
def test_a_client_that_checks_refuses_what_is_bad_alone(bench: Bench, flaw: Flaw, version: str) -> None:
    identity = broken.server(AUTHORITY, [NAME], flaw)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = VERSIONS[version]
    context.load_verify_locations(cadata=AUTHORITY.trust_anchors_pem.decode())
    with bench.gateway.fault(PresentCertificate(identity.chain_pem, identity.key_pem, flaw)):
        if flaw.harmless:
            device = bench.device(context=context)
            assert device.socket.getpeercert()["subjectAltName"][0] == ("DNS", NAME)
            bench.wait("tls")
        elif flaw.in_key:
            with pytest.raises(ssl.SSLError, match=r"(?i)bad.signature"):
                bench.device(context=context)
            assert bench.wait("tls-failed")["alert_from"] == "device"
            assert "tls" not in bench.kinds()
        else:
            with pytest.raises(ssl.SSLCertVerificationError) as caught:
                bench.device(context=context)
            assert flaw.verdict in (caught.value.verify_code, None)
            failed = bench.wait("tls-failed")
            assert failed["alert_from"] == "device"
            assert "tls" not in bench.kinds()
    applied = bench.wait("fault", state="applied")
    assert applied["label"] == flaw


def shown(flaw: Flaw, version: str, directory: Path) -> ssl.SSLContext:
    """A device's context with that flaw in its certificate. TLS libraries load no key that is not the certificate's."""
    device = broken.device(AUTHORITY, "x", flaw)
    key = device.key_pem
    if flaw.in_key:
        leaf = x509.load_pem_x509_certificate(device.chain_pem)
        key = broken.claiming(load_pem_private_key(key, None), leaf)
    (directory / "device.pem").write_bytes(key + device.chain_pem)
    context = client_context(directory, version=VERSIONS[version])
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(directory / "device.pem")
    return context


@pytest.mark.parametrize("version", [V12, V13])
def test_the_gateway_refuses_what_is_bad_alone(tmp_path: Path, version: str) -> None:
    with Bench(tmp_path, None, client_ca=AUTHORITY.trust_anchors_pem) as bench:
        for flaw in (flaw for flaw in Flaw if flaw is not Flaw.WRONG_ORDER):
            mark, context = bench.timeline.mark(), shown(flaw, version, tmp_path)
            if flaw.harmless or flaw is Flaw.WRONG_NAME:
                bench.device(context=context)
                assert bench.wait("tls", after=mark)["subject"] == broken.device(AUTHORITY, "x", flaw).subject, flaw
                continue
            with pytest.raises(ssl.SSLError):
                # With TLS 1.3 the device believes itself connected and meets the alert at its first read.
                bench.device(context=context).socket.recv(1)
            failed = bench.wait("tls-failed", after=mark)
            assert failed["alert_from"] == "gateway", flaw
            if flaw.in_key:
                assert failed["reason"] == "the client certificate's key did not sign the handshake", flaw
                assert failed["alert"] == "decrypt_error", flaw
            else:
                assert failed["verify_code"] == flaw.verdict, flaw
                assert failed["alert"] == ALERTS.get(failed["verify_code"], "unknown_ca"), flaw


def test_what_no_server_can_show_is_told_when_the_fault_is_made() -> None:
    identity, other = AUTHORITY.issue_server([NAME]), AUTHORITY.issue_server([NAME])
    with pytest.raises(ValueError, match="its key belongs to another certificate"):
        PresentCertificate(identity.chain_pem, other.key_pem)
