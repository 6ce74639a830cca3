"""Servers differ: one speaks TLS 1.2 alone, another has lost its session tickets, a third has revoked a certificate."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hil.bench import Bench
from hil.board import Board
from hil.gateway import Gateway
from hil.gateway.faults import CipherSuites, Resumption, TlsVersions
from hil.timeline import Timeline, where

from .first_attempt import first_attempt

pytestmark = [pytest.mark.tls, pytest.mark.needs("own-tls", "gateway")]

Tell = Callable[[str], None]

#: What a careful server of today leaves of TLS 1.2 (RFC 9325 section 4.2).
RECOMMENDED = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
)


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.scenario(
    "speaks with a careful server",
    covers=("Device Advisor: TLS connect", "RFC 9325 sections 3.1.1 and 4.2"),
    waits="online.within, twice",
)
def test_speaks_with_a_careful_server(
    board: Board, gateway: Gateway, timeline: Timeline, version: str, finding: Tell
) -> None:
    """A server takes one version and recommended suites alone. TLS 1.2 it must speak; TLS 1.3 is a finding."""
    with (
        gateway.fault(TlsVersions(version, version), board=board.name),
        gateway.fault(CipherSuites(tls12=RECOMMENDED), board=board.name),
    ):
        attempt = first_attempt(timeline, board)
    met = any(event.kind == "tls" for event in attempt.events)
    if version == "TLSv1.3":
        finding(f"TLS 1.3 is {'spoken' if met else 'not spoken'}")
    else:
        assert met, f"no handshake with a server of {version} and recommended suites: {attempt}"


@pytest.mark.parametrize("server", ["remembers", "forgets"])
@pytest.mark.scenario(
    "connects again whether or not its session is remembered",
    covers=("session resumption on and off",),
    waits="online.within, twice, and retry.most",
)
def test_connects_again_whether_or_not_its_session_is_remembered(
    board: Board, gateway: Gateway, timeline: Timeline, server: str, finding: Tell
) -> None:
    """Cut off, it comes back to a server that resumes TLS sessions, and to one that issues tickets and forgets them."""
    with gateway.fault(Resumption(on=server == "remembers"), board=board.name):
        board.power_cycle()
        board.wait_online()
        mark = timeline.mark()
        gateway.drop(board.name)
        board.wait_online(after=mark, timeout=board.contract.online.within + board.contract.retry.most)
    tls = timeline.last(where("gateway", "tls", board.name))
    if server == "remembers" and tls is not None:
        finding(f"TLS sessions are {'resumed' if tls['resumed'] else 'not resumed: a full handshake each time'}")


@pytest.mark.needs("client-certificate", "retry")
@pytest.mark.scenario(
    "stays away with a revoked certificate, and no longer",
    covers=("client certificate revoked",),
    waits="online.within, twice, and retry.most",
)
def test_stays_away_with_a_revoked_certificate(bench: Bench, board: Board) -> None:
    """Its certificate is on the list of those revoked: it is refused, and goes on trying until it is off the list."""
    with bench.revoking(board):
        attempt = first_attempt(bench.timeline, board)
        failed = attempt.events[-1]
        revoked = [e for e in attempt.events if e.kind == "tls-failed"]
        assert revoked, f"a revoked certificate was accepted: {attempt}"
        assert revoked[0]["alert"] == "certificate_revoked", revoked[0]
    board.wait_online(after=failed.sequence, timeout=board.contract.online.within + board.contract.retry.most)
