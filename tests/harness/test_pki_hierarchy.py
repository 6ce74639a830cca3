"""A described hierarchy is issued, renewed, rotated and revoked as OpenSSL agrees, and survives a kill at any step."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pki_files import SMALL, described, needs_openssl, openssl, verdict

from hil.credentials import CredentialsError
from hil.pki import listing
from hil.pki.hierarchy import Pki
from hil.pki.passphrase import Passphrases
from hil.pki.shelf import Issued

CLIENT = ("-purpose", "sslclient")


def folder(pki: Pki, name: str = "esp32-a") -> Path:
    return pki.shelf.directory / "devices" / name / "current"


def states(pki: Pki) -> dict[str, str]:
    return {f"{r.name} {r.issued.label}" if r.issued else r.name: r.state for r in listing.rows(pki, everything=True)}


def newest(pki: Pki, name: str) -> Issued:
    found = pki.newest(pki.plan.named(name))
    assert found is not None
    return found


# -- issue -----------------------------------------------------------------------------------------------------------


@needs_openssl
def test_what_is_described_is_issued_once_and_openssl_accepts_it(tmp_path: Path) -> None:
    pki = described(tmp_path)
    assert [issued.name for issued in pki.issue()] == ["root", "site", "esp32-a", "esp32-b"]
    assert verdict(folder(pki) / "anchors.pem", folder(pki) / "chain.pem", *CLIENT) == "OK"
    assert pki.issue() == []


def test_a_name_brings_the_authorities_above_it_and_nothing_else(tmp_path: Path) -> None:
    pki = described(tmp_path)
    assert [issued.name for issued in pki.issue(["esp32-b"])] == ["root", "site", "esp32-b"]


@needs_openssl
@pytest.mark.parametrize("algorithm", ["ec-p384", "rsa-2048"])
def test_other_keys(tmp_path: Path, algorithm: str) -> None:
    pki = described(tmp_path, f'defaults = {{ algorithm = "{algorithm}" }}\n{SMALL.split("[devices.esp32-b]")[0]}')
    pki.issue()
    assert verdict(folder(pki) / "anchors.pem", folder(pki) / "chain.pem", *CLIENT) == "OK"
    digest = newest(pki, "esp32-a").certificate.signature_hash_algorithm
    assert digest is not None
    assert digest.name == ("sha384" if algorithm == "ec-p384" else "sha256")


def test_extensions_are_critical_where_rfc_5280_wants_it(tmp_path: Path) -> None:
    limits = 'issuer = "root"\nname_constraints = { permitted = ["dns:example.com"] }'
    pki = described(tmp_path, SMALL.replace('issuer = "root"', limits))
    pki.issue()
    site = {e.oid._name: e.critical for e in newest(pki, "site").certificate.extensions}
    assert site == {
        "basicConstraints": True,
        "keyUsage": True,
        "nameConstraints": True,
        "subjectKeyIdentifier": False,
        "authorityKeyIdentifier": False,
    }
    constraints = newest(pki, "site").certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)


def test_nothing_outlives_its_issuer(tmp_path: Path) -> None:
    pki = described(tmp_path, f"defaults = {{ authority_days = 10 }}\n{SMALL}")
    pki.issue()
    ends = {newest(pki, name).certificate.not_valid_after_utc for name in ("root", "site", "esp32-a")}
    assert max(ends) == newest(pki, "root").certificate.not_valid_after_utc


@pytest.mark.parametrize("form", ["sec1", "pkcs8"])
@pytest.mark.parametrize("passphrase", [None, "correct horse"])
def test_key_formats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, passphrase: str | None) -> None:
    said = f'key_format = "{form}"\n' + ('passphrase = { env = "KEY_PW" }\n' if passphrase else "")
    pki = described(tmp_path, f"[authorities.root]\n[devices.esp32-a]\n{said}")
    monkeypatch.setenv("KEY_PW", passphrase or "unused")
    pki.issue()
    text = (folder(pki) / "private.key").read_bytes()
    first = {
        ("sec1", False): b"-----BEGIN EC PRIVATE KEY-----\nM",
        ("sec1", True): b"-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED",
        ("pkcs8", False): b"-----BEGIN PRIVATE KEY-----",
        ("pkcs8", True): b"-----BEGIN ENCRYPTED PRIVATE KEY-----",
    }
    assert text.startswith(first[form, passphrase is not None])
    key = load_pem_private_key(text, passphrase.encode() if passphrase else None)
    assert key.public_key() == newest(pki, "esp32-a").certificate.public_key()
    given = pki.credentials("esp32-a").key_pem
    assert load_pem_private_key(given, None).public_key() == key.public_key()


def test_nobody_else_can_read_a_key(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        pki = described(tmp_path)
        pki.issue()
    finally:
        os.umask(before)
    keys = list(pki.shelf.directory.rglob("*.key"))
    assert len(keys) == 4
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert stat.S_IMODE(pki.shelf.directory.stat().st_mode) == 0o700
    assert (pki.shelf.directory / ".gitignore").read_text() == "*\n"
    pki.shelf.directory.chmod(0o755)
    with pytest.raises(CredentialsError, match="chmod 700"):
        pki.issue()


def test_an_encrypted_authority_needs_its_passphrase_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = SMALL.replace("[authorities.root]", '[authorities.root]\npassphrase = { env = "ROOT_PW" }')
    with pytest.raises(CredentialsError, match="ROOT_PW is not set"):
        described(tmp_path, text).issue()
    monkeypatch.setenv("ROOT_PW", "right one")
    described(tmp_path, text).issue()
    described(tmp_path, text).renew(["esp32-a"])
    monkeypatch.setenv("ROOT_PW", "wrong one")
    described(tmp_path, text).rotate(["esp32-a"])  # signed by the intermediate
    with pytest.raises(CredentialsError, match="does not open") as caught:
        described(tmp_path, text).renew(["site"])
    assert "wrong one" not in str(caught.value)


# -- renew, rotate ---------------------------------------------------------------------------------------------------


@needs_openssl
def test_renewing_keeps_the_key_and_old_chains_good(tmp_path: Path) -> None:
    pki = described(tmp_path)
    pki.issue()
    before = {name: newest(pki, name) for name in ("root", "site", "esp32-a")}
    pki.renew(["esp32-a", "root", "site"])
    for name, old in before.items():
        new = newest(pki, name)
        assert new.label == "1.2"
        assert new.certificate.public_key() == old.certificate.public_key()
        assert new.certificate.serial_number != old.certificate.serial_number
    assert verdict(folder(pki) / "anchors.pem", folder(pki) / "chain.pem", *CLIENT) == "OK"
    assert verdict(folder(pki) / "anchors.pem", before["esp32-a"].folder / "chain.pem", *CLIENT) == "OK"


def test_renew_within_takes_those_that_end(tmp_path: Path) -> None:
    pki = described(tmp_path, SMALL.replace("[devices.esp32-a]", "[devices.esp32-a]\ndays = 5"))
    pki.issue()
    assert states(pki)["esp32-a 1.1"] == "ends in 4 days"
    assert [i.name for i in pki.renew(within=timedelta(days=6))] == ["esp32-a"]
    assert pki.renew(within=timedelta(days=4)) == []


@needs_openssl
def test_rotating_the_root_overlaps(tmp_path: Path) -> None:
    pki = described(tmp_path)
    pki.issue()
    pki.rotate(["root"])
    anchors = (folder(pki) / "anchors.pem").read_bytes()
    old, new = (i.certificate for i in pki.shelf.all("authorities", "root"))
    assert x509.load_pem_x509_certificates(anchors) == [new, old]
    only_new = pki.shelf.directory / "authorities/root/current/certificate.pem"
    assert verdict(folder(pki) / "anchors.pem", folder(pki) / "chain.pem", *CLIENT) == "OK"
    assert "error 20" in verdict(only_new, folder(pki) / "chain.pem")
    pki.renew(["site"])  # the same key, signed by the new root
    assert verdict(folder(pki) / "anchors.pem", folder(pki) / "chain.pem", *CLIENT) == "OK"
    assert verdict(only_new, folder(pki) / "chain.pem", *CLIENT) == "OK"
    pki.rotate(["site", "esp32-a"])
    assert verdict(only_new, folder(pki) / "chain.pem", *CLIENT) == "OK"
    pki.revoke("root", superseded=True)
    assert x509.load_pem_x509_certificates((folder(pki) / "anchors.pem").read_bytes()) == [new]


# -- revoke ----------------------------------------------------------------------------------------------------------


@needs_openssl
def test_a_revoked_device_is_refused_and_issued_anew(tmp_path: Path) -> None:
    pki = described(tmp_path)
    pki.issue()
    gone = newest(pki, "esp32-a")
    pki.revoke("esp32-a", reason="keyCompromise")
    crl = pki.shelf.crl_path("site", 1)
    check = ("-CRLfile", str(crl), "-crl_check")
    assert "error 23" in verdict(folder(pki) / "anchors.pem", gone.folder / "chain.pem", *check)
    assert verdict(folder(pki, "esp32-b") / "anchors.pem", folder(pki, "esp32-b") / "chain.pem", *check) == "OK"
    assert "Key Compromise" in openssl(tmp_path, "crl", "-in", str(crl), "-noout", "-text").stdout
    with pytest.raises(CredentialsError, match="was revoked"):
        pki.renew(["esp32-a"])
    assert [i.label for i in pki.issue()] == ["2.1"]
    assert verdict(folder(pki) / "anchors.pem", folder(pki) / "chain.pem", *check) == "OK"


def test_a_revocation_list_remembers_and_counts(tmp_path: Path) -> None:
    pki = described(tmp_path)
    pki.issue()
    pki.revoke("esp32-a", reason="superseded")
    pki.revoke("esp32-b")
    pki.refresh_crls(["site"])
    crl = pki.shelf.crl("site", 1)
    assert crl is not None
    serials = {newest(pki, name).certificate.serial_number for name in ("esp32-a", "esp32-b")}
    assert {revoked.serial_number for revoked in crl} == serials
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 3
    first = crl.get_revoked_certificate_by_serial_number(newest(pki, "esp32-a").certificate.serial_number)
    assert first is not None
    assert first.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.superseded
    assert crl.next_update_utc is not None
    assert crl.next_update_utc > datetime.now(UTC) + timedelta(days=29)


def test_which_certificates_are_revoked(tmp_path: Path) -> None:
    pki = described(tmp_path)
    pki.issue()
    pki.rotate(["esp32-a"])
    pki.rotate(["esp32-a"])
    assert [i.label for i in pki.revoke("esp32-a", superseded=True)] == ["1.1", "2.1"]
    serial = f"{newest(pki, 'esp32-a').certificate.serial_number:X}"
    assert [i.label for i in pki.revoke("esp32-a", serial=serial)] == ["3.1"]
    with pytest.raises(CredentialsError, match="no good certificate"):
        pki.revoke("esp32-a")
    with pytest.raises(CredentialsError, match="expected one of: keyCompromise"):
        pki.revoke("esp32-b", reason="lost")


# -- the list --------------------------------------------------------------------------------------------------------


def test_states(tmp_path: Path) -> None:
    pki = described(tmp_path)
    assert states(pki)["esp32-a"] == "not issued"
    pki.issue()
    assert set(states(pki).values()) == {"good"}
    changed = SMALL.replace(
        "[devices.esp32-a]", '[devices.esp32-a]\nsubject = { CN = "other" }\nnames = ["dns:x.test"]'
    )
    pki = described(tmp_path, changed.replace('[devices.esp32-b]\nissuer = "site"', ""))
    assert states(pki)["esp32-a 1.1"] == "file differs: subject, subjectAltName"
    assert states(pki)["esp32-b 1.1"] == "not in the file"
    pki.renew(["esp32-a"])
    pki.revoke("esp32-b")
    assert states(pki)["esp32-a 1.2"] == "good"
    assert states(pki)["esp32-b 1.1"].startswith("revoked ")


def test_the_tree(tmp_path: Path) -> None:
    pki = described(tmp_path)
    pki.issue()
    words = [line.split("  ")[0].strip() for line in listing.tree(pki).splitlines()]
    assert [line.partition("── ")[2] or line for line in words[:1]] == ["root"]
    assert "pathlen:0" in listing.tree(pki)
    assert listing.tree(pki).splitlines()[2].startswith("    ├── esp32-a")


# -- killed ----------------------------------------------------------------------------------------------------------


def killed_at(step: int, pki: Pki) -> bool:
    """Issue in a process that ends without a word at the n-th change of the disk; whether there were so many."""
    child = os.fork()
    if child == 0:
        left = [step]
        for name in ("rename", "replace", "symlink", "fsync", "mkdir"):
            real = getattr(os, name)

            def counting(*args: object, real: object = real, **named: object) -> object:
                left[0] -= 1
                if left[0] < 0:
                    os._exit(9)
                return real(*args, **named)  # type: ignore[operator]

            setattr(os, name, counting)
        try:
            pki.issue()
            pki.revoke("esp32-b")
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_a_run_that_is_killed_at_any_step_is_gone_on_with(tmp_path: Path) -> None:
    step, steps = 0, 0
    while True:
        place = tmp_path / str(step)
        place.mkdir()
        pki = described(place)
        killed = killed_at(step, pki)
        pki.issue(["esp32-a"])
        leaf, anchors = newest(pki, "esp32-a"), pki.credentials("esp32-a").trust_anchors_pem
        assert newest(pki, "root").label == "1.1"
        assert x509.load_pem_x509_certificates(anchors) == [newest(pki, "root").certificate]
        assert (leaf.folder / "chain.pem").exists()
        assert not list(pki.shelf.directory.glob("*/*/.*"))
        if not killed:
            break
        step, steps = step + 3, steps + 1
    assert steps > 8


def test_two_runs_at_once_take_turns(tmp_path: Path) -> None:
    pki = described(tmp_path)
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            try:
                pki.issue()
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
    assert set(states(pki)) == {"root 1.1", "site 1.1", "esp32-a 1.1", "esp32-b 1.1"}


# -- a passphrase that is asked for ----------------------------------------------------------------------------------


def test_a_new_passphrase_is_asked_twice_and_kept_for_the_run(tmp_path: Path) -> None:
    text = "[authorities.root]\npassphrase = { prompt = true }\n[devices.esp32-a]\n"
    asked: list[str] = []

    def answering(*answers: str) -> Passphrases:
        left = list(answers)
        return Passphrases(lambda question: asked.append(question) or left.pop(0))

    plan = described(tmp_path, text).plan
    with pytest.raises(CredentialsError, match="the two are not the same; nothing was written"):
        Pki(plan, answering("one word", "another")).issue()
    with pytest.raises(CredentialsError, match="at least 4 characters"):
        Pki(plan, answering("abc", "abc")).issue()
    assert not Pki(plan).shelf.names("authorities")
    asked.clear()
    Pki(plan, answering("one word", "one word")).issue()
    assert asked == ["Passphrase of root: ", "The same again, for root: "]
    Pki(plan, answering("one word")).rotate(["esp32-a"])
    with pytest.raises(CredentialsError, match="does not open"):
        Pki(plan, answering("one wrod")).rotate(["esp32-a"])
