"""Credentials in a device go bad: a stranger's certificate, two files mixed up, a character lost on the way.

It must go on living, say on its console what is wrong, try again with patience, and be back once its credentials are
good. What it must never do is go on with less: without verifying the server, or without its certificate.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from hil.bench import Bench
from hil.board import Board
from hil.credentials import Credentials, Flaw, broken
from hil.provision import ProvisionError
from hil.timeline import NoSuchEvent, where

from .afterwards import gaps, must_have_waited, must_live, must_say_so
from .asking import MARGIN

pytestmark = [pytest.mark.tls, pytest.mark.needs("own-tls", "gateway", "client-certificate")]

Tell = Callable[[str], None]

#: Judges a board with certain credentials, which are named; seconds it usually takes to connect; from where it looked.
Must = Callable[[Bench, Board, Credentials, str, float], int]

#: Refusals that are watched.
REFUSALS = 3

#: Why the gateway's handshake failed with a device that sent no certificate.
NONE_SENT = "no client certificate"

#: The flaws of a device's certificate that a broker refuses, by what is wrong.
REFUSED = {
    "dates": (Flaw.EXPIRED, Flaw.NOT_YET_VALID, Flaw.INTERMEDIATE_EXPIRED),
    "issuer": (Flaw.UNKNOWN_AUTHORITY, Flaw.SELF_SIGNED, Flaw.WRONG_SIGNATURE, Flaw.NO_INTERMEDIATE),
    "intermediate": (Flaw.NOT_AN_AUTHORITY, Flaw.NO_CONSTRAINTS, Flaw.NO_CERT_SIGN, Flaw.PATH_TOO_LONG),
    "purpose": (Flaw.WRONG_PURPOSE,),
    "strength": (Flaw.WEAK_SIGNATURE, Flaw.WEAK_KEY),
}

#: Chains that a broker takes, though not every device is given such.
TAKEN = (Flaw.DUPLICATES, Flaw.ROOT_INCLUDED, Flaw.SWAPPED_INTERMEDIATES, Flaw.WRONG_NAME, Flaw.DEEP_CHAIN)


def start(board: Board, credentials: Credentials | None = None) -> int:
    """Put these credentials into the board (without any: its own), and switch it on anew; from where to look."""
    board.provision(credentials)
    mark = board.timeline.mark()
    board.power_cycle()
    return mark


def recovers(board: Board) -> None:
    """Fail unless it is online with its good credentials."""
    start(board)
    board.wait_online()


def own(board: Board) -> Credentials:
    assert board.credentials is not None
    return board.credentials


def flawed(bench: Bench, board: Board, flaw: Flaw) -> Credentials:
    return broken.device(bench.authority, board.contract.mqtt.client_id, flaw)


def must_bear(bench: Bench, board: Board, flaw: Flaw, warn: Tell) -> None:
    """It is refused for this flaw, and goes on as it should."""
    timeline = bench.timeline
    mark = start(board, flawed(bench, board, flaw))
    refusals = timeline.wait_count(
        where("gateway", "tls-failed", board.name, verify_code=flaw.verdict),
        REFUSALS,
        timeout=board.contract.online.within + sum(gaps(board, REFUSALS - 1)) + MARGIN,
        after=mark,
    )
    must_live(timeline, board, after=mark)
    must_have_waited(timeline, board, REFUSALS, flaw, after=mark, before=refusals[-1].sequence + 1)
    must_say_so(timeline, board, flaw, warn, after=mark)


@pytest.mark.long
@pytest.mark.needs("retry")
@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.scenario(
    "bears each flaw of its certificate",
    covers=("each broken certificate, presented by the device", "field failures 4 and 5, on the device's side"),
    waits="3 refusals for each flaw, each for its gap, and online.within",
)
def test_bears_each_flaw_of_its_certificate(bench: Bench, board: Board, kind: str, warn: Tell) -> None:
    """Each certificate that a broker refuses is put into it: it says so, tries again with patience, and recovers."""
    for flaw in REFUSED[kind]:
        must_bear(bench, board, flaw, warn)
    recovers(board)


@pytest.mark.long
@pytest.mark.scenario(
    "shows a chain as it was given",
    covers=("chains with duplicates, with the root, out of order, and deep ones, presented by the device",),
    waits="online.within for each chain",
)
def test_shows_a_chain_as_it_was_given(bench: Bench, board: Board, finding: Tell) -> None:
    """Twice each, with the root, out of order, or eleven certificates: it sends them, and the broker lets it in."""
    seen = where("gateway", "tls", board.name) | where("gateway", "tls-failed", board.name)
    for flaw in TAKEN:
        try:
            mark = start(board, flawed(bench, board, flaw))
        except ProvisionError as error:
            finding(f"a chain that is {flaw} cannot be put into it: {error}")
            continue
        met = bench.timeline.wait(seen, timeout=board.contract.online.within, after=mark)
        assert met.kind == "tls", f"with a chain that is {flaw} it was refused: {met}"
    recovers(board)


def with_anchors(credentials: Credentials, anchors: bytes) -> Credentials:
    return replace(credentials, trust_anchors_pem=anchors)


def stray(pem: bytes) -> bytes:
    """A character that is not base64 in the middle, as a bad copy or a worn flash leaves it."""
    middle = len(pem) // 2
    return pem[:middle] + b"!" + pem[middle + 1 :]


def usual(board: Board) -> float:
    """Seconds from its start until it is online."""
    mark = board.timeline.mark()
    board.power_cycle()
    return board.wait_online(after=mark).monotonic - board.timeline.events(after=mark)[0].monotonic


def look_on(board: Board, credentials: Credentials, seconds: float) -> int:
    """Start it with these, and look on for longer than it needs to connect; from where on."""
    mark = start(board, credentials)
    met = where("gateway", "tls", board.name) | where("gateway", "tls-failed", board.name, reason=NONE_SENT)
    with contextlib.suppress(NoSuchEvent):
        board.timeline.wait(met, timeout=1.5 * seconds + board.contract.retry.first + 0.5, after=mark)
    return mark


def must_trust_nobody(bench: Bench, board: Board, credentials: Credentials, what: str, seconds: float) -> int:
    """With these trust anchors it must not finish a handshake with a server of an unknown authority."""
    with bench.presenting(board, "unknown-authority"):
        mark = look_on(board, credentials, seconds)
        trusted = bench.timeline.events(where("gateway", "tls", board.name), after=mark)
    assert not trusted, f"{what}: it trusts a server of an unknown authority"
    must_live(bench.timeline, board, after=mark)
    return mark


def must_bear_all(
    bench: Bench, board: Board, damages: dict[str, Credentials], must: Must, finding: Tell, warn: Tell
) -> None:
    """Each of these goes into it: `must` holds, it says so, and it is back with its own; what cannot is a finding."""
    seconds = usual(board)
    for what, credentials in damages.items():
        try:
            mark = must(bench, board, credentials, what, seconds)
        except ProvisionError as error:
            finding(f"{what}: that cannot be put into it: {error}")
            continue
        must_say_so(bench.timeline, board, what, warn, after=mark)
    recovers(board)


@pytest.mark.quick
@pytest.mark.scenario(
    "trusts nobody when its trust anchors are damaged",
    covers=("damaged PEM on the device", "setInsecure() as a way out of a certificate that does not parse"),
    waits="twice and a half its usual time to connect, and online.within twice",
)
def test_trusts_nobody_when_its_anchors_are_damaged(bench: Bench, board: Board, warn: Tell) -> None:
    """A character of its trust anchors is lost: it says so, and connects to nobody rather than to anybody."""
    good = own(board)
    what = "the trust anchors are damaged"
    mark = must_trust_nobody(bench, board, with_anchors(good, stray(good.trust_anchors_pem)), what, usual(board))
    must_say_so(bench.timeline, board, what, warn, after=mark)
    recovers(board)


@pytest.mark.long
@pytest.mark.scenario(
    "trusts nobody when its trust anchors are not there",
    covers=("trust anchors cut off, or missing, on the device",),
    waits="one and a half times its usual time to connect for each, and online.within twice",
)
def test_trusts_nobody_when_its_anchors_are_not_there(bench: Bench, board: Board, finding: Tell, warn: Tell) -> None:
    """Its trust anchors are cut off half-way, or empty: it says so, and connects to nobody rather than to anybody."""
    good = own(board)
    damages = {
        "the trust anchors are cut off": with_anchors(good, good.trust_anchors_pem[: len(good.trust_anchors_pem) // 2]),
        "the trust anchors are missing": with_anchors(good, b""),
    }
    must_bear_all(bench, board, damages, must_trust_nobody, finding, warn)


def must_not_go_without(bench: Bench, board: Board, credentials: Credentials, what: str, seconds: float) -> int:
    """With these it may stay away or be refused; it must not connect as if it had no certificate."""
    mark = look_on(board, credentials, seconds)
    bare = [
        event
        for event in bench.timeline.events(where("gateway", None, board.name), after=mark)
        if event.kind == "tls" or (event.kind == "tls-failed" and event["reason"] == NONE_SENT)
    ]
    assert not bare, f"{what}: it connects without its certificate, as if it had none: {bare[0]}"
    must_live(bench.timeline, board, after=mark)
    return mark


@pytest.mark.quick
@pytest.mark.scenario(
    "does not go without its certificate",
    covers=("certificate and key that do not match on the device", "field failure 3: no client certificate is sent"),
    waits="twice and a half its usual time to connect, and online.within twice",
)
def test_does_not_go_without_its_certificate(bench: Bench, board: Board, warn: Tell) -> None:
    """Its key is that of another certificate: it says so; it must not connect as if it had no certificate at all."""
    mixed = flawed(bench, board, Flaw.OTHER_KEY)
    mark = must_not_go_without(bench, board, mixed, "certificate and key do not match", usual(board))
    must_say_so(bench.timeline, board, "certificate and key do not match", warn, after=mark)
    recovers(board)


@pytest.mark.long
@pytest.mark.scenario(
    "hides no damage to its certificate",
    covers=("damaged PEM on the device", "only one of certificate and key set", "chain in the wrong order"),
    waits="one and a half times its usual time to connect for each, and online.within twice",
)
def test_hides_no_damage_to_its_certificate(bench: Bench, board: Board, finding: Tell, warn: Tell) -> None:
    """Certificate or key damaged, missing, or in the wrong order: it says so, and does not go without."""
    good = own(board)
    damages = {
        "the certificate is damaged": replace(good, chain_pem=stray(good.chain_pem[: len(good.chain_pem) // 2])),
        "the key is damaged": replace(good, key_pem=stray(good.key_pem)),
        "the certificate is missing": replace(good, chain_pem=b""),
        "the key is missing": replace(good, key_pem=b""),
        "the chain is in the wrong order": flawed(bench, board, Flaw.WRONG_ORDER),
    }
    must_bear_all(bench, board, damages, must_not_go_without, finding, warn)
