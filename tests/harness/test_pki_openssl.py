"""The configuration and commands for openssl make the same certificates, extension by extension."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtensionOID
from pki_files import described, openssl, verdict

from hil.credentials import CredentialsError
from hil.pki import openssl as writer
from hil.pki.hierarchy import Pki

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")

EVERYTHING = r"""
[subject]
O = "Böhm, Söhne + Ltd / #1"
L = "Ōtautahi"
ST = "Canterbury"
C = "NZ"

[authorities.root]
subject = { CN = 'Back\slash "root" $x' }
algorithm = "ec-p384"
days = 7300
path_length = 3
passphrase = { env = "ROOT_PW" }
crl_url = "http://crl.example.com/$root.crl"

[authorities.nz]
issuer = "root"
geography = "nz"
algorithm = "rsa-2048"
[authorities.nz.name_constraints]
permitted = ["dns:example.com", "email:example.com"]
excluded = ["ip:10.0.0.0/8", "email:x.example.com"]

[authorities.site]
issuer = "nz"
each = { device_type = ["sensor", "valve"], geography = ["nz"] }
subject = { OU = "{device_type}s in {geography}" }
crl_url = "http://crl.example.com/{name}.crl"

[devices."esp32-a.1"]
device_type = "sensor"
geography = "nz"
names = ["dns:a.example.com", "ip:192.0.2.7", "ip:2001:db8::7", "email:a@example.com", 'uri:urn:a,b$c;d\e']

[devices.esp32-b]
issuer = "site-valve-nz"
algorithm = "rsa-2048"
key_format = "pkcs8"
passphrase = { env = "DEVICE_PW" }
purpose = "both"
days = 30

