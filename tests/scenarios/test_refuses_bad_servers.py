"""A device must not talk to a server that it cannot trust, and must come back once it meets the right one again.

Each case presents one broken certificate and everything else as it should be. The device must break off, with a TLS
alert that says so; without one nobody on the server's side learns why, which is a warning. Completing the handshake
is a failure, whatever it does afterwards. It must not restart for it, and its console should name it (else: warning).
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hil.attempts import Attempt, End
from hil.bench import Bench
from hil.board import Board
from hil.timeline import where

from .afterwards import gaps, must_have_waited, must_live, must_say_so
from .asking import MARGIN
from .first_attempt import first_attempt

pytestmark = [pytest.mark.tls, pytest.mark.needs("own-tls", "gateway")]

Tell = Callable[[str], None]

#: Refusals that are watched.
REFUSALS = 4

#: Signatures that do not fit: the issuer's below the certificate, or the server's own in the handshake.
SIGNATURES = ("wrong-signature", "wrong-key", "other-key")

#: Chains that are unusual and in order: OpenSSL and mbedTLS take them as they come.
UNUSUAL = ("duplicate-certificates", "root-included", "large-chain")


def meets(bench: Bench, board: Board, variant: str) -> Attempt:
    """Switch the board on in front of a server with a broken certificate; what became of the first attempt."""
    with bench.presenting(board, variant):
        return first_attempt(bench.timeline, board)


def completed(attempt: Attempt) -> bool:
    return any(event.kind == "tls" for event in attempt.events)


def must_refuse(bench: Bench, board: Board, variant: str, warn: Tell) -> None:
    mark = bench.timeline.mark()
    attempt = meets(bench, board, variant)
    assert not completed(attempt), f"the device trusts a server whose certificate is {variant}"
    must_say_why(attempt, variant, warn)
    # Now that the right certificate is back, so must the device be.
    board.wait_online(after=attempt.events[-1].sequence)
    must_live(bench.timeline, board, after=mark)
    must_say_so(bench.timeline, board, variant, warn, after=mark)


def must_say_why(attempt: Attempt, variant: str, warn: Tell) -> None:
    # A signature that does not fit may come as decrypt_error (RFC 8446 section 6.2).
    says = any(event.kind == "tls-failed" and event["alert_from"] == "device" for event in attempt.events)
    if attempt.end is not End.SERVER_REFUSED and not (says and variant in SIGNATURES):
        warn(f"refused a certificate that is {variant}, but not by an alert that says why: {attempt}")


@pytest.mark.quick
@pytest.mark.scenario(
    "refuses a server it has no anchor for",
    covers=("Device Advisor: TLS unsecure server certificate",),
    waits="online.within, twice",
)
def test_refuses_an_unknown_authority(bench: Bench, board: Board, warn: Tell) -> None:
    """It breaks off the handshake with an alert (without one: warning), and is back once the right server is."""
    must_refuse(bench, board, "unknown-authority", warn)


@pytest.mark.scenario(
    "refuses a server that signed for itself",
    covers=("Device Advisor: TLS unsecure server certificate",),
    waits="online.within, twice",
)
def test_refuses_a_self_signed_certificate(bench: Bench, board: Board, warn: Tell) -> None:
    """It breaks off the handshake with an alert (without one: warning), and is back once the right server is."""
    must_refuse(bench, board, "self-signed", warn)


@pytest.mark.scenario(
    "refuses a chain without its intermediate",
    covers=("field failure 4: a chain that lacks an intermediate",),
    waits="online.within, twice",
)
def test_refuses_a_chain_without_its_intermediate(bench: Bench, board: Board, warn: Tell) -> None:
    """It knows the root alone, so a chain with a gap cannot be trusted (without an alert: warning)."""
    must_refuse(bench, board, "no-intermediate", warn)


@pytest.mark.quick
@pytest.mark.scenario(
    "refuses a server of another name",
    covers=("Device Advisor: TLS incorrect subject name",),
    waits="online.within, twice",
)
def test_refuses_a_wrong_name(bench: Bench, board: Board, warn: Tell) -> None:
    """It breaks off the handshake with an alert (without one: warning), and is back once the right server is."""
    must_refuse(bench, board, "wrong-name", warn)


@pytest.mark.parametrize("variant", ["ca-false", "no-basic-constraints", "no-key-cert-sign", "path-length-exceeded"])
@pytest.mark.scenario(
    "refuses an intermediate that may not sign",
    covers=("field failure 5: intermediate without CA:TRUE, keyCertSign, or past its pathlen",),
    waits="online.within, twice",
)
def test_refuses_an_intermediate_that_may_not_sign(bench: Bench, board: Board, variant: str, warn: Tell) -> None:
    """It breaks off the handshake if an intermediate lacks CA:TRUE or keyCertSign, or is past its issuer's pathlen."""
    must_refuse(bench, board, variant, warn)


