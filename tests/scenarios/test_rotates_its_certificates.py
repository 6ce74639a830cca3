"""Certificates end: those of a device are replaced while it lives, and the server's may expire under it.

Rotation puts new ones into a device that was online with the old ones, and looks at what it shows, and whom it trusts,
from then on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hil.bench import Bench
from hil.board import Board
from hil.credentials import Authority, Credentials, CredentialsError, ServerIdentity
from hil.credentials.issue import Validity, authority_usage, new_key, sign, subject_of
from hil.gateway.faults import Resumption
from hil.parts.broker_side import server_names
from hil.timeline import Event, NoSuchEvent, Timeline, where

pytestmark = [pytest.mark.tls, pytest.mark.needs("own-tls", "gateway", "retry")]

Tell = Callable[[str], None]

#: Refusals of the expired certificate before the device is given a new one.
REFUSALS = 2

#: Seconds that a server's certificate is good for, one after the other until the device has met one in time.
LIVES = (2, 8, 32, 128)

#: The same for a device's own certificate, which has to be put into it first.
LIVES_OF_ITS_OWN = (20, 90, 400)

#: Seconds past the end of a certificate, for a clock that is not quite right.
PAST = 1.0


@pytest.mark.needs("provisioning", "client-certificate")
@pytest.mark.scenario(
    "follows a rotation of all certificates",
    covers=(
        "certificate rotation: new device certificate, new intermediate, new root with overlap",
        "device certificate expires while connected, and at the next connect",
    ),
    waits="the life of a certificate, 20 s; 2 refusals, online.within 4 times, retry.most 4 times, two provisionings",
)
def test_follows_a_rotation_of_all_certificates(bench: Bench, board: Board, finding: Tell) -> None:
    """It shows its new certificate, of a new intermediate; once that has expired it is refused, tries on, and shows the
    next. It trusts the old root and the new one while it holds both, and the new one alone after that."""
    assert bench.gateway is not None
    old, new = bench.authority, Authority.create("hil bench, next")
    client_id, moved = board.contract.mqtt.client_id, new.issue_server(server_names(bench.rig))
    board.power_cycle()
    board.wait_online()
    # A session that is resumed shows no certificate that anybody could look at.
    with bench.gateway.fault(Resumption(on=False), board=board.name):
        both = old.trust_anchors_pem + new.trust_anchors_pem
        short = _shows_one_that_ends(bench, board, _with_new_intermediate(old), both)
        with bench.presenting(board, moved):
            met = _meets_again(bench, board)
        assert _trusts(met), f"it was given the old root and the new one, and trusts no server of the new: {met}"
        _is_refused_once_it_has_expired(bench, board, short, finding)
    with bench.presenting(board, moved), bench.trusting(board, new.trust_anchors_pem):
        _puts_to_use(bench, board, new.issue_device(client_id))
    met = _meets_again(bench, board)
    assert not _trusts(met), f"the old root was taken away from it, and it trusts a server of it all the same: {met}"
    with bench.presenting(board, moved), bench.trusting(board, new.trust_anchors_pem):
        board.wait_online(after=met.sequence, timeout=board.contract.online.within + board.contract.retry.most)


@pytest.mark.scenario(
    "refuses a server certificate that has expired since",
    covers=("server certificate expires while connected, and at the next connect",),
    waits="the life of a certificate, 2 s at least; online.within twice, and retry.most 3 times",
)
def test_refuses_a_server_certificate_that_has_expired_since(
    bench: Bench, board: Board, timeline: Timeline, finding: Tell, warn: Tell
) -> None:
    """The server's certificate ends while it is connected: at its next connect it must refuse it, good as it was.

    Whether it stays connected until then is a finding. It is back once the server has a new certificate.
    """
    board.power_cycle()
    board.wait_online()
    identity, met = _met_while_good(bench, board)
    left = (identity.not_after - datetime.now(UTC)).total_seconds()
    try:
        timeline.wait(where("gateway", "close", board.name), timeout=left + PAST, after=met.sequence)
        finding("it hangs up once the server's certificate has expired")
    except NoSuchEvent:
        finding("it stays connected when the server's certificate expires")
    with bench.presenting(board, replace(identity, flaw="expired")):
        met = _meets_again(bench, board)
    if met.kind == "tls" and board.contract.time.dates == "unchecked":
        pytest.skip("not applicable: dates unchecked, as the contract says (time.dates): a security finding, no pass")
    assert met.kind == "tls-failed", "it trusts a server certificate that has expired since: it does not look again"
    if met["alert_from"] != "device":
        warn(f"refused a certificate that has expired since, but not by an alert that says why: {met}")
    board.wait_online(after=met.sequence, timeout=board.contract.online.within + board.contract.retry.most)


def _shows_one_that_ends(bench: Bench, board: Board, authority: Authority, anchors_pem: bytes) -> Credentials:
    """Put a certificate that ends soon into the device, and see it online with that before it does."""
    for seconds in LIVES_OF_ITS_OWN:
        now = datetime.now(UTC).replace(microsecond=0)
        life = Validity(now - timedelta(days=1), now + timedelta(seconds=1 + seconds))
        made = authority.issue_device(board.contract.mqtt.client_id, validity=life).trusting(anchors_pem)
        met = _given(bench, board, made)
        if met.kind == "tls" or datetime.now(UTC) < made.not_after:
            break
    _is_at_work(board, made, met)
    return made


def _is_refused_once_it_has_expired(bench: Bench, board: Board, credentials: Credentials, finding: Tell) -> None:
    """Its own certificate ends while it is connected; then it is cut off, refused, and goes on trying."""
    assert bench.gateway is not None
    mark = bench.timeline.mark()
    left = max(0.0, (credentials.not_after - datetime.now(UTC)).total_seconds())
    try:
        bench.timeline.wait(where("gateway", "close", board.name), timeout=left + PAST, after=mark)
        finding("it hangs up, or is cut off, when its own certificate expires")
    except NoSuchEvent:
        finding("it stays connected when its own certificate expires")
    bench.gateway.drop(board.name)
    refused = where("gateway", "tls-failed", board.name, alert="certificate_expired")
    patience = 2 * board.contract.online.within + REFUSALS * board.contract.retry.most
    bench.timeline.wait_count(refused, REFUSALS, timeout=patience, after=mark)


def _puts_to_use(bench: Bench, board: Board, credentials: Credentials) -> None:
    """Provision these, and see that the device is online with them: with no others, though it be online with those."""
    _is_at_work(board, credentials, _given(bench, board, credentials))


def _given(bench: Bench, board: Board, credentials: Credentials) -> Event:
    """Provision these; the first handshake after that."""
    board.provision(credentials=credentials)
    mark = bench.timeline.mark()
    board.power_cycle()
    return _handshake(bench, board, mark)


def _is_at_work(board: Board, credentials: Credentials, met: Event) -> None:
    assert met.kind == "tls", f"its new certificate is not let in: {met}"
    assert met["serial"] == credentials.serial, f"it shows the certificate {met['serial']}, not its new one"
    board.wait_online(after=met.sequence)


def _met_while_good(bench: Bench, board: Board) -> tuple[ServerIdentity, Event]:
    """A server's certificate that ends soon, and the handshake in which the device has taken it."""
    for seconds in LIVES:
        now = datetime.now(UTC).replace(microsecond=0)
        life = Validity(now - timedelta(days=1), now + timedelta(seconds=1 + seconds))
        identity = bench.authority.issue_server(server_names(bench.rig), validity=life)
        with bench.presenting(board, identity):
            met = _meets_again(bench, board)
        if met.kind == "tls":
            return identity, met
        board.wait_online(after=met.sequence, timeout=board.contract.online.within + board.contract.retry.most)
    pytest.fail(f"it does not trust a good server certificate that is good for {LIVES[-1]} s more: {met}")


