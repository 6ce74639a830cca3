"""What `hil chain` chooses is what mbedTLS, the TLS stack of most devices, needs in order to connect."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

import pytest
from chain_servers import LIMIT, NAME, NOW, authority, identity, intermediate, leaf, listening, presenting
from cryptography import x509

from hil.chain.endpoint import Endpoint
from hil.chain.fetch import fetch
from hil.chain.store import Store
from hil.chain.survey import survey
from hil.credentials import Flaw, ServerIdentity, broken
from hil.credentials.identity import certificates, pem

tls = pytest.importorskip("mbedtls.tls", reason="python-mbedtls is not installed")
pk = pytest.importorskip("mbedtls.pk")
mbed = pytest.importorskip("mbedtls.x509")


def connects(endpoint: Endpoint, anchors: tuple[x509.Certificate, ...]) -> bool:
    """Whether an mbedTLS client that trusts the anchors alone completes a handshake."""
    trust = tls.TrustStore()
    for anchor in anchors:
        trust.add(mbed.CRT.from_PEM(pem(anchor).decode()))
    context = tls.ClientContext(tls.TLSConfiguration(trust_store=trust, validate_certificates=True))
    with socket.create_connection((endpoint.host, endpoint.port), timeout=LIMIT) as sock:
        wrapped = context.wrap_socket(sock, server_hostname=NAME)
        try:
            wrapped.do_handshake()
        except Exception:
            return False
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        return True


def look(folder: Path, server: ServerIdentity, *stored: x509.Certificate) -> tuple[bool, bool]:
    """Whether mbedTLS connects with what was chosen, and whether with the root alone."""
    root = authority().root.certificate
    with presenting(folder, server) as endpoint:
        fetched = fetch(endpoint, NAME, timeout=LIMIT)
        choice = survey(fetched, Store("test", (root,)), NOW).choice
        if stored:  # as if it had been fetched
            from hil.chain.choose import choose
            from hil.chain.path import ordered

            choice = choose(ordered(fetched.certificates, [root], NOW, stored), fetched.certificates)
        return connects(endpoint, choice.certificates), connects(endpoint, (root,))


HARMLESS = [Flaw.DUPLICATES, Flaw.ROOT_INCLUDED, Flaw.LARGE_CHAIN]


@pytest.mark.parametrize("flaw", HARMLESS, ids=str)
def test_odd_chains_need_the_root_alone(flaw: Flaw, tmp_path: Path) -> None:
    assert look(tmp_path, broken.server(authority(), [NAME], flaw)) == (True, True)


def test_a_good_chain(tmp_path: Path) -> None:
    assert look(tmp_path, authority().issue_server([NAME])) == (True, True)


def test_swapped_intermediates_need_more_than_the_root(tmp_path: Path) -> None:
    assert look(tmp_path, broken.server(authority(), [NAME], Flaw.SWAPPED_INTERMEDIATES)) == (True, False)


def test_a_missing_intermediate_needs_more_than_the_root(tmp_path: Path) -> None:
    server = broken.server(authority(), [NAME], Flaw.NO_INTERMEDIATE)
    assert look(tmp_path, server, authority().intermediate.certificate) == (True, False)


def test_a_server_that_signed_itself(tmp_path: Path) -> None:
    assert look(tmp_path, broken.server(authority(), [NAME], Flaw.SELF_SIGNED)) == (True, False)


def test_an_unrelated_certificate_in_between(tmp_path: Path) -> None:
    middle = authority().intermediate
    assert look(tmp_path, identity(leaf(middle), intermediate("stranger", None), middle)) == (True, True)


def test_the_servers_own_certificate_is_no_anchor(tmp_path: Path) -> None:
    server = authority().issue_server([NAME])
    with presenting(tmp_path, server) as endpoint:
        own = fetch(endpoint, NAME, timeout=LIMIT).certificates[0]
        assert not connects(endpoint, (own,))
        assert connects(endpoint, (authority().intermediate.certificate,))


def test_more_intermediates_than_mbedtls_takes(tmp_path: Path) -> None:
    assert look(tmp_path, broken.server(authority(), [NAME], Flaw.DEEP_CHAIN)) == (False, False)


def test_a_server_that_does_not_hold_the_key_of_its_certificate(tmp_path: Path) -> None:
    """mbedTLS serves such a pair, where OpenSSL refuses to."""
    server = broken.server(authority(), [NAME], Flaw.OTHER_KEY)
    shown = tuple(mbed.CRT.from_PEM(pem(one).decode()) for one in certificates(server.chain_pem))
    key = pk.ECC.from_PEM(server.key_pem.decode())
    context = tls.ServerContext(tls.TLSConfiguration(certificate_chain=(shown, key), validate_certificates=False))

    def serve(connection: socket.socket) -> None:
        with suppress(Exception):
            context.wrap_socket(connection).do_handshake()

    with listening(serve) as endpoint:
        fetched = fetch(endpoint, NAME, timeout=LIMIT)
    found = survey(fetched, Store("test", (authority().root.certificate,)), NOW)
    assert [finding.about for finding in found.faults] == ["other-key"]
