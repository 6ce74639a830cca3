"""A chain put in order, checked, judged for what will change, and reduced to what a device has to trust."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest
from chain_servers import NAME, NOW, authority, days_ago, identity, intermediate, leaf
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from hil.chain.choose import Wanted
from hil.chain.endpoint import Endpoint
from hil.chain.fetch import Fetched
from hil.chain.findings import Level
from hil.chain.path import End
from hil.chain.report import render
from hil.chain.store import Store
from hil.chain.survey import Survey, survey
from hil.credentials import Flaw, ServerIdentity, broken
from hil.credentials.identity import certificates
from hil.credentials.issue import Signed


def seen(
    server: ServerIdentity, *roots: Signed, name: str = NAME, wanted: Wanted = "root", ended: str | None = None
) -> Survey:
    sent = tuple(certificates(server.chain_pem))
    fetched = Fetched(Endpoint("127.0.0.1", 8883), name, sent, "TLSv1.3", "suite", False, (), ended)
    store = Store("the test's store", tuple(root.certificate for root in roots))
    return survey(fetched, store, NOW, wanted=wanted)


def about(found: Survey, level: Level) -> set[str]:
    return {finding.about for finding in found.findings if finding.level is level}


def trusted(found: Survey) -> list[x509.Certificate]:
    return list(found.choice.certificates)


ROOT = authority().root
MIDDLE = authority().intermediate
GOOD = identity(leaf(MIDDLE), MIDDLE)

FAULTS = {
    Flaw.EXPIRED: "expired",
    Flaw.NOT_YET_VALID: "not-yet-valid",
    Flaw.WRONG_NAME: "wrong-name",
    Flaw.WRONG_PURPOSE: "wrong-purpose",
    Flaw.WRONG_SIGNATURE: "wrong-signature",
    Flaw.NO_INTERMEDIATE: "missing-issuer",
    Flaw.WRONG_ORDER: "not-first",
    Flaw.NO_CONSTRAINTS: "no-authority",
    Flaw.NOT_AN_AUTHORITY: "no-authority",
    Flaw.NO_CERT_SIGN: "no-key-cert-sign",
    Flaw.PATH_TOO_LONG: "path-length",
    Flaw.INTERMEDIATE_EXPIRED: "expired",
}
LESSER = {
    Flaw.UNKNOWN_AUTHORITY: (Level.WARNING, "missing-issuer"),
    Flaw.SELF_SIGNED: (Level.WARNING, "unknown-root"),
    Flaw.WEAK_SIGNATURE: (Level.WARNING, "weak-signature"),
    Flaw.WEAK_KEY: (Level.WARNING, "weak-key"),
    Flaw.SWAPPED_INTERMEDIATES: (Level.WARNING, "order"),
    Flaw.DUPLICATES: (Level.WARNING, "duplicate"),
    Flaw.ROOT_INCLUDED: (Level.NOTE, "root-sent"),
    Flaw.LARGE_CHAIN: (Level.NOTE, "size"),
    Flaw.VERY_LARGE_CHAIN: (Level.WARNING, "size"),
    Flaw.DEEP_CHAIN: (Level.WARNING, "depth"),
}


def test_each_flaw_is_expected_to_be_found() -> None:
    assert {*FAULTS, *LESSER} == {flaw for flaw in Flaw if not flaw.in_key}


def test_a_good_chain_has_no_faults_and_no_warnings() -> None:
    found = seen(GOOD, ROOT)
    assert {finding.level for finding in found.findings} == {Level.NOTE}
    assert about(found, Level.NOTE) == {"openssl"}
    assert found.path.end is End.STORE
    assert found.path.certificates == (*certificates(GOOD.chain_pem), ROOT.certificate)
    assert trusted(found) == [ROOT.certificate]


@pytest.mark.parametrize("flaw", FAULTS, ids=str)
def test_faults_are_found_and_nothing_else_is_called_one(flaw: Flaw) -> None:
    found = seen(broken.server(authority(), [NAME], flaw), ROOT)
    expected = {FAULTS[flaw]} | ({"wrong-name"} if flaw is Flaw.WRONG_ORDER else set())
    assert about(found, Level.FAULT) - {"wrong-purpose"} == expected - {"wrong-purpose"}
    assert expected <= about(found, Level.FAULT)


@pytest.mark.parametrize("flaw", LESSER, ids=str)
def test_what_is_odd_is_told_without_being_a_fault(flaw: Flaw) -> None:
    level, slug = LESSER[flaw]
    found = seen(broken.server(authority(), [NAME], flaw), ROOT)
    assert slug in about(found, level)
    assert not found.faults


def test_a_server_that_lacks_its_key() -> None:
    assert about(seen(GOOD, ROOT, ended="the handshake failed: bad signature"), Level.FAULT) == {"other-key"}


# -- order -------------------------------------------------------------------------------------------------------------


def test_swapped_intermediates_are_put_in_order() -> None:
    found = seen(broken.server(authority(), [NAME], Flaw.SWAPPED_INTERMEDIATES), ROOT)
    assert [link.place for link in found.path.links] == [1, 3, 2, None]


def test_unrelated_certificates_are_left_aside() -> None:
    stranger = intermediate("stranger", None)
    found = seen(identity(leaf(MIDDLE), stranger, MIDDLE), ROOT)
    assert stranger.certificate not in found.path.certificates
    assert about(found, Level.NOTE) == {"unrelated", "openssl"}
    assert not found.faults


def test_a_root_that_only_vouches_for_itself_is_not_taken_for_known() -> None:
    found = seen(broken.server(authority(), [NAME], Flaw.ROOT_INCLUDED))
    assert found.path.end is End.SELF_SIGNED
    assert about(found, Level.WARNING) == {"unknown-root"}
    assert trusted(found) == [ROOT.certificate]


def test_the_stores_root_is_preferred_to_a_longer_way_through_a_cross_signed_one() -> None:
    old, new = intermediate("old root", None), intermediate("new root", None)
    crossed = intermediate("new root", old, key=new)
    issuing = intermediate("issuing", new)
    server = identity(leaf(issuing), issuing, crossed)
    found = seen(server, old, new)
    assert trusted(found) == [new.certificate]
    assert "cross-signed" in about(found, Level.WARNING)
    words = next(finding.words for finding in found.findings if finding.about == "cross-signed")
    assert "signed by itself in this chain, and also by CN=old root" in words
    assert trusted(seen(server, old)) == [old.certificate], "the only way for who knows the old one alone"


def test_certificates_that_sign_each_other_in_a_circle_end_the_search() -> None:
    one, two = intermediate("one", None), intermediate("two", None)
    crossed = [intermediate("one", two, key=one), intermediate("two", one, key=two)]
    found = seen(identity(leaf(crossed[0]), *crossed))
    assert found.path.end is End.OPEN
    assert len(found.path.links) == 3


def test_of_two_intermediates_with_one_key_the_one_in_date_is_taken() -> None:
    issuing = intermediate("issuing", ROOT)
    ended = intermediate("issuing", ROOT, days=-0.5, key=issuing)
    found = seen(identity(leaf(issuing), ended, issuing), ROOT)
    assert issuing.certificate in found.path.certificates
    assert not found.faults


# -- what to trust -----------------------------------------------------------------------------------------------------


def test_root_or_intermediate_and_why() -> None:
    root, middle = seen(GOOD, ROOT), seen(GOOD, ROOT, wanted="intermediate")
    assert trusted(middle) == [MIDDLE.certificate]
    assert "renewals" in root.choice.why[0]
    assert "unannounced" in middle.choice.why[0]
    assert not middle.faults


def test_an_intermediate_that_the_server_leaves_out_is_trusted_too() -> None:
    found = seen(identity(leaf(MIDDLE)), ROOT, MIDDLE)
    assert trusted(found) == [MIDDLE.certificate], "the store vouches for it"
    assert "missing-intermediate" in about(found, Level.WARNING)


def test_an_issuer_that_comes_too_early_is_trusted_too() -> None:
    found = seen(broken.server(authority(), [NAME], Flaw.SWAPPED_INTERMEDIATES), ROOT)
    assert trusted(found) == [found.fetched.certificates[1], ROOT.certificate]
    assert "does not look back" in found.choice.why[1]


def test_nothing_helps_against_a_lone_certificate_of_an_unknown_issuer() -> None:
    found = seen(identity(leaf(MIDDLE)))
    assert trusted(found) == []
    assert "--store" in found.faults[0].words


def test_a_server_that_signed_itself_is_its_own_anchor() -> None:
    alone = leaf(None)
    assert trusted(seen(identity(alone))) == [alone.certificate]
    assert not seen(identity(alone)).faults


def test_without_a_root_the_highest_intermediate_is_chosen() -> None:
    found = seen(GOOD)
    assert trusted(found) == [MIDDLE.certificate]
    assert "the root is not" in found.choice.why[0]


def test_what_only_openssl_knows_is_a_fault_too() -> None:
    """Name constraints are not looked at here; OpenSSL does."""
    key = ROOT.key
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "constrained")])
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, days_ago(1), days_ago(-999))
        .add_extension(x509.BasicConstraints(True, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.NameConstraints([x509.DNSName("elsewhere.test")], None), critical=True)
    )
    constrained = Signed(builder.sign(key, SHA256()), key)
    found = seen(identity(leaf(constrained)), constrained)
    assert about(found, Level.FAULT) == {"openssl"}
    assert "permitted subtree violation" in found.faults[0].words


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("*.example.test", "a.example.test", True),
        ("*.example.test", "A.EXAMPLE.TEST", True),
        ("*.example.test", "a.b.example.test", False),
        ("*.example.test", "example.test", False),
        ("*.example.test", ".example.test", False),
        ("a*.example.test", "ab.example.test", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("::1", "0:0:0:0:0:0:0:1", True),
        ("example.test", "10.0.0.1", False),
    ],
)
def test_names(pattern: str, name: str, fits: bool) -> None:
    found = seen(identity(leaf(MIDDLE, name=pattern), MIDDLE), ROOT, name=name)
    assert ("wrong-name" in about(found, Level.FAULT)) is not fits


def test_an_address_that_is_a_network_fits_nothing() -> None:
    key = MIDDLE.key
    common = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    network = x509.IPAddress(ip_network("10.0.0.0/8"))
    issuer = MIDDLE.certificate.subject
    builder = x509.CertificateBuilder(issuer, common, key.public_key(), 1, days_ago(1), days_ago(-99)).add_extension(
        x509.SubjectAlternativeName([network]), critical=False
    )
    server = identity(Signed(builder.sign(key, SHA256()), key), MIDDLE)
    assert about(seen(server, ROOT, name="10.0.0.0"), Level.FAULT) >= {"wrong-name"}


# -- what will change --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "days", "expected"),
    [
        (0, 365, set()),
        (330, 365, set()),  # 35 days left
        (340, 365, {"ends-soon"}),
        (60, 90, {"short-lived"}),  # 30 of 90 days left: just about to be renewed, as planned
        (80, 90, {"short-lived", "ends-soon"}),
    ],
)
def test_a_certificate_that_ends_soon(age: float, days: float, expected: set[str]) -> None:
    issuing = intermediate("issuing", ROOT, days=3000)
    found = seen(identity(leaf(issuing, days=days, start=days_ago(age)), issuing), ROOT)
    assert {finding.about for finding in found.findings} - {"openssl"} == expected


def test_an_intermediate_that_cannot_sign_the_next_certificate() -> None:
    issuing = intermediate("issuing", ROOT, days=600)
    found = seen(identity(leaf(issuing, days=365), issuing), ROOT)
    assert about(found, Level.WARNING) == {"issuer-changes"}
    assert about(seen(identity(leaf(issuing, days=250), issuing), ROOT), Level.WARNING) == set()


def test_a_root_that_ends_while_devices_live() -> None:
    old = intermediate("old root", None, days=900)
    found = seen(identity(leaf(old, days=120)), old)
    assert about(found, Level.WARNING) == {"root-ends"}


# -- shown -------------------------------------------------------------------------------------------------------------


def test_the_report_has_the_choice_and_its_reason() -> None:
    text = render(seen(GOOD, ROOT))
    assert "root         CN=test root" in text
    assert "from the test's store" in text
    assert "why: the root, good until" in text
    assert ROOT.certificate.fingerprint(ROOT.certificate.signature_hash_algorithm).hex(":").upper() in text  # type: ignore[arg-type]


def test_names_cannot_reach_the_terminal_with_control_characters() -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "evil\x1b[2J\nfound: nothing")])
    builder = x509.CertificateBuilder(name, name, ROOT.key.public_key(), 1, NOW - timedelta(1), NOW + timedelta(99))
    alone = Signed(builder.sign(ROOT.key, SHA256()), ROOT.key)
    text = render(seen(replace(GOOD, chain_pem=identity(alone).chain_pem)))
    assert "\x1b" not in text
    assert "evil?[2J?found: nothing" in text