@pytest.mark.quick
@pytest.mark.parametrize("variant", ["expired", "not-yet-valid", "intermediate-expired"])
@pytest.mark.scenario(
    "refuses a server certificate outside of its dates",
    covers=("Device Advisor: TLS expired server certificate", "arduino-esp32 #5780 #7747"),
    waits="online.within",
)
def test_refuses_a_certificate_outside_of_its_dates(
    bench: Bench, board: Board, variant: str, finding: Tell, warn: Tell
) -> None:
    """It breaks off if the server's certificate or its intermediate is out of date (without an alert: warning).

    The probe for date checking. A contract may say that its firmware does not check; then this is a finding.
    """
    attempt = meets(bench, board, variant)
    trusted = completed(attempt)
    finding("certificate dates are not checked" if trusted else f"certificate dates are checked ({attempt.detail})")
    if trusted and board.contract.time.dates == "unchecked":
        pytest.skip("not applicable: dates unchecked, as the contract says (time.dates): a security finding, no pass")
    assert not trusted, f"a server certificate that is {variant} was accepted: certificate dates are not checked"
    must_say_why(attempt, variant, warn)


@pytest.mark.parametrize("variant", SIGNATURES)
@pytest.mark.scenario(
    "refuses a server that proves nothing",
    covers=("Device Advisor: TLS unsecure server certificate", "a certificate that somebody else's key has signed"),
    waits="online.within, twice",
)
def test_refuses_a_server_that_proves_nothing(bench: Bench, board: Board, variant: str, warn: Tell) -> None:
    """It breaks off if the certificate's signature is not its issuer's, or the server lacks the certificate's key."""
    must_refuse(bench, board, variant, warn)


@pytest.mark.scenario(
    "refuses a server with a client's certificate",
    covers=("extended key usage of the other side", "RFC 5280 section 4.2.1.12"),
    waits="online.within, twice",
)
def test_refuses_a_clients_certificate(bench: Bench, board: Board, warn: Tell) -> None:
    """It breaks off if the server's certificate is made for clients: else any device of the fleet can be the server."""
    must_refuse(bench, board, "wrong-purpose", warn)


@pytest.mark.parametrize("variant", ["weak-signature", "weak-key"])
@pytest.mark.scenario(
    "refuses a server certificate that is too weak",
    covers=("certificates signed with SHA-1, RSA of 1024 bits", "RFC 9325 section 4.5"),
    waits="online.within, twice",
)
def test_refuses_a_weak_certificate(bench: Bench, board: Board, variant: str, warn: Tell) -> None:
    """It breaks off if the certificate is signed with SHA-1, or its key is RSA of 1024 bits (no alert: warning)."""
    must_refuse(bench, board, variant, warn)


@pytest.mark.needs("retry")
@pytest.mark.scenario(
    "is patient with a server that it cannot trust",
    covers=("a broker whose certificate has expired, and a fleet that hammers it",),
    waits="4 refusals, each for its gap, and online.within twice",
)
def test_is_patient_with_a_bad_server(bench: Bench, board: Board) -> None:
    """It refuses a server four times, waits longer each time, and is back once the right one is."""
    timeline, mark = bench.timeline, bench.timeline.mark()
    with bench.presenting(board, "unknown-authority"):
        board.power_cycle()
        ends = timeline.wait_count(
            where("gateway", "close", board.name),
            REFUSALS,
            timeout=board.contract.online.within + sum(gaps(board, REFUSALS - 1)) + MARGIN,
            after=mark,
        )
    must_have_waited(timeline, board, REFUSALS, "a bad server", after=mark, before=ends[-1].sequence + 1)
    board.wait_online(after=ends[-1].sequence, timeout=board.contract.online.within + board.contract.retry.most)


@pytest.mark.parametrize("variant", UNUSUAL)
@pytest.mark.scenario(
    "takes a chain that is unusual and good",
    covers=("servers that send certificates twice, the root as well, or a long chain",),
    waits="online.within",
)
def test_takes_an_unusual_chain(bench: Bench, board: Board, variant: str) -> None:
    """It completes the handshake if the server sends each certificate twice, the root as well, or 10,000 bytes."""
    attempt = meets(bench, board, variant)
    assert completed(attempt), f"a good server whose chain is unusual ({variant}) was not taken: {attempt}"


@pytest.mark.parametrize("variant", ["wrong-order", "swapped-intermediates", "deep-chain"])
@pytest.mark.scenario(
    "comes to terms with a chain that not every device takes",
    covers=("field failure 4: a chain in the wrong order", "RFC 8446 section 4.4.2", "mbedTLS: eight intermediates"),
    waits="online.within, twice",
)
def test_comes_to_terms_with_a_difficult_chain(bench: Bench, board: Board, variant: str, finding: Tell) -> None:
    """It takes a chain that is out of order or ten intermediates long, or refuses it; either way it is back."""
    attempt = meets(bench, board, variant)
    finding(f"a server's chain that is {variant} is {'taken' if completed(attempt) else 'refused'}")
    if not completed(attempt):
        board.wait_online(after=attempt.events[-1].sequence)
