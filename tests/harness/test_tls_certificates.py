"""Every flawed server certificate, shown by the gateway to clients that check: what OpenSSL refuses, and what not."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import NAME
from gateway_bench import Bench
from tls_clients import V12, V13, VERSIONS

from hil.credentials import Authority, Flaw, broken
from hil.gateway import PresentCertificate

AUTHORITY = Authority.create("test bench")
BOTH = pytest.mark.parametrize("version", [V12, V13])


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


def test_what_no_server_can_show_is_told_when_the_fault_is_made() -> None:
    identity, other = AUTHORITY.issue_server([NAME]), AUTHORITY.issue_server([NAME])
    with pytest.raises(ValueError, match="its key belongs to another certificate"):
        PresentCertificate(identity.chain_pem, other.key_pem)