[devices.alone]
self_signed = true
passphrase = { env = "DEVICE_PW" }
key_format = "sec1"
"""
PASSPHRASES = {"ROOT_PW": "the root's own", "DEVICE_PW": "a device's"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pki, Path]]:
    """The hierarchy as `hil pki` makes it, and the folder in which openssl made it."""
    folder = tmp_path_factory.mktemp("pki")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in PASSPHRASES.items():
            patch.setenv(name, value)
        pki = described(folder, EVERYTHING)
        pki.issue()
        writer.write(pki.plan, folder / "openssl")
        run(folder / "openssl")
        yield pki, folder / "openssl"


def run(folder: Path) -> None:
    environment = os.environ | PASSPHRASES
    done = subprocess.run(
        ["sh", "make.sh"], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr


def pairs(made: tuple[Pki, Path]) -> Iterator[tuple[str, x509.Certificate, x509.Certificate]]:
    """Each entry's name, its certificate of ours, and openssl's."""
    pki, folder = made
    for entry in pki.plan.entries.values():
        newest = pki.newest(entry)
        assert newest is not None
        text = (folder / entry.kind / entry.name / "certificate.pem").read_bytes()
        yield entry.name, newest.certificate, x509.load_pem_x509_certificate(text)


def extensions(certificate: x509.Certificate) -> dict[str, tuple[bool, bytes]]:
    """Name to criticality and DER, but for the key identifiers, which go by the keys."""
    identifiers = (ExtensionOID.SUBJECT_KEY_IDENTIFIER, ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
    return {
        e.oid._name: (e.critical, b"" if e.oid in identifiers else e.value.public_bytes())
        for e in certificate.extensions
    }


def test_the_extensions_are_the_same(made: tuple[Pki, Path]) -> None:
    seen = set()
    for name, ours, theirs in pairs(made):
        assert extensions(ours) == extensions(theirs), name
        seen |= set(extensions(ours))
    assert len(seen) == 8


def test_subjects_issuers_and_signatures_are_the_same(made: tuple[Pki, Path]) -> None:
    for name, ours, theirs in pairs(made):
        assert ours.subject.public_bytes() == theirs.subject.public_bytes(), name
        assert ours.issuer.public_bytes() == theirs.issuer.public_bytes(), name
        assert ours.signature_algorithm_oid == theirs.signature_algorithm_oid, name
        assert ours.version == theirs.version == x509.Version.v3
        assert ours.serial_number.bit_length() > 64 < theirs.serial_number.bit_length()


def test_keys_are_of_the_same_kind_and_length(made: tuple[Pki, Path]) -> None:
    for name, ours, theirs in pairs(made):
        kinds = []
        for key in (ours.public_key(), theirs.public_key()):
            assert isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)
            kinds.append((key.key_size, key.curve.name if isinstance(key, ec.EllipticCurvePublicKey) else "rsa"))
        assert kinds[0] == kinds[1], name


def test_key_identifiers_follow_the_same_rule(made: tuple[Pki, Path]) -> None:
    for certificates in zip(*((ours, theirs) for _, ours, theirs in pairs(made)), strict=True):
        issuers = {c.subject.public_bytes(): c for c in certificates}
        for certificate in certificates:
            has = certificate.extensions
            own = has.get_extension_for_class(x509.SubjectKeyIdentifier).value
            assert own == x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())  # type: ignore[arg-type]
            above = issuers[certificate.issuer.public_bytes()]
            certificate.verify_directly_issued_by(above)
            identifier = above.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            found = has.get_extension_for_class(x509.AuthorityKeyIdentifier).value
            assert (found.key_identifier, found.authority_cert_serial_number) == (identifier.key_identifier, None)


def test_they_end_at_the_same_time(made: tuple[Pki, Path]) -> None:
    for name, ours, theirs in pairs(made):
        assert abs(ours.not_valid_after_utc - theirs.not_valid_after_utc) < timedelta(minutes=10), name


def test_key_files_have_the_same_form(made: tuple[Pki, Path]) -> None:
    pki, folder = made
    for entry in pki.plan.entries.values():
        newest = pki.newest(entry)
        assert newest is not None
        theirs = folder / entry.kind / entry.name / "private.key"
        lines = [path.read_text().splitlines() for path in (newest.folder / "private.key", theirs)]
        assert lines[0][0] == lines[1][0], entry.name
        assert lines[0][1].startswith("Proc-Type") == lines[1][1].startswith("Proc-Type"), entry.name
        passphrase = PASSPHRASES[entry.passphrase.env].encode() if entry.passphrase and entry.passphrase.env else None
        load_pem_private_key(theirs.read_bytes(), passphrase)
        assert theirs.stat().st_mode & 0o077 == 0


def test_both_hierarchies_are_good_to_openssl(made: tuple[Pki, Path]) -> None:
    pki, folder = made
    for name in ("esp32-a.1", "esp32-b"):
        ours = pki.shelf.directory / "devices" / name / "current"
        theirs = folder / "devices" / name
        assert verdict(ours / "anchors.pem", ours / "chain.pem", "-purpose", "sslclient") == "OK"
        root = folder / "authorities/root/certificate.pem"
        assert verdict(root, theirs / "chain.pem", "-purpose", "sslclient") == "OK"


def test_the_script_leaves_alone_what_is_there_and_its_words_on_revoking_are_true(made: tuple[Pki, Path]) -> None:
    pki, folder = made
    before = {path: path.read_bytes() for path in folder.rglob("certificate.pem")}
    run(folder)
    assert {path: path.read_bytes() for path in folder.rglob("certificate.pem")} == before
    said = [line.removeprefix("#").strip() for line in (folder / "make.sh").read_text().splitlines()]
    commands = [line for line in said if "ca_site-valve-nz " in line and line.startswith("openssl ca -config")]
    assert len(commands) == 2
    for command in commands:
        done = openssl(folder, *command.replace("devices/NAME", "devices/esp32-b").split()[1:])
        assert done.returncode == 0, done.stderr
    crl = x509.load_pem_x509_crl((folder / "authorities/site-valve-nz/crl.pem").read_bytes())
    theirs = x509.load_pem_x509_certificate((folder / "devices/esp32-b/certificate.pem").read_bytes())
    assert crl.get_revoked_certificate_by_serial_number(theirs.serial_number) is not None
    ours = pki.shelf.directory
    pki.revoke("esp32-b", reason="keyCompromise")
    made_here = x509.load_pem_x509_crl((ours / "authorities/site-valve-nz/crl-1.pem").read_bytes())
    assert {e.oid for e in made_here.extensions} == {e.oid for e in crl.extensions}


def test_no_passphrase_is_written(made: tuple[Pki, Path]) -> None:
    _, folder = made
    for path in (folder / "make.sh", folder / "openssl.cnf"):
        assert not [value for value in PASSPHRASES.values() if value in path.read_text()]


def test_a_directory_that_is_in_use_is_left_alone(made: tuple[Pki, Path]) -> None:
    pki, folder = made
    with pytest.raises(CredentialsError, match="new or empty directory"):
        writer.write(pki.plan, folder)


def test_what_the_configuration_cannot_say_is_said(tmp_path: Path) -> None:
    text = '[authorities.root]\ncrl_url = "http://a/b,c"\n[devices.a]\n'
    pki = described(tmp_path, text)
    with pytest.raises(CredentialsError, match="write %2C"):
        writer.configuration(pki.plan)
