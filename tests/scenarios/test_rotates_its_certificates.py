"""Certificates are replaced while a fleet lives: the device's own, the intermediate above it, the root that it trusts.

Each step puts the new ones into a device that was online with the old ones, and looks at what it shows, and whom it
trusts, from then on.
"""

from __future__ import annotations

import pytest

from hil import parts
from hil.bench import Bench
from hil.board import Board
from hil.credentials import Authority, Credentials, CredentialsError
from hil.credentials.issue import AUTHORITY_DAYS, Validity, authority_usage, new_key, sign, subject_of
from hil.timeline import Event, where

pytestmark = [pytest.mark.tls, pytest.mark.needs("gateway", "provisioning", "client-certificate")]


@pytest.mark.needs("retry")
@pytest.mark.scenario(
    "shows its new certificate",
    covers=("certificate rotation: new device certificate, new intermediate",),
    waits="online.within four times, and two provisionings",
)
def test_shows_its_new_certificate(bench: Bench, board: Board) -> None:
    """Given a new certificate, then one of a new intermediate, it shows each from then on, with its chain, online."""
    board.power_cycle()
    board.wait_online()
    client_id = board.contract.mqtt.client_id
    for authority in (bench.authority, _with_new_intermediate(bench.authority)):
        _puts_to_use(bench, board, authority.issue_device(client_id))


@pytest.mark.needs("retry")
@pytest.mark.scenario(
    "follows its authority to a new root",
    covers=("certificate rotation: new root with overlap",),
    waits="online.within four times, and two provisionings",
)
def test_follows_its_authority_to_a_new_root(bench: Bench, board: Board) -> None:
    """It trusts servers of the old root and the new one while it holds both, and the new one's alone after that."""
    old, new = bench.authority, Authority.create("hil bench, next")
    client_id = board.contract.mqtt.client_id
    both = old.trust_anchors_pem + new.trust_anchors_pem
    moved = new.issue_server(parts.server_names(bench.rig))
    _puts_to_use(bench, board, old.issue_device(client_id).trusting(both))
    with bench.presenting(board, moved):
        assert _meets(bench, board).kind == "tls", "it trusts the old root and the new one, but no server of the new"
        with bench.trusting(board, new.trust_anchors_pem):
            _puts_to_use(bench, board, new.issue_device(client_id))
    # Outside, the server is one of the old root's again, and the device must have forgotten that.
    met = _meets(bench, board)
    assert met.kind == "tls-failed", "the old root was taken away, and it still trusts the server of it"
    with bench.presenting(board, moved), bench.trusting(board, new.trust_anchors_pem):
        board.wait_online(after=met.sequence, timeout=board.contract.online.within + board.contract.retry.most)


def _puts_to_use(bench: Bench, board: Board, credentials: Credentials) -> None:
    """Provision these, and see that the device is online with them: with no others, though it be online with those."""
    mark = bench.timeline.mark()
    board.provision(credentials=credentials)
    connected = where("gateway", "tls", board.name) | where("gateway", "tls-failed", board.name)
    done = bench.timeline.wait(where("provision", "done", board.name), timeout=1, after=mark)
    board.power_cycle()
    met = bench.timeline.wait(connected, timeout=board.contract.online.within, after=done.sequence)
    assert met.kind == "tls", f"its new certificate is not let in: {met}"
    assert met["serial"] == credentials.serial, f"it shows the certificate {met['serial']}, not its new one"
    board.wait_online(after=met.sequence)


def _meets(bench: Bench, board: Board) -> Event:
    """Cut the device off; what became of the handshake that it then tries."""
    assert bench.gateway is not None
    mark = bench.timeline.mark()
    bench.gateway.drop(board.name)
    return bench.timeline.wait(
        where("gateway", "tls", board.name) | where("gateway", "tls-failed", board.name),
        timeout=board.contract.online.within + board.contract.retry.most,
        after=mark,
    )


def _with_new_intermediate(authority: Authority) -> Authority:
    """The same root with an intermediate of another name and key."""
    try:
        root = authority.root
    except CredentialsError as elsewhere:
        pytest.skip(f"not applicable: {elsewhere}")
    validity = Validity.days(AUTHORITY_DAYS / 2)
    subject = subject_of("hil bench intermediate, next")
    return Authority(root, sign(subject, authority_usage(0), validity, key=new_key(), issuer=root))
