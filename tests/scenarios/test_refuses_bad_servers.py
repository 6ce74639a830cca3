"""A device must not talk to a server that it cannot trust, and must come back once it meets the right one again.

Each case presents one broken certificate and everything else as it should be. The device must break off, with a TLS
alert that says so; completing the handshake is a failure, whatever it does afterwards.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hil.attempts import Attempt, End, attempts
from hil.bench import Bench
from hil.board import Board
from hil.timeline import Timeline, where

pytestmark = pytest.mark.needs("gateway")


def meets(bench: Bench, board: Board, variant: str) -> Attempt:
    """Switch the board on in front of a server with a broken certificate; what became of the first attempt."""
    timeline, mark = bench.timeline, bench.timeline.mark()
    with bench.presenting(board, variant):
        board.power_cycle()
        timeline.wait(
            where("gateway", "tls", board.name) | where("gateway", "tls-failed", board.name),
            timeout=board.contract.online.within,
            after=mark,
        )
    return attempts(timeline.events(after=mark), board.name)[0]


def must_refuse(bench: Bench, board: Board, variant: str) -> None:
    attempt = meets(bench, board, variant)
    completed = any(event.kind == "tls" for event in attempt.events)
    assert not completed, f"the device trusts a server whose certificate is {variant}"
    assert attempt.end is End.SERVER_REFUSED, f"refused, but not by an alert that says why: {attempt}"
    # Now that the right certificate is back, so must the device be.
    board.wait_online(after=attempt.events[-1].sequence)


@pytest.mark.tls
@pytest.mark.quick
@pytest.mark.scenario(
    "refuses a server it has no anchor for",
    covers=("Device Advisor: TLS unsecure server certificate",),
    waits="online.within",
)
def test_refuses_an_unknown_authority(bench: Bench, board: Board) -> None:
    """It breaks off the handshake with an alert, and is back once the right server is."""
    must_refuse(bench, board, "unknown-authority")


@pytest.mark.tls
@pytest.mark.quick
@pytest.mark.scenario(
    "refuses a server of another name", covers=("Device Advisor: TLS incorrect subject name",), waits="online.within"
)
def test_refuses_a_wrong_name(bench: Bench, board: Board) -> None:
    """It breaks off the handshake with an alert, and is back once the right server is."""
    must_refuse(bench, board, "wrong-name")


@pytest.mark.parametrize("variant", ["ca-false", "no-basic-constraints", "no-key-cert-sign", "path-length-exceeded"])
@pytest.mark.tls
@pytest.mark.scenario(
    "refuses an intermediate that may not sign",
    covers=("field failure 5: intermediate without CA:TRUE, keyCertSign, or past its pathlen",),
    waits="online.within",
)
def test_refuses_an_intermediate_that_may_not_sign(bench: Bench, board: Board, variant: str) -> None:
    """It breaks off the handshake if an intermediate lacks CA:TRUE or keyCertSign, or is past its issuer's pathlen."""
    must_refuse(bench, board, variant)


@pytest.mark.tls
@pytest.mark.quick
@pytest.mark.scenario(
    "refuses an expired server certificate",
    covers=("Device Advisor: TLS expired server certificate", "arduino-esp32 #5780 #7747"),
    waits="online.within",
)
def test_refuses_an_expired_certificate(
    bench: Bench, board: Board, timeline: Timeline, finding: Callable[[str], None]
) -> None:
    """It breaks off the handshake with an alert.

    The probe for date checking. A contract may say that its firmware does not check; then this is a finding.
    """
    attempt = meets(bench, board, "expired")
    completed = any(event.kind == "tls" for event in attempt.events)
    finding("certificate dates are not checked" if completed else f"certificate dates are checked ({attempt.detail})")
    if completed and board.contract.time.dates == "unchecked":
        pytest.skip("not applicable: dates unchecked, as the contract says (time.dates): a security finding, no pass")
    assert not completed, "an expired server certificate was accepted: certificate dates are not checked"
    assert attempt.end is End.SERVER_REFUSED, f"refused, but not by an alert that says why: {attempt}"