def _meets_again(bench: Bench, board: Board) -> Event:
    """Cut the device off; what became of the handshake that it then tries."""
    assert bench.gateway is not None
    mark = bench.timeline.mark()
    bench.gateway.drop(board.name)
    return _handshake(bench, board, mark)


def _handshake(bench: Bench, board: Board, mark: int) -> Event:
    return bench.timeline.wait(
        where("gateway", "tls", board.name) | where("gateway", "tls-failed", board.name),
        timeout=board.contract.online.within + board.contract.retry.most,
        after=mark,
    )


def _trusts(met: Event) -> bool:
    """Whether it took the server's certificate: a gateway that refuses the device's was trusted before it saw that."""
    return met.kind == "tls" or met["alert_from"] == "gateway"


def _with_new_intermediate(authority: Authority) -> Authority:
    """The same root with an intermediate of another name and key."""
    try:
        root = authority.root
    except CredentialsError as elsewhere:
        pytest.skip(f"not applicable: {elsewhere}")
    ends = authority.intermediate.certificate.not_valid_after_utc
    validity = Validity(authority.intermediate.certificate.not_valid_before_utc, ends)
    subject = subject_of("hil bench intermediate, next")
    return Authority(root, sign(subject, authority_usage(0), validity, key=new_key(), issuer=root))
